import { CountersignError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'

/** Universal tags of ASN.1 (X.690 §8), with the constructed bit where DER sets it. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/**
 * Reads DER (X.690 §10-11) from front to back and nothing laxer: definite minimal lengths, one-octet tags, minimal integers, TRUE as FF.
 * It never copies: what it gives are views of the octets that it reads. Every rule broken throws `pki/der`, with the field's name.
 */
export class DerReader {
  readonly #octets: Buffer
  readonly #end: number
  #position: number

  constructor(octets: Buffer, start = 0, end: number = octets.length) {
    this.#octets = octets
    this.#position = start
    this.#end = end
  }

  /** The tag of the next element, or -1 when there is none. */
  get nextTag(): number {
    return this.#position < this.#end ? (this.#octets[this.#position] ?? -1) : -1
  }

  /** Refuses what is left over. */
  finish(what: string): void {
    if (this.#position !== this.#end) {
      throw broken(`${what} has trailing octets, want=0 got=${this.#end - this.#position}`)
    }
  }

  /** A reader of an element's content. */
  enter(tag: number, what: string): DerReader {
    const end = this.#header(tag, what)
    const inner = new DerReader(this.#octets, this.#position, end)
    this.#position = end
    return inner
  }

  /** The content of an element. */
  content(tag: number, what: string): Buffer {
    const end = this.#header(tag, what)
    const content = this.#octets.subarray(this.#position, end)
    this.#position = end
    return content
  }

  /** A whole element: tag, length and content. */
  element(tag: number, what: string): Buffer {
    const start = this.#position
    this.#position = this.#header(tag, what)
    return this.#octets.subarray(start, this.#position)
  }

  /** The content of an INTEGER, minimal two's complement. */
  integer(what: string): Buffer {
    const content = this.content(tags.integer, what)
    const [first = 0, second = 0] = content
    if (content.length === 0) throw broken(`${what} is an empty integer`)
    if (
      content.length > 1 &&
      ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))
    ) {
      throw broken(`${what} is not a minimal integer`)
    }
    return content
  }

  /** An INTEGER or ENUMERATED of 0..127, all that X.509 structures need of versions, path lengths and enumerations. */
  smallInteger(tag: number, what: string): number {
    const content = this.content(tag, what)
    const [value = 0] = content
    if (content.length !== 1 || value > 127) throw broken(`${what} is not an integer of 0..127`)
    return value
  }

  /** A BOOLEAN DEFAULT FALSE: in DER it is written only when TRUE, and then as FF (X.690 §11.1, §11.5). */
  optionalTrue(what: string): boolean {
    if (this.nextTag !== tags.boolean) return false
    const content = this.content(tags.boolean, what)
    if (content.length !== 1 || content[0] !== 0xff)
      throw broken(`${what} is a boolean other than FF`)
    return true
  }

  /** The octets of a BIT STRING that has no unused bits: keys and signatures. */
  bits(what: string): Buffer {
    const content = this.content(tags.bitString, what)
    if (content.length === 0 || content[0] !== 0)
      throw broken(`${what} is not whole octets of bits`)
    return content.subarray(1)
  }

  /** A BIT STRING of named bits, at most 16, as a number whose top bit (8000) is bit 0. */
  namedBits(what: string): number {
    const content = this.content(tags.bitString, what)
    const [unused = 0, first = 0, second = 0] = content
    const last = content.length === 3 ? second : first
    // X.690 §11.2.2: trailing zero bits are removed, so the lowest bit in use is one.
    const minimal = ((last >> unused) & 1) === 1 && (last & ((1 << unused) - 1)) === 0
    if (content.length < 2 || content.length > 3 || unused > 7 || !minimal) {
      throw broken(`${what} is not a minimal string of 1..16 named bits`)
    }
    return (first << 8) | second
  }

  /** The content of an OBJECT IDENTIFIER in lower-case hex. */
  objectIdentifier(what: string): string {
    const end = this.#header(tags.objectIdentifier, what)
    const start = this.#position
    this.#position = end
    let first = true
    for (let index = start; index < end; index++) {
      const octet = this.#octets[index] ?? 0
      if (first && octet === 0x80) throw broken(`${what} has an arc that is not minimal`)
      first = octet < 0x80
    }
    if (start === end || !first) throw broken(`${what} is not a whole object identifier`)
    return this.#octets.toString('hex', start, end)
  }

  /** A string of any ASCII-compatible type; octets above 7F are refused, so UTF-8 and Latin-1 cannot be confused. */
  ascii(tag: number, what: string): string {
    const end = this.#header(tag, what)
    const start = this.#position
    this.#position = end
    for (let index = start; index < end; index++) {
      if ((this.#octets[index] ?? 0) > 0x7f) throw broken(`${what} is not ASCII`)
    }
    return this.#octets.toString('latin1', start, end)
  }

  /** A Time (RFC 5280 §4.1.2.5): UTCTime to 2049, GeneralizedTime after, whole seconds, `Z`. In milliseconds since 1970. */
  time(what: string): number {
    const tag = this.nextTag === tags.utcTime ? tags.utcTime : tags.generalizedTime
    const end = this.#header(tag, what)
    const start = this.#position
    this.#position = end
    const yearDigits = tag === tags.utcTime ? 2 : 4
    const two = (at: number): number => this.#twoDigits(start + yearDigits + at)
    const month = two(0)
    const day = two(2)
    const hour = two(4)
    const minute = two(6)
    const second = two(8)
    const high = this.#twoDigits(start)
    const low = yearDigits === 4 ? this.#twoDigits(start + 2) : 0
    const zulu = this.#octets[end - 1] === 0x5a
    if (
      end - start !== yearDigits + 11 ||
      !zulu ||
      !(high + low + month + day + hour + minute + second >= 0)
    ) {
      throw broken(`${what} is not a time in whole seconds of UTC`)
    }
    const year = yearDigits === 4 ? high * 100 + low : high < 50 ? 2000 + high : 1900 + high
    const monthDays = new Date(Date.UTC(year, month, 0)).getUTCDate()
    const exists = month >= 1 && month <= 12 && day >= 1 && day <= monthDays
    if (!exists || hour > 23 || minute > 59 || second > 59) {
      throw broken(`${what} is not a date of the calendar`)
    }
    if (tag === tags.generalizedTime && year < 2050) {
      throw broken(`${what} before 2050 is not a UTCTime`)
    }
    return Date.UTC(year, month - 1, day, hour, minute, second)
  }

  /** The number of two ASCII digits, NaN when they are not. */
  #twoDigits(at: number): number {
    const tens = (this.#octets[at] ?? 0) - 0x30
    const ones = (this.#octets[at + 1] ?? 0) - 0x30
    return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
  }

  /** Reads tag and length, leaves the position at the content and gives its end. */
  #header(tag: number, what: string): number {
    const octets = this.#octets
    const start = this.#position
    if (start >= this.#end) throw broken(`${what} is missing, want=${hex(tag)}`)
    const got = octets[start] ?? 0
    if (got !== tag) throw broken(`${what} has the wrong tag, want=${hex(tag)} got=${hex(got)}`)
    if (start + 1 >= this.#end) throw broken(`${what} is truncated`)
    let length = octets[start + 1] ?? 0
    let position = start + 2
    if (length >= 0x80) {
      const count = length & 0x7f
      // Three octets of length are 16 MiB, above every bound on what is parsed here.
      if (count === 0 || count > 3) throw broken(`${what} has an indefinite or oversized length`)
      if (position + count > this.#end) throw broken(`${what} is truncated`)
      length = octets.readUIntBE(position, count)
      position += count
      if (length < 0x80 || length < 1 << (8 * (count - 1))) {
        throw broken(`${what} has a length that is not minimal`)
      }
    }
    if (position + length > this.#end) throw broken(`${what} is truncated`)
    this.#position = position
    return position + length
  }
}

/** Reads all of `der`, at most `octetsMax` of it; what breaks DER is thrown with the caller's code. */
export function readDer<T>(
  der: Uint8Array,
  options: { readonly code: ErrorCode; readonly what: string; readonly octetsMax: number },
  read: (reader: DerReader) => T,
): T {
  const { code, what, octetsMax } = options
  if (der.length > octetsMax) {
    throw new CountersignError(code, `${what} is too large, want=..${octetsMax} got=${der.length}`)
  }
  return withCode(code, () => {
    const reader = new DerReader(asBuffer(der))
    const value = read(reader)
    reader.finish(what)
    return value
  })
}

/** Runs `read`; a failure of DER or of an inner structure leaves it with the outer structure's code, its message kept. */
export function withCode<T>(code: ErrorCode, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof CountersignError) || error.code === code) throw error
    throw new CountersignError(code, error.message, { cause: error })
  }
}

/** The same octets as a Buffer, not a copy. */
export function asBuffer(octets: Uint8Array): Buffer {
  return Buffer.isBuffer(octets)
    ? octets
    : Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
}

function broken(message: string): CountersignError {
  return new CountersignError('pki/der', message)
}

function hex(octet: number): string {
  return octet.toString(16).padStart(2, '0')
}
