import { createIdFinder, type IdFinder } from './find-id.ts'

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** A line that is longer than the bound: nothing of it is kept but what its message would be answered under. */
export interface LongLine {
  readonly octets: number
  readonly rawId: string | undefined
}

/**
 * The lines of a stream of octets, without their ends: only a line feed ends one, as JSON may hold every other separator, and a carriage
 * return before it is of the end (MCP 2025-11-25 and 2026-07-28 transports, stdio). What the stream ends with is a line too.
 */
export async function* readLines(
  input: AsyncIterable<Buffer>,
  lineOctetsMax: number,
): AsyncGenerator<Buffer | LongLine, void, undefined> {
  const line = new Line(lineOctetsMax)
  for await (const chunk of input) {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(lineFeed, start)
      if (end === -1) break
      line.push(chunk.subarray(start, end))
      yield line.take()
      start = end + 1
    }
    line.push(chunk.subarray(start))
  }
  if (!line.isEmpty) yield line.take()
}

class Line {
  readonly #octetsMax: number
  #parts: Buffer[] = []
  #octets = 0
  #finder: IdFinder | undefined

  constructor(octetsMax: number) {
    this.#octetsMax = octetsMax
  }

  get isEmpty(): boolean {
    return this.#octets === 0
  }

  push(part: Buffer): void {
    this.#octets += part.length
    if (this.#finder !== undefined) return this.#finder.push(part)
    if (part.length > 0) this.#parts.push(part)
    // One octet more may be the carriage return of the end.
    if (this.#octets > this.#octetsMax + 1) this.#giveUp()
    return undefined
  }

  take(): Buffer | LongLine {
    const whole = this.#withoutReturn()
    if (whole.length > this.#octetsMax) this.#giveUp()
    const taken =
      this.#finder === undefined ? whole : { octets: this.#octets, rawId: this.#finder.rawId }
    this.#parts = []
    this.#octets = 0
    this.#finder = undefined
    return taken
  }

  #withoutReturn(): Buffer {
    const [only = Buffer.alloc(0)] = this.#parts
    const whole = this.#parts.length > 1 ? Buffer.concat(this.#parts) : only
    return whole.at(-1) === carriageReturn ? whole.subarray(0, -1) : whole
  }

  #giveUp(): void {
    this.#finder = createIdFinder()
    for (const each of this.#parts) this.#finder.push(each)
    this.#parts = []
  }
}
