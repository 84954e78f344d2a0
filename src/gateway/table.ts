import type { Call, Door } from './call.ts'
import { checkBody } from './door/body.ts'
import { checkCeiling } from './permit/ceiling.ts'
import { checkDefinition } from './permit/definition.ts'
import { checkHostAndOrigin } from './door/host.ts'
import { checkEra } from './permit/era.ts'
import { checkObligations, checkPolicy } from './permit/obligations.ts'
import { checkPeer } from './permit/peer.ts'
import { checkReady } from './permit/ready.ts'
import { checkSession } from './permit/session.ts'
import { checkTarget } from './address.ts'
import type { Means } from './means.ts'
import type { CheckName, Refusal } from './refusal.ts'

export type Verdict = Refusal | undefined

export interface Check {
  readonly name: CheckName
  /** The doors at which the row stands. */
  readonly doors: readonly Door['kind'][]
  readonly check: (call: Call, means: Means) => Verdict | Promise<Verdict>
}

const both: Check['doors'] = ['all', 'one']

/**
 * What every request passes, in this order, at every door and in both eras: there is no other way to an upstream. The first
 * refusal ends it; what follows the table is the exchange with the upstream and the judgement of its answer.
 */
export const checks: readonly Check[] = [
  { name: 'ready', doors: both, check: checkReady },
  { name: 'peer', doors: both, check: checkPeer },
  { name: 'host and origin', doors: both, check: checkHostAndOrigin },
  { name: 'body', doors: both, check: checkBody },
  { name: 'era', doors: both, check: checkEra },
  { name: 'session', doors: both, check: checkSession },
  { name: 'target', doors: both, check: checkTarget },
  { name: 'ceiling', doors: both, check: checkCeiling },
  { name: 'definition', doors: both, check: checkDefinition },
  { name: 'policy', doors: both, check: checkPolicy },
  { name: 'obligations', doors: both, check: checkObligations },
]

export interface Refused {
  readonly check: CheckName
  readonly refusal: Refusal
}

/** Takes a call through the table. A check that throws refuses at the listener: nothing here fails open. */
export async function runChecks(call: Call, means: Means): Promise<Refused | undefined> {
  for (const row of checks) {
    if (!row.doors.includes(call.door.kind)) continue
    const verdict = row.check(call, means)
    // Most rows answer at once; waiting for those too would cost a turn of the loop each.
    const refusal = verdict instanceof Promise ? await verdict : verdict
    if (refusal !== undefined) return { check: row.name, refusal }
  }
  return undefined
}
