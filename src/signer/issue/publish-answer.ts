import type { UnwrittenAnswer } from './ports.ts'

/** The API server's refusal of a write, as far as it decides what to do next. */
export interface WriteRefusal {
  /** Undefined: no answer came. */
  readonly status: number | undefined
  /** Of the API server's Status object; empty where there was none. */
  readonly reason: string
  readonly message: string
  readonly causes: readonly { readonly reason: string; readonly field: string }[]
}

/** Not authenticated, too slow, too many: said before anybody looked at the object. */
const unsaid = new Set([401, 408, 429])

const kinds = new Map([
  [403, 'not-permitted'],
  [409, 'conflict'],
] as const)

/**
 * What a refused write of a request's status means. The paths of causes are not uniform in the API server, so only
 * `spec.signerName` is matched exactly (a missing right to sign is a 422 with that cause, and not a 403).
 */
export function judgeRefusal(refusal: WriteRefusal): UnwrittenAnswer {
  const { status, message: detail, causes } = refusal
  if (status === undefined || status >= 500 || unsaid.has(status)) {
    return { kind: 'unknown', status, detail }
  }
  // A proxy's 404, or one for an API that is not served just now, says nothing about the request.
  if (status === 404)
    return { kind: refusal.reason === 'NotFound' ? 'gone' : 'unknown', status, detail }
  if (status === 422) return judgeInvalid(status, detail, causes)
  return { kind: kinds.get(status as 403) ?? 'rejected', status, detail }
}

function judgeInvalid(
  status: number,
  detail: string,
  causes: WriteRefusal['causes'],
): UnwrittenAnswer {
  const noRight = causes.some(
    ({ reason, field }) => reason === 'FieldValueForbidden' && field === 'spec.signerName',
  )
  if (noRight) return { kind: 'not-permitted', status, detail }
  // Another object of that name, or a status that is terminal already: both are told by reading.
  if (causes.some(({ field }) => field === 'metadata.uid' || field === 'status')) {
    return { kind: 'conflict', status, detail }
  }
  if (causes.some(({ field }) => field.endsWith('notBefore'))) {
    return { kind: 'stale', status, detail }
  }
  return { kind: 'rejected', status, detail }
}
