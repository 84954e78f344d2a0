import type { Full, OctetRoom } from '../../shares.ts'

/** What an answer takes of memory while it is read: bounded for itself, and taken of the share of whose it is. */
export class Reading {
  readonly octetsMax: number
  readonly #room: OctetRoom | undefined
  readonly #countedOctetsMin: number
  /** What has come, of a stream since its last event was passed on. */
  #octets = 0
  #held = 0
  #isPassed = false

  constructor(octetsMax: number, countedOctetsMin: number, room: OctetRoom | undefined) {
    this.octetsMax = octetsMax
    this.#countedOctetsMin = countedOctetsMin
    this.#room = room
  }

  /** All at once where it is said before: an answer that is large for its share passes while nothing else of its caller is there. */
  expect(octets: number): Full | undefined {
    return octets < this.#countedOctetsMin ? undefined : this.#hold(octets)
  }

  /** Makes room for octets that have come. */
  take(more: number): Full | undefined {
    if (this.#isPassed) {
      // Nothing more would be read if what was passed on were still there.
      this.#isPassed = false
      this.giveBack()
    }
    const octets = this.#octets + more
    if (octets < this.#countedOctetsMin || octets <= this.#held) return undefined
    return this.#hold(Math.max(octets, Math.min(2 * octets, this.octetsMax)))
  }

  /** False: it is larger than it may be. */
  add(more: number): boolean {
    this.#octets += more
    return this.#octets <= this.octetsMax
  }

  /** What has come so far is whole, and on its way: what comes next is counted anew. */
  passed(): void {
    this.#octets = 0
    this.#isPassed = true
  }

  /** Nobody keeps what has come. Otherwise whoever gave the room gives it back. */
  giveBack(): void {
    if (this.#held > 0) this.#room?.give(this.#held)
    this.#held = 0
  }

  #hold(octets: number): Full | undefined {
    const full = this.#room?.take(octets - this.#held)
    if (full === undefined) this.#held = octets
    return full
  }
}
