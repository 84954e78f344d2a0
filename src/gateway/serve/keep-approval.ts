import type { Permit } from '../permit/authorize.ts'
import { refused, unavailable, type Refused } from '../refusal.ts'
import type { Soon } from '../soon.ts'
import type { Parts } from './serve.ts'

/** The ticket for what goes on with a call that somebody has approved; undefined: nobody had to. */
export function keepApproval(
  { duties: { approved } }: Permit,
  { approvals, log }: Pick<Parts, 'approvals' | 'log'>,
): Soon<string | Refused | undefined> {
  if (approved === undefined || approvals === undefined) return undefined
  return approvals.goingOn.keep(approved).catch((error: unknown) => {
    log.error({ error }, 'approval of a call that goes on is not kept')
    return refused('response', unavailable(503, 'approvals are not known'))
  })
}
