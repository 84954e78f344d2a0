import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

/** Some lines as one JSON array, packed. */
export interface Chunk {
  readonly body: Buffer
  readonly lines: number
  /** One line alone that has more octets than may be sent at once, whatever its receiver takes. */
  readonly isTooLarge: boolean
}

export interface Chunker {
  /** How many octets of lines should be at hand for the next chunk. */
  readonly linesOctetsMax: number
  /** Packs as many of these lines as fit, one at least; one alone may be larger than a chunk should be. */
  pack(lines: readonly Buffer[]): Promise<Chunk>
  /** The receiver finds them too large: from now on they are half of what this one was. */
  shrink(chunk: Chunk): void
  /** The receiver has taken one: little by little they are larger again, as what found them too large may be gone. */
  grow(): void
}

const packed = promisify(gzip)

/** A receiver unpacks it all: however well lines can be packed, no more of them than this times the limit are in one. */
const expansionMax = 64

/** Whoever reads lines and packs them does it in one turn of the loop, in which nobody is served: a few milliseconds. */
const linesOctetsMost = 1024 * 1024

/** A receiver that takes less than it is given for good finds one in some twenty too large. */
const growth = 1 / 32

/**
 * Chunks of about as many packed octets as may be sent at once. As in OPA's encoder it is the octets before packing that are guessed:
 * more after a chunk that is below nine tenths of the limit, fewer after one above it, which is packed again.
 */
export function createChunker(limitOctets: number): Chunker {
  const guessMax = Math.min(limitOctets * expansionMax, linesOctetsMost)
  let limit = limitOctets
  let guess = Math.min(limitOctets, guessMax)
  return {
    get linesOctetsMax() {
      return guess
    },
    async pack(lines) {
      let count = fitting(lines, guess)
      for (;;) {
        const body = await packed(arrayOf(lines.slice(0, count)))
        if (body.length > limit && count > 1) {
          guess = Math.max(limit, Math.floor((guess * limit * 0.9) / body.length))
          count = Math.min(count - 1, fitting(lines, guess))
          continue
        }
        // Where there was not enough to fill it, nothing is learned.
        if (body.length < limit * 0.9 && octetsOf(lines, count) > guess / 2) {
          guess = Math.min(guess * 2, limit * expansionMax, guessMax)
        }
        return { body, lines: count, isTooLarge: body.length > limitOctets }
      }
    },
    shrink({ body }) {
      limit = Math.max(1, Math.floor(body.length / 2))
      guess = Math.min(guess, limit)
    },
    grow() {
      limit = Math.min(limitOctets, limit + Math.ceil(limit * growth))
    },
  }
}

/** How many lines from the first one on have no more octets than this; one at least. */
function fitting(lines: readonly Buffer[], octetsMax: number): number {
  let octets = 1
  let count = 0
  for (const line of lines) {
    octets += line.length + 1
    if (count > 0 && octets > octetsMax) break
    count += 1
  }
  return count
}

function octetsOf(lines: readonly Buffer[], count: number): number {
  return lines.slice(0, count).reduce((octets, line) => octets + line.length + 1, 1)
}

function arrayOf(lines: readonly Buffer[]): Buffer {
  const parts = lines.flatMap((line, index) => [index === 0 ? opening : comma, line])
  return Buffer.concat([...parts, closing])
}

const opening = Buffer.from('[')
const comma = Buffer.from(',')
const closing = Buffer.from(']')
