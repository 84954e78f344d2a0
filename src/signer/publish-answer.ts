import type { PublishAnswer } from './ports.ts'

/** The API server's refusal of a write, as far as it decides what to do next. */
export interface WriteRefusal {
  /** Undefined: no answer came. */
  readonly status: number | undefined
  readonly message: string
  readonly causes: readonly { readonly reason: string; readonly field: string }[]
}

/**
 * What a refused write of a request's status means. The paths of causes are not uniform in the API server, so only
 * `spec.signerName` is matched exactly (a missing right to sign is a 422 with that cause, and not a 403).
 */
export function judgeRefusal(refusal: WriteRefusal): PublishAnswer {
  const { status, message: detail, causes } = refusal
  switch (status) {
    case 403:
      return { kind: 'not-permitted', status, detail }
    case 404:
      return { kind: 'gone', status, detail }
    case 409:
      return { kind: 'conflict', status, detail }
    case 422:
      return judgeInvalid(status, detail, causes)
    default:
      if (
        status !== undefined &&
        status >= 400 &&
        status < 500 &&
        ![401, 408, 429].includes(status)
      ) {
        return { kind: 'rejected', status, detail }
      }
      return { kind: 'unknown', status, detail }
  }
}

function judgeInvalid(
  status: number,
  detail: string,
  causes: WriteRefusal['causes'],
): PublishAnswer {
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
