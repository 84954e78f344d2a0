import type { Call } from '../call.ts'
import { decideCall, refuseDecision } from './policy.ts'
import type { Means } from '../means.ts'
import type { Refusal } from '../refusal.ts'

/** Asks policy. Notifications have no decision of their own: they belong to a session or a request that had one. */
export function checkPolicy(call: Call, means: Means): Refusal | undefined {
  const { message } = call
  if (message === undefined || message.kind !== 'request') return undefined
  return decideCall(call, means)
}

/** The obligations that the gateway can fulfil, by type. A permit under any other one is a refusal (AuthZEN obligations profile). */
const fulfilled: ReadonlySet<string> = new Set()

export function checkObligations(call: Call, means: Means): Refusal | undefined {
  const { decided } = call
  const unknown = decided?.obligations.find((obligation) => !fulfilled.has(obligation.type))
  if (decided === undefined || unknown === undefined) return undefined
  means.log.warn({ decision: decided.id, type: unknown.type }, 'obligation is not known')
  return refuseDecision(call, means, {
    check: 'obligations',
    reason: {
      code: 'obligation-unknown',
      message: 'an obligation of the permission cannot be met',
      audience: 'agent',
    },
  })
}
