import { CountersignError } from '../errors.ts'
import { tags } from './der-read.ts'

/**
 * Writes DER from back to front: an element's length is known when its header is written, so nothing is measured first and nothing moved.
 * Members are therefore written last first, and `wrap` closes what was written since a mark. One writer serves many certificates.
 */
export class DerWriter {
  readonly #octets: Buffer
  #position: number

  constructor(octetsMax: number) {
    this.#octets = Buffer.alloc(octetsMax)
    this.#position = octetsMax
  }

  /** Forgets what was written. */
  clear(): void {
    this.#position = this.#octets.length
  }

  /** The place where the element that is written next will end. */
  mark(): number {
    return this.#position
  }

  /** A copy of all that was written. */
  take(): Buffer {
    return Buffer.from(this.#octets.subarray(this.#position))
  }

  /** Octets as they are, such as elements encoded before. */
  raw(octets: Uint8Array): void {
    this.#advance(octets.length)
    this.#octets.set(octets, this.#position)
  }

  octet(octet: number): void {
    this.#advance(1)
    this.#octets[this.#position] = octet
  }

  /** Puts tag and length before what was written since the mark. */
  wrap(tag: number, end: number): void {
    const length = end - this.#position
    if (length < 0x80) {
      this.#advance(2)
      this.#octets[this.#position + 1] = length
    } else if (length < 0x100) {
      this.#advance(3)
      this.#octets[this.#position + 1] = 0x81
      this.#octets[this.#position + 2] = length
    } else {
      this.#advance(4)
      this.#octets[this.#position + 1] = 0x82
      this.#octets[this.#position + 2] = length >> 8
      this.#octets[this.#position + 3] = length & 0xff
    }
    this.#octets[this.#position] = tag
  }

  /** A string that its grammar made ASCII. */
  ascii(tag: number, text: string): void {
    const end = this.#position
    this.#advance(text.length)
    const start = this.#position
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) throw new CountersignError('pki/der', 'text to write is not ASCII')
      this.#octets[start + index] = code
    }
    this.wrap(tag, end)
  }

  /** An OCTET STRING given in hex. */
  hexOctets(hex: string, octetsWanted: number): void {
    const end = this.#position
    this.#advance(octetsWanted)
    const written = this.#octets.write(hex, this.#position, octetsWanted, 'hex')
    if (written !== octetsWanted || hex.length !== 2 * octetsWanted) {
      throw new CountersignError(
        'pki/der',
        `text to write is not hex, want=${octetsWanted} octets got=${written}`,
      )
    }
    this.wrap(tags.octetString, end)
  }

  /** A Time (RFC 5280 §4.1.2.5) of whole seconds. */
  time(time: Date): void {
    const end = this.#position
    const year = time.getUTCFullYear()
    this.octet(0x5a)
    this.#twoDigits(time.getUTCSeconds())
    this.#twoDigits(time.getUTCMinutes())
    this.#twoDigits(time.getUTCHours())
    this.#twoDigits(time.getUTCDate())
    this.#twoDigits(time.getUTCMonth() + 1)
    this.#twoDigits(year % 100)
    if (year >= 2050) this.#twoDigits(Math.floor(year / 100))
    this.wrap(year >= 2050 ? tags.generalizedTime : tags.utcTime, end)
  }

  #twoDigits(value: number): void {
    this.octet(0x30 + (value % 10))
    this.octet(0x30 + Math.floor(value / 10))
  }

  #advance(count: number): void {
    if (count > this.#position) {
      throw new CountersignError(
        'pki/der',
        `structure to write is too large, want=..${this.#octets.length} octets`,
      )
    }
    this.#position -= count
  }
}

/** One element from its parts: for what is written once, where speed does not matter. */
export function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const writer = new DerWriter(length + 4)
  const end = writer.mark()
  for (const part of parts.toReversed()) writer.raw(part)
  writer.wrap(tag, end)
  return writer.take()
}

/** One element of ASCII text. */
export function asciiElement(tag: number, text: string): Buffer {
  return element(tag, Buffer.from(text, 'latin1'))
}
