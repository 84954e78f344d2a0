import type { ApiClient } from '../kubernetes/api-client.ts'
import type { Delay } from '../kubernetes/backoff.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { AuthoritySource } from '../pki/authority.ts'
import type { ConditionBoard } from '../readiness.ts'
import type { AnchorPublication } from './anchors/anchor-publication.ts'
import { startAuthorityRequests, type SignerRequests } from './anchors/request-authority.ts'
import { startScheduledRotation, type SignerRotation } from './anchors/scheduled-rotation.ts'

/** By which of the two a signer has CAs one after the other; by command alone, or in files, without. */
export interface AuthorityKeeping {
  /** How often a self-signed authority is replaced without anybody asking. */
  readonly rotation?: SignerRotation | undefined
  /** Of whom a CA is asked for, and what. */
  readonly requests?: SignerRequests | undefined
}

/** Under which condition it says how far it is. */
export function keepingConditions({ rotation, requests }: AuthorityKeeping): readonly string[] {
  return [
    ...(rotation === undefined ? [] : ['rotation']),
    ...(requests === undefined ? [] : ['authority-request']),
  ]
}

/** From the start, and whatever else is in the way: a CA that has ended, or is not there yet, is replaced while nothing can be signed. */
export function keepAuthority(
  options: AuthorityKeeping & {
    readonly client: ApiClient
    readonly authorities: AuthoritySource
    readonly board: ConditionBoard
    readonly log: Log
    readonly metrics: Metrics
    readonly now: () => number
    readonly delay: Delay
  },
  anchors: Pick<AnchorPublication, 'held' | 'asks'>,
  opened: AsyncDisposableStack,
): void {
  const { rotation, requests, board, ...parts } = options
  if (rotation !== undefined) {
    const scheduled = opened.use(
      startScheduledRotation({ ...parts, ...rotation, held: () => anchors.held() }),
    )
    board.set('rotation', () => scheduled.condition())
  }
  if (requests !== undefined) {
    const asked = opened.use(
      startAuthorityRequests({ ...parts, ...requests, held: () => anchors.asks() }),
    )
    board.set('authority-request', () => asked.condition())
  }
}
