import type { ServerResponse } from 'node:http'
import { countedOctetsMin, Hold, type Full, type OctetRoom, type Unsent } from '../../shares.ts'
import type { Stay } from '../stay.ts'

/** What one answer takes of memory, from the first octet that a tool server gives to the end of its request. */
export class AnswerHold implements OctetRoom {
  readonly #response: ServerResponse
  readonly #unsent: Unsent
  readonly #stay: Stay
  #hold: Hold | undefined

  constructor(response: ServerResponse, unsent: Unsent, stay: Stay) {
    this.#response = response
    this.#unsent = unsent
    this.#stay = stay
  }

  take(octets: number): Full | undefined {
    // Nobody waits for it any more.
    if (this.#response.closed) return 'identity'
    if (this.#hold === undefined) {
      const hold = new Hold(this.#unsent)
      this.#stay.atEnd(() => hold.end())
      this.#hold = hold
    }
    return this.#hold.take(octets)
  }

  give(octets: number): void {
    this.#hold?.give(octets)
  }

  /** Holds so much for as long as the answer waits to be read, and no longer than it may wait. */
  send(octets: number): Full | undefined {
    const more = octets - (this.#hold?.octets ?? 0)
    const full = more > 0 ? this.take(more) : undefined
    if (full !== undefined) return full
    const { socket } = this.#response.req
    const timer = setTimeout(() => socket.destroy(), this.#unsent.secondsMax * 1000)
    this.#response.once('close', () => clearTimeout(timer))
    return undefined
  }
}

/**
 * Ends an answer with this body. Whoever leaves its answers lying until they are too many, or one for too long, is hung up on: the
 * memory is everybody's.
 */
export function endWith(
  response: ServerResponse,
  body: Buffer,
  hold: AnswerHold | undefined,
): void {
  const isCounted = hold !== undefined && body.length >= countedOctetsMin
  // The connection, not the answer: one that waits for those before it has no connection to end yet.
  if (isCounted && hold.send(body.length) !== undefined) response.req.socket.destroy()
  else response.end(body)
}
