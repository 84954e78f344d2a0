import { CountersignError } from '../errors.ts'
import { ApiError, isExpired } from './api-error.ts'

/** After so many failures in a row the resource version itself is in doubt (a restored etcd): list again. */
const failuresBeforeList = 5

/** The watch was open and said nothing: nobody knows since when its other end has been gone. */
export function isSilence(error: unknown): boolean {
  return error instanceof CountersignError && error.code === 'kubernetes/silent'
}

/** Why the loop starts anew: a label of countersign_watch_restarts_total. */
export type WatchFailure = 'ended' | 'expired' | 'silent' | 'unreachable' | 'refused' | 'answer'

export function watchFailure(error: unknown): WatchFailure {
  if (isExpired(error)) return 'expired'
  if (isSilence(error)) return 'silent'
  if (error instanceof ApiError) return 'refused'
  const code = error instanceof CountersignError ? error.code : undefined
  return code === 'kubernetes/unreachable' ? 'unreachable' : 'answer'
}

/** A refusal other than "come back later" may be about the resource version, whatever its words. */
export function needsList(error: unknown, failures: number): boolean {
  if (isExpired(error) || failures >= failuresBeforeList) return true
  // From the same resource version the same line would come again, too long or malformed.
  if (error instanceof CountersignError && error.code === 'kubernetes/answer') return true
  if (!(error instanceof ApiError)) return false
  return ![401, 403, 429].includes(error.status) && error.status < 500
}

/** For people: what is wrong with the list or the watch of a resource, and what to do about it. */
export function explainFailure(
  error: unknown,
  resource: { readonly group: string; readonly plural: string; readonly missing?: string },
): string {
  const said = error instanceof Error ? error.message : String(error)
  if (!(error instanceof ApiError)) return said
  const name = resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`
  if (error.status === 401) return `${said}: the credential is not accepted`
  if (error.status === 403) return `${said}: grant list and watch on ${name}`
  if (error.status === 404 && resource.missing !== undefined) return resource.missing
  if (error.status === 404) return `${said}: ${name} are not served, or by something else`
  return said
}
