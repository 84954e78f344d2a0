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
