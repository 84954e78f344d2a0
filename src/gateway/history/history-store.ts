import type { KeptFacts } from '../../policy/history.ts'
import type { Account, Full } from '../../shares.ts'
import type { Soon } from '../soon.ts'

/** What was kept of one identity, while nobody else decides about it. It ends once: with what is kept from now on, or with nothing new. */
export interface HistoryTurn {
  readonly kept: KeptFacts
  /**
   * Keeps this in the place of it, for as long as it counts, in milliseconds since the epoch. `late`: the turn was somebody else's by then, and
   * nothing is kept.
   */
  keep(facts: KeptFacts, until: number): Soon<'kept' | 'late' | { readonly full: Full }>
  end(): void
}

/** Keeps what policy wants kept of identities, for all who decide about them. */
export interface HistoryStore {
  /** A turn with the history of the identity of this account; undefined where it is not known now. */
  take(account: Account): Soon<HistoryTurn | undefined>
  /** Identities of which something is kept. */
  readonly size: number
}
