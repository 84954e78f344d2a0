import { createLines } from './lines.ts'
import type { Account } from '../shares.ts'
import type { Soon } from './soon.ts'

/**
 * Work that takes long is done in pieces, so much in each turn of the loop, whoever it is for: so nobody else waits for more than that. Who
 * has much of it waits behind everybody else: tenants take turns, and within them namespaces and identities do.
 */
export interface Turns {
  /**
   * At once where this turn has as much left; short texts of several share one. All of a turn unless told. Nobody is turned away: who waits
   * here has a request open, and of those there is a bound.
   */
  take(account: Account, octets?: number): Soon<void>
  /** Something long was read in this turn that could not wait for one: whatever is taken next waits for another. */
  spend(): void
}

/** What is read in one turn, in octets that were not read before; one text may be as long. */
export const turnOctetsMax: number = 16 * 1024

interface Piece {
  readonly account: Account
  readonly octets: number
  readonly begin: () => void
}

export function createTurns(later: (next: () => void) => void = setImmediate): Turns {
  const lines = createLines<Piece>()
  let waiting = 0
  /** It did not fit into the turn before. */
  let first: Piece | undefined
  let isTurn = false
  let left = turnOctetsMax

  function next(): void {
    left = turnOctetsMax
    isTurn = waiting > 0
    if (!isTurn) return
    later(next)
    while (left > 0) {
      first ??= lines.next()
      if (first === undefined || first.octets > left) return
      lines.delete(first)
      waiting -= 1
      left -= first.octets
      first.begin()
      first = undefined
    }
  }
  function spend(part: number): void {
    if (!isTurn) later(next)
    isTurn = true
    left -= part
  }
  return {
    take(account, octets = turnOctetsMax) {
      const part = Math.min(octets, turnOctetsMax)
      if (waiting > 0 || part > left) {
        waiting += 1
        return new Promise((begin) => void lines.add({ account, octets: part, begin }))
      }
      spend(part)
      return undefined
    },
    spend: () => spend(left),
  }
}

/** A turn to read a text of so many octets in; a short one is read at once. */
export function turnFor(octets: number, account: Account, turns: Turns): Soon<void> {
  return octets > turnOctetsMax ? turns.take(account) : undefined
}

/** What the gateway lists for itself has turns of its own, one server like another. No name of a tenant holds a space. */
export function ownAccount(server: string): Account {
  return ['the gateway', 'lists', server]
}
