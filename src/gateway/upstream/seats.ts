/** Who wants a seat, for one exchange. */
export interface Guest {
  /** SPIFFE ID: all pods of one identity share what it gets. */
  readonly caller: string
  /** There is a seat now. */
  seated(): void
  /** There was none in time. Own: because of the caller's own share. */
  turnedAway(own: boolean): void
}

/**
 * The exchanges that callers may have open with one upstream. No identity has more than its share, so none can keep the others out;
 * who finds no seat waits for a moment, in a line of its own identity, and the lines take turns.
 */
export interface Seats {
  /** True: seated at once. Else the guest waits, and is told later, of one or the other. */
  take(guest: Guest): boolean
  /** Gives up the seat, or the place in the line, if the guest has one. */
  leave(guest: Guest): void
}

export interface SeatsOptions {
  /** Of all callers together. */
  readonly seatsMax: number
  /** Of one caller. */
  readonly shareMax: number
  readonly waitMilliseconds: number
}

/** The longest line of one caller: more would wait in vain. */
const lineMax = 256

export function createSeats({ seatsMax, shareMax, waitMilliseconds }: SeatsOptions): Seats {
  const seated = new Set<Guest>()
  const shares = new Map<string, number>()
  /** In the order in which the callers have their turns; none is empty. */
  const lines = new Map<string, Map<Guest, NodeJS.Timeout>>()

  function mayEnter(caller: string): boolean {
    return seated.size < seatsMax && (shares.get(caller) ?? 0) < shareMax
  }
  function seat(guest: Guest): void {
    seated.add(guest)
    shares.set(guest.caller, (shares.get(guest.caller) ?? 0) + 1)
  }
  function unseat(guest: Guest): boolean {
    if (!seated.delete(guest)) return false
    const left = (shares.get(guest.caller) ?? 0) - 1
    if (left > 0) shares.set(guest.caller, left)
    else shares.delete(guest.caller)
    return true
  }
  function unline(guest: Guest): boolean {
    const line = lines.get(guest.caller)
    const timer = line?.get(guest)
    if (line === undefined || timer === undefined) return false
    clearTimeout(timer)
    line.delete(guest)
    if (line.size === 0) lines.delete(guest.caller)
    return true
  }
  function turnAway(guest: Guest): void {
    const own = (shares.get(guest.caller) ?? 0) >= shareMax
    if (unline(guest)) guest.turnedAway(own)
  }
  function standInLine(guest: Guest): void {
    const line = lines.get(guest.caller) ?? new Map<Guest, NodeJS.Timeout>()
    lines.set(guest.caller, line)
    const milliseconds = line.size < lineMax ? waitMilliseconds : 0
    line.set(guest, setTimeout(turnAway, milliseconds, guest))
  }
  function callNext(): void {
    for (const [caller, line] of lines) {
      const [next] = line.keys()
      if (next === undefined || !mayEnter(caller)) continue
      unline(next)
      // The caller's next one has its turn after everybody else's.
      lines.delete(caller)
      if (line.size > 0) lines.set(caller, line)
      seat(next)
      next.seated()
      return
    }
  }
  return {
    take(guest) {
      // Nobody is overtaken: who waits has been called as soon as there was a seat.
      if (mayEnter(guest.caller)) {
        seat(guest)
        return true
      }
      standInLine(guest)
      return false
    },
    leave(guest) {
      if (unseat(guest)) callNext()
      else unline(guest)
    },
  }
}
