import type { ApiClient } from '../kubernetes/api-client.ts'
import type { Delay } from '../kubernetes/backoff.ts'
import { startMembership, type Membership } from '../kubernetes/membership.ts'
import type { Log } from '../log.ts'
import { isReady, type ConditionBoard } from '../readiness.ts'
import type { LeasePlace } from '../kubernetes/lease.ts'

/** Who is seen no more is gone: as for the Lease of the trust bundle. */
const memberSeconds = 15

/** Beside the Lease of the trust bundle, and not in it: that one is taken from whoever lets it stand unchanged. */
export function membersLease({ namespace, name }: LeasePlace): LeasePlace {
  return { namespace, name: `${name}-members` }
}

/** From now on requests are shared with the other replicas, as long as this one can work on them. */
export function joinMembers(options: {
  readonly client: ApiClient
  readonly lease: LeasePlace
  readonly board: ConditionBoard
  readonly delay: Delay
  readonly log: Log
}): Membership {
  const { client, lease, board, delay, log } = options
  const canWork = (): boolean => isReady(board.list())
  const clock = (): number => performance.now()
  const place = membersLease(lease)
  const durationSeconds = memberSeconds
  return startMembership({ client, ...place, durationSeconds, canWork, clock, delay, log })
}
