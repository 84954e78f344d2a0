export interface LaneOptions {
  /** Work that is under way at a time. */
  readonly openMax: number
  /** Work that waits for its turn. */
  readonly waitingMax: number
  /** Octets that what waits holds in memory, all together. */
  readonly waitingOctetsMax: number
}

/** So much work at a time, and so much more that waits for its turn, in order. */
export interface Lane {
  /** Begins the work, now or in its turn; false where no more may wait. The work must not reject. */
  take(work: () => Promise<void>, octets: number): boolean
  /** Settles when nothing is under way and nothing waits. */
  whenEmpty(): Promise<void>
}

export function createLane(options: LaneOptions): Lane {
  const { openMax, waitingMax, waitingOctetsMax } = options
  const waiting: { readonly work: () => Promise<void>; readonly octets: number }[] = []
  let empty = Promise.withResolvers<void>()
  let open = 0
  let waitingOctets = 0

  function begin(work: () => Promise<void>): void {
    open += 1
    void work().then(() => {
      open -= 1
      const next = waiting.shift()
      if (next !== undefined) {
        waitingOctets -= next.octets
        begin(next.work)
      } else if (open === 0) empty.resolve()
    })
  }

  return {
    take(work, octets) {
      if (open < openMax) {
        if (open === 0) empty = Promise.withResolvers<void>()
        begin(work)
        return true
      }
      if (waiting.length >= waitingMax || waitingOctets + octets > waitingOctetsMax) return false
      waitingOctets += octets
      waiting.push({ work, octets })
      return true
    },
    whenEmpty: () => (open === 0 ? Promise.resolve() : empty.promise),
  }
}
