const capacityMin = 16 * 1024
const nothing = Buffer.alloc(0)

/** Octets as they come in. However small its pieces are, it takes no more than twice the memory of its octets. */
export class Gathered {
  /** Room for more than has come, once there is a second piece: the first one is most often the whole. */
  #octets: Buffer = nothing
  #length = 0

  push(piece: Buffer): void {
    const length = this.#length + piece.length
    if (this.#length === 0) this.#octets = piece
    else {
      if (length > this.#octets.length) this.#grow(Math.max(capacityMin, 2 * length))
      this.#octets.set(piece, this.#length)
    }
    this.#length = length
  }

  whole(): Buffer {
    return this.#octets.subarray(0, this.#length)
  }

  /** What has come with this at its end, and begins anew. */
  take(last: Buffer): Buffer {
    if (this.#length === 0) return last
    this.push(last)
    const whole = this.whole()
    this.#octets = nothing
    this.#length = 0
    return whole
  }

  #grow(capacity: number): void {
    const octets = Buffer.allocUnsafeSlow(capacity)
    octets.set(this.#octets.subarray(0, this.#length))
    this.#octets = octets
  }
}
