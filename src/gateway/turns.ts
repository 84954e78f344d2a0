import type { Soon } from './soon.ts'

/** Work that takes long is done in pieces, one in each turn of the loop, whoever it is for: so nobody else waits for more than one. */
export interface Turns {
  /** At once where this turn has none yet, else in the order asked. */
  take(): Soon<void>
}

export function createTurns(later: (next: () => void) => void = setImmediate): Turns {
  const waiting: (() => void)[] = []
  let taken = false

  function next(): void {
    const first = waiting.shift()
    taken = first !== undefined
    if (first === undefined) return
    later(next)
    first()
  }
  return {
    take() {
      if (taken) return new Promise((resolve) => waiting.push(resolve))
      taken = true
      later(next)
      return undefined
    },
  }
}
