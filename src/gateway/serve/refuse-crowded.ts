import { rawIdOf, type Call } from '../call.ts'
import { badRequest, unavailable } from '../refusal.ts'
import type { Refused } from '../table.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'

/** Most calls end sooner than this and streams later: no other time is better. */
const retrySoon = { 'retry-after': '1' }

/** What a caller is told who found no seat at an upstream (RFC 6585 §4, RFC 9110 §15.6.4); undefined for other failures. */
export function refuseCrowded(
  call: Call,
  { failed, detail }: ExchangeFailure,
): Refused | undefined {
  const rawId = rawIdOf(call)
  if (failed === 'share used up') {
    const refusal = badRequest(429, 'too many open requests of one identity', rawId)
    return { check: 'forward', refusal: { ...refusal, headers: retrySoon, detail } }
  }
  if (failed !== 'busy') return undefined
  const refusal = unavailable(503, 'upstream is busy', { rawId, detail })
  return { check: 'forward', refusal: { ...refusal, headers: retrySoon } }
}
