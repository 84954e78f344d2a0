import { createLines } from './lines.ts'
import { createShares, type Account, type Full, type SharePercents } from '../shares.ts'

/** Who wants a seat: for one exchange with an upstream, or for one handshake. */
export interface Guest {
  readonly account: Account
  /** There is a seat now. */
  seated(): void
  /** There was none in time, because of this. */
  turnedAway(full: Full): void
  /** Kept by the seats, and on the guest: the tables of a `Set` that changes with every call keep what they have held until all are old. */
  isSeated?: boolean
}

/**
 * What callers may have under way at a time: shared between tenants, their namespaces and the identities there, whichever
 * the pods. Who finds no seat waits for a moment. Tenants take turns, within a tenant its namespaces do, and within those identities do:
 * more identities are no more turns.
 */
export interface Seats {
  /** True: seated at once. Else the guest waits, and is told later, of one or the other. */
  take(guest: Guest): boolean
  /** Gives up the seat, or the place in the line, if the guest has one. */
  leave(guest: Guest): void
  /** How many are seated, and how many wait. */
  counts(): { readonly seated: number; readonly waiting: number }
}

export interface SeatsOptions extends SharePercents {
  /** Of all callers together. */
  readonly seatsMax: number
  readonly waitMilliseconds: number
  /** The longest line of one identity: more would wait in vain. Default 256. */
  readonly lineMax?: number
}

export function createSeats(options: SeatsOptions): Seats {
  const { seatsMax, waitMilliseconds, lineMax = 256 } = options
  const shares = createShares(seatsMax, options)
  const waiting = new Map<Guest, NodeJS.Timeout>()
  const lines = createLines<Guest>()

  function unline(guest: Guest): boolean {
    const timer = waiting.get(guest)
    if (timer === undefined) return false
    clearTimeout(timer)
    waiting.delete(guest)
    lines.delete(guest)
    return true
  }
  function turnAway(guest: Guest): void {
    const full = shares.full(guest.account) ?? 'gateway'
    if (unline(guest)) guest.turnedAway(full)
  }
  /** Calls until nobody waits for a seat that they may have: one that is left can be room for more than one. */
  function callNext(): void {
    while (shares.free > 0) {
      const next = lines.next((level, name) => shares.hasRoom(level, name))
      if (next === undefined) return
      unline(next)
      seat(next)
      next.seated()
    }
  }
  function seat(guest: Guest): void {
    shares.take(guest.account)
    guest.isSeated = true
  }
  return {
    take(guest) {
      // Nobody is overtaken: who waits has been called as soon as there was a seat for them.
      if (shares.full(guest.account) === undefined) {
        seat(guest)
        return true
      }
      const milliseconds = lines.add(guest) < lineMax ? waitMilliseconds : 0
      waiting.set(guest, setTimeout(turnAway, milliseconds, guest))
      return false
    },
    leave(guest) {
      if (guest.isSeated !== true) {
        unline(guest)
        return
      }
      guest.isSeated = false
      shares.give(guest.account)
      callNext()
    },
    counts: () => ({ seated: seatsMax - shares.free, waiting: waiting.size }),
  }
}

/** Does something in its turn. Rejects where there is no seat in time. */
export function inTurn<T>(seats: Seats, account: Account, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const guest: Guest = {
      account,
      seated() {
        const leave = (): void => seats.leave(guest)
        work().finally(leave).then(resolve, reject)
      },
      turnedAway: (full) => reject(new Error(`no turn in time: share of the ${full} is used up`)),
    }
    if (seats.take(guest)) guest.seated()
  })
}
