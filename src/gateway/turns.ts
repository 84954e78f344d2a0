import { createLines } from './lines.ts'
import type { Account } from './shares.ts'
import type { Soon } from './soon.ts'

/**
 * Work that takes long is done in pieces, one in each turn of the loop, whoever it is for: so nobody else waits for more than one. Who
 * has much of it waits behind everybody else: tenants take turns, and within them namespaces and identities do.
 */
export interface Turns {
  /** At once where this turn has none yet. Nobody is turned away: who waits here has a request open, and of those there is a bound. */
  take(account: Account): Soon<void>
}

/** What is read in one turn, in octets that were not read before; one text may be as long. */
export const turnOctetsMax: number = 16 * 1024

export function createTurns(later: (next: () => void) => void = setImmediate): Turns {
  const lines = createLines<{ readonly account: Account; readonly begin: () => void }>()
  let taken = false

  function next(): void {
    const first = lines.next()
    taken = first !== undefined
    if (first === undefined) return
    lines.delete(first)
    later(next)
    first.begin()
  }
  return {
    take(account) {
      if (taken) return new Promise((begin) => lines.add({ account, begin }))
      taken = true
      later(next)
      return undefined
    },
  }
}

/** What the gateway lists for itself has turns of its own, one server like another. No name of a tenant holds a space. */
export function ownAccount(server: string): Account {
  return ['the gateway', 'lists', server]
}
