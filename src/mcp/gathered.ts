const capacityMin = 16 * 1024
const nothing = Buffer.alloc(0)

/** What is known of octets before they come. */
export interface Expected {
  /** How many there are: room for them is made once. */
  readonly octets?: number | undefined
  /** How many there are at most: no more room is made. */
  readonly octetsMax?: number
}

/** Octets as they come in. However small its pieces are, it takes no more than twice the memory of its octets. */
export class Gathered {
  /** Room for more than has come, once there is a second piece: the first one is most often the whole. */
  #octets: Buffer = nothing
  #length = 0
  readonly #expected: number
  readonly #octetsMax: number

  constructor({ octets = 0, octetsMax = Number.POSITIVE_INFINITY }: Expected = {}) {
    this.#expected = octets
    this.#octetsMax = octetsMax
  }

  push(piece: Buffer): void {
    const length = this.#length + piece.length
    if (this.#length === 0) this.#octets = piece
    else {
      if (length > this.#octets.length) this.#grow(this.capacityWith(piece))
      this.#octets.set(piece, this.#length)
    }
    this.#length = length
  }

  /** The octets of memory that it takes once it has this piece. */
  capacityWith(piece: Buffer): number {
    const length = this.#length + piece.length
    if (this.#length === 0) return length
    if (length <= this.#octets.length) return this.#octets.length
    if (length <= this.#expected) return this.#expected
    return Math.max(length, Math.min(this.#octetsMax, Math.max(capacityMin, 2 * length)))
  }

  whole(): Buffer {
    return this.#octets.subarray(0, this.#length)
  }

  /** What has come with this at its end, and begins anew. */
  take(last: Buffer): Buffer {
    if (this.#length === 0) return last
    this.push(last)
    const whole = this.whole()
    this.clear()
    return whole
  }

  clear(): void {
    this.#octets = nothing
    this.#length = 0
  }

  #grow(capacity: number): void {
    const octets = Buffer.allocUnsafeSlow(capacity)
    octets.set(this.#octets.subarray(0, this.#length))
    this.#octets = octets
  }
}
