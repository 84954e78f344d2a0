import type { Change, ChangeFilter } from '../../mcp/changes.ts'
import type { Account } from '../shares.ts'
import type { ExchangeFailure } from './exchange.ts'
import type { Upstream } from './upstream.ts'

/** How a subscription ends. */
export type Ending =
  /** As the upstream says, in order. */
  | { readonly kind: 'complete' }
  /** It has refused, under this status. */
  | {
      readonly kind: 'error'
      readonly status: number
      readonly code: number
      readonly message: string
    }
  | { readonly kind: 'failed'; readonly failure: ExchangeFailure }

/** Is told what an upstream says, after `listen` has returned or before. */
export interface Listener {
  /** First, and once: what the upstream tells of, of what was asked for. */
  acknowledged(filter: ChangeFilter): void
  changed(change: Change): void
  /** Last, and once; not to one that has left. */
  ended(ending: Ending): void
}

/** What is asked of one upstream. */
export interface Hearing {
  readonly upstream: Upstream
  /** Of whoever is the first to ask for it: what it takes to begin is asked on that share. */
  readonly account: Account
  readonly filter: ChangeFilter
  /** Of one message of the upstream. */
  readonly octetsMax: number
}

/** Longer than any caller may listen: a subscription ends with the last of them. */
export const lifeSecondsMax = 86_400
