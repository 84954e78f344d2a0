import type { Socket } from 'node:net'
import { Connection, type Answering, type Failure, type Keeper } from './connection.ts'

/** A request on its way. Calls after its end do nothing. */
export interface Asking {
  /** After `data` has given false. */
  resume(): void
  /** Nobody waits any more: nothing is told, and the connection ends. */
  abort(): void
  /** The answer is known to its end, whatever still comes: nothing is told, and the connection is kept if the rest comes soon. */
  leave(): void
}

export interface PoolOptions {
  readonly connect: (done: (error: Error | null, socket: Socket | null) => void) => void
  readonly connectionsMax: number
  /** Between two requests of a connection; less where the server says so (`Keep-Alive: timeout`). */
  readonly idleMilliseconds: number
  /** Monotonic milliseconds. */
  readonly now?: () => number
}

/** So much earlier than the server a connection is ended: a request that meets its end may be lost. */
const marginMilliseconds = 1000

const nothing = Buffer.alloc(0)

/** Connections to one server. */
export class Pool implements Keeper {
  readonly #options: PoolOptions
  readonly #now: () => number
  readonly #all = new Set<Connection>()
  /** The last one was used last. */
  readonly #idle: Connection[] = []
  readonly #waiting = new Set<Turn>()
  #opening = 0
  /** Why it takes no more. */
  #closed: string | undefined
  #sweep: NodeJS.Timeout | undefined

  constructor(options: PoolOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** One write of these octets, on a connection that is idle or a new one. `fresh`: on none that has been idle. */
  send(request: Buffer, answering: Answering, fresh = false): Asking {
    const turn = new Turn(request, answering, this.#waiting)
    const connection = fresh ? undefined : this.#takeIdle()
    if (connection !== undefined) turn.start(connection)
    else if (this.#closed !== undefined) turn.fail(ended(this.#closed))
    else {
      this.#waiting.add(turn)
      this.#open()
    }
    return turn
  }

  /** How many connections are open. */
  get size(): number {
    return this.#all.size
  }

  /** Takes no more; what is open ends on its connections, what waits for one fails. */
  close(reason: string): void {
    this.#closed ??= reason
    clearTimeout(this.#sweep)
    for (const each of this.#idle.slice()) each.destroy()
    for (const each of this.#waiting) {
      this.#waiting.delete(each)
      each.fail(ended(reason))
    }
  }

  /** Ends everything at once, and says why to those who wait. */
  destroy(reason: string): void {
    this.close(reason)
    for (const each of this.#all) each.destroy(reason)
  }

  free(connection: Connection): void {
    const [next] = this.#waiting
    if (next !== undefined) {
      this.#waiting.delete(next)
      next.start(connection)
      return
    }
    const keepMilliseconds = Math.min(
      this.#options.idleMilliseconds,
      connection.idleMilliseconds - marginMilliseconds,
    )
    if (this.#closed !== undefined || keepMilliseconds <= 0) {
      connection.destroy()
      return
    }
    connection.idleUntil = this.#now() + keepMilliseconds
    this.#idle.push(connection)
    this.#sweep ??= setTimeout(() => this.#endIdle(), keepMilliseconds).unref()
  }

  gone(connection: Connection): void {
    this.#all.delete(connection)
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#openMore()
  }

  #takeIdle(): Connection | undefined {
    for (;;) {
      const connection = this.#idle.pop()
      if (connection === undefined) return undefined
      if (connection.isUsable && connection.idleUntil > this.#now()) return connection
      connection.destroy()
    }
  }

  #endIdle(): void {
    this.#sweep = undefined
    const now = this.#now()
    for (const each of this.#idle.slice()) if (each.idleUntil <= now) each.destroy()
    if (this.#idle.length === 0) return
    const next = Math.min(...this.#idle.map(({ idleUntil }) => idleUntil))
    this.#sweep = setTimeout(() => this.#endIdle(), Math.max(1, next - now)).unref()
  }

  #openMore(): void {
    if (this.#waiting.size > this.#opening) this.#open()
  }

  #open(): void {
    if (this.#all.size + this.#opening >= this.#options.connectionsMax) {
      this.#makeRoom()
      return
    }
    this.#opening += 1
    this.#options.connect((error, socket) => {
      this.#opening -= 1
      if (error !== null || socket === null) this.#failNext(error)
      else if (this.#closed !== undefined) socket.destroy()
      else {
        const connection = new Connection(socket, this)
        this.#all.add(connection)
        this.free(connection)
      }
    })
  }

  /** Somebody waits: ends a connection on which nobody does, and with that opens another. */
  #makeRoom(): void {
    const [oldest] = this.#idle
    if (oldest !== undefined) {
      oldest.destroy()
      return
    }
    for (const each of this.#all) {
      if (!each.isDraining) continue
      each.destroy()
      return
    }
  }

  #failNext(error: NodeJS.ErrnoException | null): void {
    const [next] = this.#waiting
    if (next !== undefined) {
      this.#waiting.delete(next)
      next.fail({ wrong: 'connection', code: error?.code, detail: messageOf(error) })
    }
    this.#openMore()
  }
}

function ended(detail: string): Failure {
  return { wrong: 'connection', code: 'ENDED', detail }
}

/** A request that waits for its connection, and then is on it. */
class Turn implements Asking {
  /** Gone once it is written: what is answered by a stream may last for hours. */
  #request: Buffer
  readonly #answering: Answering
  readonly #waiting: Set<Turn>
  #connection: Connection | undefined

  constructor(request: Buffer, answering: Answering, waiting: Set<Turn>) {
    this.#request = request
    this.#answering = answering
    this.#waiting = waiting
  }
  start(connection: Connection): void {
    const request = this.#request
    this.#request = nothing
    this.#connection = connection
    connection.start(request, this.#answering)
  }
  fail(failure: Failure): void {
    this.#answering.failed(failure)
  }
  resume(): void {
    this.#connection?.resume(this.#answering)
  }
  abort(): void {
    this.#waiting.delete(this)
    this.#connection?.abort(this.#answering)
  }
  leave(): void {
    this.#waiting.delete(this)
    this.#connection?.leave(this.#answering)
  }
}

/** Several addresses of one name fail as one error without words of its own. */
function messageOf(error: Error | null): string {
  if (error === null) return 'there is no connection'
  if (!(error instanceof AggregateError)) return error.message
  return error.errors
    .map((each) => (each instanceof Error ? each.message : String(each)))
    .join(', ')
}
