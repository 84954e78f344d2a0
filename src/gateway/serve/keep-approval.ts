import type { Log } from '../../log.ts'
import type { Permit } from '../permit/authorize.ts'
import { refused, unavailable, type Refused } from '../refusal.ts'
import type { Soon } from '../soon.ts'
import { fault } from './fault.ts'
import type { Parts } from './serve.ts'

/** The ticket for what goes on with a call that somebody has approved; undefined: nobody had to. */
export function keepApproval(
  { duties: { approved } }: Permit,
  { approvals, log }: Pick<Parts, 'approvals' | 'log'>,
): Soon<string | Refused | undefined> {
  if (approved === undefined || approvals === undefined) return undefined
  return approvals.goingOn.keep(approved).catch((error: unknown) => notKept(log, error))
}

/** So often one call is put off by its server. */
const pageRoundsMax = 8

/** Why a call is not put off for the so-manieth time, if so. */
export function refuseRound(rounds: number): Refused | undefined {
  if (rounds <= pageRoundsMax) return undefined
  const detail = `pages are to be opened again and again, want=..${pageRoundsMax} times`
  return fault({ failed: 'bad answer', detail })
}

/**
 * The same for a legacy client, which has nothing to bring back: it makes the very call again, once what its server wants opened is open.
 * Undefined: it may be told so.
 */
export function keepForAgain(
  { duties: { approved } }: Permit,
  { approvals, log }: Pick<Parts, 'approvals' | 'log'>,
): Soon<Refused | undefined> {
  if (approved === undefined || approvals === undefined) return undefined
  const over = refuseRound((approved.request.pageRounds ?? 0) + 1)
  if (over !== undefined) return over
  return approvals.goingOn.keepForAgain(approved).then(
    () => undefined,
    (error: unknown) => notKept(log, error),
  )
}

function notKept(log: Log, error: unknown): Refused {
  log.error({ error }, 'approval of a call that goes on is not kept')
  return refused('response', unavailable(503, 'approvals are not known'))
}
