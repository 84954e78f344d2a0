import type { Decisions } from '../permit/policy.ts'
import type { Permit } from '../permit/authorize.ts'
import { refused, retrySoon, tooMany, unavailable, type Refused } from '../refusal.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'

/** What a caller is told of an upstream that has not answered (RFC 6585 §4, RFC 9110 §15.6). */
export function fault({ failed, detail, full = 'identity' }: ExchangeFailure): Refused {
  if (failed === 'share used up') {
    return refused('forward', { ...tooMany(`open requests of one ${full}`), detail })
  }
  if (failed === 'busy') {
    const more = { detail, headers: retrySoon }
    return refused('forward', unavailable(503, 'upstream is busy', more))
  }
  return noAnswer(`${failed}: ${detail}`, failed === 'time-out' ? 504 : 502)
}

/** The same on a stream that has begun. */
export function noAnswer(detail: string, status: 502 | 504 = 502): Refused {
  return refused('forward', unavailable(status, 'upstream gave no answer', { detail }))
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
