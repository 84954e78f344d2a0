import type { ServerResponse } from 'node:http'

/**
 * How long a request takes of what there is for its caller: until its answer is over and nothing is done for it any more, whichever is
 * later. Whoever asks and goes away at once takes no less meanwhile: what was begun in its name may still wait for its turn.
 */
export class Stay {
  #isOver = false
  #isServed = false
  #ends: (() => void)[] = []

  constructor(response: ServerResponse) {
    response.once('close', () => {
      this.#isOver = true
      this.#end()
    })
  }

  /** Gives something back at its end. It is taken while the request is served. */
  atEnd(give: () => void): void {
    this.#ends.push(give)
  }

  /** What of it may last longer: whatever is taken as this part is given back when the stay is over and nobody keeps the part. */
  part(): StayPart {
    const part = new StayPart()
    this.atEnd(part.keep())
    return part
  }

  /** Nothing is done for it any more. */
  served(): void {
    this.#isServed = true
    this.#end()
  }

  #end(): void {
    if (!this.#isOver || !this.#isServed) return
    const ends = this.#ends
    this.#ends = []
    for (const give of ends) give()
  }
}

/** Something of a request that several may keep, and that ends with the last of them. */
export class StayPart implements Pick<Stay, 'atEnd'> {
  #keepers = 0
  #isOver = false
  #ends: (() => void)[] = []

  /** Where it is over already, at once: nobody is left who would give it back. */
  atEnd(give: () => void): void {
    if (this.#isOver) give()
    else this.#ends.push(give)
  }

  /** Keeps it until what is given is called, which counts once. */
  keep(): () => void {
    this.#keepers += 1
    let isKept = true
    return () => {
      if (!isKept) return
      isKept = false
      this.#keepers -= 1
      if (this.#keepers > 0) return
      this.#isOver = true
      const ends = this.#ends
      this.#ends = []
      for (const give of ends) give()
    }
  }
}
