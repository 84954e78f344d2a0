/**
 * Which requests are worked on: of each requester the newest few by when they were made, so that who makes many has no more of our time
 * than who makes one, and what somebody still waits for goes before what nobody does.
 */
export interface Turns {
  /** Gives the request that has to make room, if any: it may be this one. */
  add(request: Turn): string | undefined
  /** Whether it is worked on: it was added, and has made no room since. */
  has(request: Pick<Turn, 'requester' | 'key'>): boolean
  /** Gives the one that takes its place, if any waits. */
  remove(request: Pick<Turn, 'requester' | 'key'>): string | undefined
  /** Takes out what was made before a time, and gives it: its requester has what it made later. */
  removeBefore(requester: string, madeAt: number): readonly string[]
}

export interface Turn {
  readonly requester: string
  readonly key: string
  /** Milliseconds. */
  readonly madeAt: number
}

/** By key, when it was made. */
type Requests = Map<string, number>

interface Of {
  readonly worked: Requests
  readonly parked: Requests
}

/** Of each requester so many at once. */
export function createTurns(workedMaxOf: (requester: string) => number): Turns {
  const all = new Map<string, Of>()
  return {
    add({ requester, key, madeAt }) {
      const workedMax = workedMaxOf(requester)
      const of = all.get(requester) ?? { worked: new Map(), parked: new Map() }
      all.set(requester, of)
      if (of.worked.has(key) || of.parked.has(key)) return undefined
      of.worked.set(key, madeAt)
      if (of.worked.size <= workedMax) return undefined
      const oldest = extreme(of.worked, (one, other) => one < other) ?? key
      move(oldest, of.worked, of.parked)
      return oldest
    },
    has: ({ requester, key }) => all.get(requester)?.worked.has(key) === true,
    remove({ requester, key }) {
      const of = all.get(requester)
      if (of === undefined || of.parked.delete(key) || !of.worked.delete(key)) return undefined
      const next = extreme(of.parked, (one, other) => one >= other)
      if (next !== undefined) move(next, of.parked, of.worked)
      else if (of.worked.size === 0) all.delete(requester)
      return next
    },
    removeBefore(requester, madeAt) {
      const of = all.get(requester)
      if (of === undefined) return []
      const removed: string[] = []
      for (const requests of [of.worked, of.parked]) {
        for (const [key, at] of requests) {
          if (at >= madeAt) continue
          requests.delete(key)
          removed.push(key)
        }
      }
      if (of.worked.size + of.parked.size === 0) all.delete(requester)
      return removed
    },
  }
}

/** The key whose time goes before all others; of equal ones the first, unless they go before each other. */
function extreme(
  requests: Requests,
  goesBefore: (one: number, other: number) => boolean,
): string | undefined {
  let found: readonly [string, number] | undefined
  for (const each of requests) {
    if (found === undefined || goesBefore(each[1], found[1])) found = each
  }
  return found?.[0]
}

function move(key: string, from: Requests, to: Requests): void {
  to.set(key, from.get(key) ?? 0)
  from.delete(key)
}
