/** Which requests are worked on: of each requester the newest few, so that who makes many has no more of our time than who makes one. */
export interface Turns {
  /** Gives the request that has to make room, if any. */
  add(requester: string, name: string): string | undefined
  /** Gives the one that takes its place, if any waits. */
  remove(requester: string, name: string): string | undefined
}

interface Of {
  readonly worked: Set<string>
  readonly parked: Set<string>
}

export function createTurns(workedMax: number): Turns {
  const all = new Map<string, Of>()
  return {
    add(requester, name) {
      const of = all.get(requester) ?? { worked: new Set(), parked: new Set() }
      all.set(requester, of)
      if (of.worked.has(name) || of.parked.has(name)) return undefined
      of.worked.add(name)
      if (of.worked.size <= workedMax) return undefined
      const [oldest = name] = of.worked
      of.worked.delete(oldest)
      of.parked.add(oldest)
      return oldest
    },
    remove(requester, name) {
      const of = all.get(requester)
      if (of === undefined || of.parked.delete(name) || !of.worked.delete(name)) return undefined
      const [next] = of.parked
      if (next !== undefined) {
        of.parked.delete(next)
        of.worked.add(next)
      } else if (of.worked.size === 0) all.delete(requester)
      return next
    },
  }
}
