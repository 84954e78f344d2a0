import type { Socket } from 'node:net'
import type { ResponseHead } from './response-head.ts'
import { ResponseReader, type Reading } from './response-reader.ts'

/** Why there is no answer, or none to its end. */
export interface Failure {
  /** `answer`: what came is no answer. `request`: it cannot be written. */
  readonly wrong: 'connection' | 'answer' | 'request'
  /** Of the system call; `ENDED` where the server has ended the connection in order. */
  readonly code: string | undefined
  readonly detail: string
}

/** Who waits for an answer. Exactly one of `end` and `failed` is called, unless the asking is aborted or left. */
export interface Answering {
  /** There is a connection, and the request goes out: what fails from here on may have arrived. */
  begun(): void
  head(head: ResponseHead): void
  /** False: no more until `resume`. */
  data(octets: Buffer): boolean
  end(): void
  failed(failure: Failure): void
}

/** What a connection tells its pool. */
export interface Keeper {
  /** It can take another request. */
  free(connection: Connection): void
  /** It has ended. Nothing is told after this. */
  gone(connection: Connection): void
}

/** What is left of an answer that nobody waits for any more is read over within these, so that its connection can be kept. */
const drainOctetsMax = 64 * 1024
const drainMilliseconds = 1000

/** One connection, one exchange at a time (RFC 9112 §9.3.2: requests are not pipelined). */
export class Connection implements Reading {
  /** The clock's reading until which it may be taken for a next request. */
  idleUntil = 0
  /** How long the server keeps it, by what it said last. */
  idleMilliseconds: number = Number.POSITIVE_INFINITY
  readonly #socket: Socket
  readonly #keeper: Keeper
  #reader: ResponseReader | undefined
  #answering: Answering | undefined
  #keeps = true
  #drain: { left: number; readonly timer: NodeJS.Timeout } | undefined
  #ended = false

  constructor(socket: Socket, keeper: Keeper) {
    this.#socket = socket
    this.#keeper = keeper
    socket.setNoDelay(true)
    socket.on('data', (octets: Buffer) => this.#take(octets))
    socket.on('error', ({ code, message }: NodeJS.ErrnoException) => this.#fail(code, message))
    socket.on('end', () => {
      if (this.#reader?.close() !== true) this.#fail('ENDED', 'upstream has ended the connection')
    })
    socket.on('close', () => this.#fail('ENDED', 'the connection has ended'))
  }

  /** False for one whose end is known, but not yet told. */
  get isUsable(): boolean {
    const { destroyed, writable, readableEnded } = this.#socket
    return !this.#ended && !destroyed && writable && !readableEnded
  }

  get isDraining(): boolean {
    return this.#drain !== undefined
  }

  start(request: Buffer, answering: Answering): void {
    this.#answering = answering
    this.#keeps = true
    this.#reader = new ResponseReader(this)
    answering.begun()
    // Whoever heard that it begins may have given it up.
    if (this.#answering === answering) this.#socket.write(request)
  }

  resume(answering: Answering): void {
    if (this.#answering === answering && this.#socket.isPaused()) this.#socket.resume()
  }

  /** Ends the exchange, and with it the connection: the rest of the answer would be taken for the next one. */
  abort(answering: Answering): void {
    if (this.#answering === answering) this.destroy()
  }

  /** Ends the exchange; the connection is kept if the rest of the answer is soon there. */
  leave(answering: Answering): void {
    if (this.#answering !== answering) return
    this.#answering = undefined
    const timer = setTimeout(() => this.destroy(), drainMilliseconds)
    this.#drain = { left: drainOctetsMax, timer }
    this.#socket.resume()
  }

  /** Ends the connection; who waits for an answer on it is told why, or nothing. */
  destroy(reason?: string): void {
    const answering = this.#answering
    this.#answering = undefined
    this.#over()
    if (reason !== undefined)
      answering?.failed({ wrong: 'connection', code: undefined, detail: reason })
  }

  head(head: ResponseHead): void {
    this.#keeps = head.keeps
    this.idleMilliseconds = head.idleMilliseconds
    this.#answering?.head(head)
  }

  data(octets: Buffer): void {
    if (this.#drain !== undefined) {
      this.#drain.left -= octets.length
      if (this.#drain.left < 0) this.destroy()
    } else if (this.#answering?.data(octets) === false) this.#socket.pause()
  }

  end(surplus: boolean): void {
    const answering = this.#answering
    this.#answering = undefined
    this.#reader = undefined
    this.#stopDraining()
    // An answer that came before its request was written whole leaves the rest of that on its way.
    const isClean = this.#keeps && !surplus && this.#socket.writableLength === 0
    if (isClean && this.isUsable) {
      this.#socket.resume()
      this.#keeper.free(this)
    } else this.#over()
    answering?.end()
  }

  #take(octets: Buffer): void {
    const wrong = this.#read(octets)
    if (wrong === undefined) return
    const answering = this.#answering
    this.#answering = undefined
    this.#over()
    answering?.failed({ wrong: 'answer', code: undefined, detail: wrong })
  }

  /** Gives what is wrong. What a receiver throws ends its exchange, and nothing else. */
  #read(octets: Buffer): string | undefined {
    // They would be taken for the answer to the next request.
    if (this.#reader === undefined) return 'octets came without a request'
    try {
      return this.#reader.push(octets)
    } catch (error) {
      return `answer could not be taken: ${String(error)}`
    }
  }

  #fail(code: string | undefined, detail: string): void {
    const answering = this.#answering
    this.#answering = undefined
    this.#over()
    answering?.failed({ wrong: 'connection', code, detail })
  }

  #over(): void {
    this.#reader?.stop()
    this.#reader = undefined
    this.#stopDraining()
    this.#socket.destroy()
    if (this.#ended) return
    this.#ended = true
    this.#keeper.gone(this)
  }

  #stopDraining(): void {
    if (this.#drain === undefined) return
    clearTimeout(this.#drain.timer)
    this.#drain = undefined
  }
}
