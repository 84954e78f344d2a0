import { CountersignError } from '../errors.ts'
import type { Delay } from '../kubernetes/backoff.ts'
import { requestCertificate, type Answered, type RequestOptions } from './request-certificate.ts'

/** The ways to a credential, as configuration names them. */
export const sourceNames = ['files', 'csr', 'self-signed'] as const
export type SourceName = (typeof sourceNames)[number]

/** PEM: key, certificate, intermediates. Or why there is none. */
export type Offered =
  | {
      readonly kind: 'issued'
      readonly credentialBundle: string
      /** PEM of the anchors that belong to this one alone. */
      readonly trustBundle?: string
    }
  | Exclude<Answered, { readonly kind: 'issued' }>

/** What a source is asked with. */
export interface Asked {
  readonly signal: AbortSignal
  readonly delay: Delay
  readonly random: () => number
  /** Whether this is the one in force: then there is nothing to offer. */
  readonly isInForce: (credentialBundle: string) => boolean
  /** Called while an answer is waited for, with since when. */
  readonly waits: (since: Date | undefined) => void
}

/** One way to a credential. */
export interface CredentialSource extends AsyncDisposable {
  readonly name: SourceName
  /** Nobody is asked by it, so it is looked at all the while, and not only when a renewal is due. */
  readonly isFollowed: boolean
  /** PEM of the anchors as they are published now; undefined where each credential brings its own. Throws `renewal/trust-bundle` and `pki/bundle`. */
  readonly anchors: ((signal: AbortSignal) => Promise<string>) | undefined
  /** Waits as long as it takes for another credential than the one in force. Rejects where there is none; whoever asks again asks for the same. */
  next(asked: Asked): Promise<Offered>
  /** What was offered last is taken, or never will be. */
  settle(): Promise<void>
}

/** Asks by CertificateSigningRequests. Disposing it ends nothing: a request is waited for by whoever starts again. */
export function requestedSource(
  options: Omit<RequestOptions, keyof Asked> & {
    readonly anchors: (signal: AbortSignal) => Promise<string>
  },
): CredentialSource {
  const { anchors, ...request } = options
  return {
    name: 'csr',
    isFollowed: false,
    anchors,
    async next({ signal, delay, random, waits }) {
      const answer = await requestCertificate({ ...request, signal, delay, random, waits })
      if (answer.kind !== 'issued') return answer
      const { kind, privateKeyPem, chainPem } = answer
      return { kind, credentialBundle: `${privateKeyPem}${chainPem}` }
    },
    settle: () => request.store.keepPending(undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** What is to be known of a credential of this source where another one is to be used. */
export function standingOf(
  name: SourceName,
  wanted: SourceName | undefined,
): { readonly ok: boolean; readonly reason: string } {
  if (name === 'self-signed') return { ok: false, reason: 'self-signed: nobody vouches for it' }
  if (name === wanted) return { ok: true, reason: name }
  return { ok: false, reason: `${name}, which stands in for ${wanted}` }
}

export function noneThere(why: string): CountersignError {
  return new CountersignError('renewal/source', why)
}
