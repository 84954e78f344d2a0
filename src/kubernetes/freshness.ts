/**
 * How long ago a server last told of what is followed. Only what it says about the objects counts, and a watch that stood for its
 * time: neither an accepted connection nor an ERROR does, because a proxy gives both without knowing anything.
 */
export class Freshness {
  readonly #clock: () => number
  #toldAt: number
  #open = false
  /** Something was told since the last failure. */
  #proven = false

  constructor(clock: () => number) {
    this.#clock = clock
    this.#toldAt = clock()
  }

  get staleSeconds(): number {
    if (this.#open && this.#proven) return 0
    return Math.max(0, (this.#clock() - this.#toldAt) / 1000)
  }

  /** False: since the last failure nothing was told, so that a watch may be open and nobody knows what it is worth. */
  get proven(): boolean {
    return this.#proven
  }

  opened(): void {
    this.#open = true
  }

  told(): void {
    this.#toldAt = this.#clock()
    this.#proven = true
  }

  /** The server ended the watch: in its time, or as soon as it had begun. */
  ended(inTime: boolean): void {
    if (inTime || (this.#open && this.#proven)) this.#toldAt = this.#clock()
    this.#proven = inTime
    this.#open = false
  }

  /** A lost connection is noticed at once; silence and an ERROR leave open since when nothing was told any more. */
  lost(unnoticed: boolean): void {
    if (this.#open && this.#proven && !unnoticed) this.#toldAt = this.#clock()
    this.#proven = false
    this.#open = false
  }
}
