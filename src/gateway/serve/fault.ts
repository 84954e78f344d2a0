import type { Decisions } from '../permit/policy.ts'
import type { Permit } from '../permit/authorize.ts'
import {
  badRequest,
  refused,
  retrySoon,
  temporarilyUnavailable,
  tooMany,
  unavailable,
  type Refused,
} from '../refusal.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'

/** What a caller is told of an upstream that has not answered (RFC 6585 §4, RFC 9110 §15.6). */
export function fault(failure: ExchangeFailure): Refused {
  const { failed, detail, full = 'identity', retryAfter } = failure
  if (failed === 'share used up') {
    return refused('forward', { ...tooMany(`open requests of one ${full}`), detail })
  }
  if (failed === 'busy') {
    const more = { detail, headers: retrySoon }
    return refused('forward', unavailable(503, 'upstream is busy', more))
  }
  if (failed === 'no room') {
    // When to ask again it is not told: a tool has most likely done what it was asked for.
    return refused(
      'forward',
      full === 'gateway'
        ? unavailable(503, 'gateway is busy', { detail })
        : { ...badRequest(429, `too many octets of answers of one ${full}`), detail },
    )
  }
  if (failed === 'overloaded') {
    const headers = retryAfter === undefined ? retrySoon : { 'retry-after': retryAfter }
    return refused('forward', unavailable(503, 'upstream is overloaded', { detail, headers }))
  }
  if (failed === 'unreachable' && failure.isUnsent === true) return notThere(failure)
  const more = { detail: `${failed}: ${detail}` }
  if (failed === 'revoked') {
    return refused('forward', unavailable(503, 'upstream is temporarily unavailable', more))
  }
  const status = failed === 'time-out' ? 504 : 502
  return refused('forward', unavailable(status, 'upstream gave no answer', more))
}

/** The upstream could not be asked what the caller asks. */
export function notThere({ failed, detail }: Pick<ExchangeFailure, 'failed' | 'detail'>): Refused {
  return refused('forward', temporarilyUnavailable(failed === 'time-out', `${failed}: ${detail}`))
}

/** An answer that asks its caller for something: that it is not given is a decision. */
export function refuseAnswer(
  { call, definition }: Permit,
  decisions: Decisions,
  what: string,
): Refused {
  return decisions.refuse({ call, definition }, 'response', {
    code: 'answer-not-served',
    message: `the answer held ${what}`,
    audience: 'agent',
  })
}

/** An upstream has forgotten its session: the caller opens a new one, as it would with the upstream itself. */
export const sessionOver: Refused = refused('response', badRequest(404, 'session is not known'))
