import { rawIdOf, type Call } from '../call.ts'
import { refuseDecision } from '../permit/policy.ts'
import type { Means } from '../means.ts'
import { unavailable, type Refusal } from '../refusal.ts'
import type { Refused } from '../table.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import { refuseCrowded } from './refuse-crowded.ts'

/** What a caller is told of an upstream that has not answered. */
export function fault(call: Call, failure: ExchangeFailure): Refused {
  const crowded = refuseCrowded(call, failure)
  if (crowded !== undefined) return crowded
  const status = failure.failed === 'time-out' ? 504 : 502
  const detail = `${failure.failed}: ${failure.detail}`
  return { check: 'forward', refusal: noAnswer(call, detail, status) }
}

/** The same on a stream that has begun. */
export function noAnswer(call: Call, detail: string, status: 502 | 504 = 502): Refusal {
  return unavailable(status, 'upstream gave no answer', { rawId: rawIdOf(call), detail })
}

/** An answer that asks its caller for something: that it is not given is a decision. */
export function refuseAnswer(call: Call, means: Means, what: string): Refusal {
  return refuseDecision(call, means, {
    check: 'response',
    reason: { code: 'answer-not-served', message: `the answer held ${what}`, audience: 'agent' },
  })
}
