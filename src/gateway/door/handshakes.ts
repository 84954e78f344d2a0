import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { createShares, type Account, type SharePercents } from '../../shares.ts'
import { createSeats, type Guest } from '../seats.ts'
import { endpointOf } from './endpoint.ts'

export interface HandshakesOptions extends SharePercents {
  /** So many are under way at a time; and as many more that have taken long. */
  readonly handshakesMax: number
  /** Connections that may wait for their turns. */
  readonly waitingMax: number
  /** How long one may wait for its turn. */
  readonly waitMilliseconds: number
  /** How long one may take before another has its turn. */
  readonly turnMilliseconds: number
  readonly accountOf: (address: string) => Account
}

export interface Handshakes {
  /** The handshake of this connection is done. */
  done(socket: Socket): void
  /** Ends those that have not begun. */
  close(): void
}

interface Waiting extends Guest {
  readonly raw: Socket
  readonly endpoint: string
  timer: NodeJS.Timeout | undefined
  /** Not yet where it has a seat and waits for its turn of the loop. */
  hasBegun: boolean
  isSlow: boolean
}

/** In one turn of the loop: what is open has its own turn between them. */
const begunMax = 4

/**
 * Who begins a handshake, and when: of all that anybody may ask for before we know who it is, it takes the most of the processor. Few
 * are under way at a time, so what is open waits for no more than these; tenants take turns, as far as addresses tell them apart, so one
 * that opens connections without pause keeps its own others waiting. One that takes long costs nothing meanwhile and leaves its place,
 * but could come to its end together with others like it: so those are as few, and their shares are the same.
 */
export function takeTurns(
  server: Pick<EventEmitter, 'listeners' | 'removeAllListeners' | 'on'>,
  options: HandshakesOptions,
): Handshakes {
  const { handshakesMax, waitMilliseconds, turnMilliseconds, accountOf } = options
  const begins = server.listeners('connection') as ((raw: Socket) => void)[]
  const seats = createSeats({
    ...options,
    seatsMax: handshakesMax,
    waitMilliseconds,
    lineMax: options.waitingMax,
  })
  const slow = createShares(handshakesMax, options)
  const known = new Map<string, Waiting>()
  const begin = fewAtATime((one) => {
    one.hasBegun = true
    one.timer = setTimeout(giveWay, turnMilliseconds, one)
    for (const each of begins) each.call(server, one.raw)
  })

  function giveWay(one: Waiting): void {
    seats.leave(one)
    one.isSlow = slow.take(one.account) === undefined
    if (!one.isSlow) one.raw.destroy()
  }
  function over(one: Waiting): void {
    if (known.get(one.endpoint) === one) known.delete(one.endpoint)
    clearTimeout(one.timer)
    seats.leave(one)
    if (one.isSlow) slow.give(one.account)
    one.isSlow = false
  }
  function enter(raw: Socket): void {
    const one: Waiting = {
      raw,
      endpoint: endpointOf(raw),
      account: accountOf(raw.remoteAddress ?? ''),
      timer: undefined,
      hasBegun: false,
      isSlow: false,
      seated: () => begin(one),
      turnedAway: () => raw.destroy(),
    }
    known.set(one.endpoint, one)
    raw.once('close', () => over(one))
    // Nobody else listens yet, and a connection that breaks must not end the process.
    raw.on('error', () => {})
    if (seats.take(one)) begin(one)
  }

  server.removeAllListeners('connection')
  server.on('connection', enter)
  return {
    done(socket) {
      const one = known.get(endpointOf(socket))
      if (one !== undefined) over(one)
    },
    close() {
      // A place that is left here seats the next, which has not begun either and is ended in its turn.
      for (const { raw, hasBegun } of known.values()) if (!hasBegun) raw.destroy()
    },
  }
}

/** Does so much in one turn of the loop, and the rest in the next ones, as far as it is still there. */
function fewAtATime(begin: (one: Waiting) => void): (one: Waiting) => void {
  let left: Waiting[] = []
  let isDue = false
  function goLater(): void {
    // One that begins may seat the next: a second turn for it would be one turn of the loop with twice as many.
    if (isDue || left.length === 0) return
    isDue = true
    setImmediate(go)
  }
  function go(): void {
    const there = left.filter(({ raw }) => !raw.destroyed)
    left = there.slice(begunMax)
    for (const one of there.slice(0, begunMax)) begin(one)
    isDue = false
    goLater()
  }
  return (one) => {
    left.push(one)
    goLater()
  }
}
