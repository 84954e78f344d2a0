const piecesMax = 64

/** An answer as it comes in. However small its pieces are, it takes about as much memory as it has octets. */
export class Gathered {
  #pieces: Buffer[] = []
  #octets = 0
  /** As many octets as were last put together: the next time is when there are twice as many. */
  #joined = 0

  push(piece: Buffer): void {
    this.#pieces.push(piece)
    this.#octets += piece.length
    if (this.#pieces.length >= piecesMax && this.#octets >= 2 * this.#joined) this.#join()
  }

  whole(): Buffer {
    const [only] = this.#pieces
    if (this.#pieces.length > 1 || only === undefined) return this.#join()
    return only
  }

  #join(): Buffer {
    const whole = Buffer.concat(this.#pieces, this.#octets)
    this.#pieces = [whole]
    this.#joined = this.#octets
    return whole
  }
}
