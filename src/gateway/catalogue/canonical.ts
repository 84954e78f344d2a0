import { hash } from 'node:crypto'
import { octet } from '../../mcp/lex.ts'

/** What is known of the canonical JSON of a definition. */
export interface Canonical {
  /** SHA-256, hex: the digest to put into a pin. */
  readonly digest: string
  /** Members and elements: fewer than are written where an object names a member twice, for a parser keeps one. */
  readonly values: number
  /** Of objects and arrays within each other; what is too deep to be a definition is not written to its end. */
  readonly depth: number
  readonly hasProto: boolean
}

/**
 * Members sorted, no white space (RFC 8785), except that a number which a double does not hold keeps its digits: two definitions that a
 * reader of decimals tells apart must not have one digest. `1.0` and `10e-1` are `1`, and `1.00000000000000000001` is not.
 */
export function canonicalize(text: string, parsed: unknown): Canonical {
  const plain = write(parsed, text.length)
  // A reviver calls itself, so it is not let at what is too deep.
  if (plain.depth > depthMax || !(plain.hasOddNumber || fraction.test(text))) return plain.found()
  const exact = JSON.parse(text, exactNumber as (key: string, value: unknown) => unknown) as unknown
  return write(exact, text.length).found()
}

/** A number that is written with a fraction or an exponent, or a text that looks as if it held one. */
const fraction = /[[:,]\s*-?\d+[.eE]/

/** Deeper than any definition may be. */
const depthMax = 64

function write(value: unknown, expectedOctets: number): Writer {
  const writer = new Writer(expectedOctets)
  writer.write(value, 1)
  return writer
}

class ExactNumber {
  readonly #source: string
  constructor(source: string) {
    this.#source = source
  }
  toString(): string {
    return this.#source
  }
}

function exactNumber(_: string, value: unknown, context: { readonly source?: string }): unknown {
  const { source } = context
  if (typeof value !== 'number' || source === undefined) return value
  const isSame = Number.isSafeInteger(value) ? isInteger(source) : String(value) === source
  return isSame ? value : new ExactNumber(source)
}

/** Whether a number is an integer as it is written; what a double makes of it is that integer, then, where it is one that all doubles hold. */
function isInteger(source: string): boolean {
  const [mantissa = '', exponent = '0'] = source.split(/[eE]/)
  const [whole = '', part = ''] = mantissa.split('.')
  const digits = `${whole}${part}`
  const significant = digits.replace(/0+$/, '')
  if (significant === '' || significant === '-') return true
  return Number(exponent) - part.length + (digits.length - significant.length) >= 0
}

const backslash = 0x5c

/** What most are written into, one after the other: of each nothing but its digest is kept. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024)

/** One walk that writes and counts. It makes no texts on the way: a long list is written whenever all of it changes. */
class Writer {
  #octets: Buffer
  #length = 0
  #values = 0
  #hasProto = false
  depth = 0
  /** It has a number that is no integer which every double holds: it may be written otherwise than ours. */
  hasOddNumber = false

  constructor(expectedOctets: number) {
    this.#octets = expectedOctets <= scratch.length ? scratch : Buffer.allocUnsafe(expectedOctets)
  }

  found(): Canonical {
    const digest = hash('sha256', this.#octets.subarray(0, this.#length), 'hex')
    return { digest, values: this.#values, depth: this.depth, hasProto: this.#hasProto }
  }

  write(value: unknown, depth: number): void {
    if (typeof value === 'string') this.#writeText(value)
    else if (typeof value === 'number') this.#writeNumber(value)
    else if (typeof value !== 'object' || value === null) this.#writeJson(JSON.stringify(value))
    else if (value instanceof ExactNumber) this.#writeJson(value.toString())
    else this.#writeWithin(value, depth)
  }

  #writeNumber(value: number): void {
    if (!Number.isSafeInteger(value)) this.hasOddNumber = true
    this.#writeJson(JSON.stringify(value))
  }

  #writeWithin(value: object, depth: number): void {
    this.depth = Math.max(this.depth, depth)
    if (depth > depthMax) return
    if (Array.isArray(value)) this.#writeElements(value, depth)
    else this.#writeMembers(value as Readonly<Record<string, unknown>>, depth)
  }

  #writeElements(elements: readonly unknown[], depth: number): void {
    this.#values += elements.length
    this.#writeOctet(octet.arrayOpen)
    for (let index = 0; index < elements.length; index += 1) {
      if (index > 0) this.#writeOctet(octet.comma)
      this.write(elements[index], depth + 1)
    }
    this.#writeOctet(octet.arrayClose)
  }

  #writeMembers(members: Readonly<Record<string, unknown>>, depth: number): void {
    const names = Object.keys(members)
    sortInPlace(names)
    this.#values += names.length
    this.#writeOctet(octet.objectOpen)
    let isFirst = true
    for (const name of names) {
      if (name === '__proto__') this.#hasProto = true
      if (!isFirst) this.#writeOctet(octet.comma)
      isFirst = false
      this.#writeText(name)
      this.#writeOctet(octet.colon)
      this.write(members[name], depth + 1)
    }
    this.#writeOctet(octet.objectClose)
  }

  /** Octet by octet, as long as none of it is escaped or takes more than one. */
  #writeText(text: string): void {
    this.#grow(text.length + 2)
    const octets = this.#octets
    let at = this.#length
    octets[at++] = octet.quote
    for (let index = 0; index < text.length; index += 1) {
      const unit = text.charCodeAt(index)
      if (unit < 0x20 || unit > 0x7e || unit === octet.quote || unit === backslash) {
        this.#writeJson(JSON.stringify(text))
        return
      }
      octets[at++] = unit
    }
    octets[at++] = octet.quote
    this.#length = at
  }

  #writeJson(text: string): void {
    // No character of UTF-16 takes more than three octets.
    this.#grow(text.length * 3)
    this.#length += this.#octets.write(text, this.#length, 'utf8')
  }

  #writeOctet(written: number): void {
    this.#grow(1)
    this.#octets[this.#length++] = written
  }

  #grow(more: number): void {
    const length = this.#length + more
    if (length <= this.#octets.length) return
    const octets = Buffer.allocUnsafe(length * 2)
    octets.set(this.#octets.subarray(0, this.#length))
    this.#octets = octets
  }
}

/** Most objects have few members, for which sorting in general takes longer than all else that is done with them. */
const fewNames = 16

function sortInPlace(names: string[]): void {
  if (names.length > fewNames) {
    names.sort()
    return
  }
  for (let from = 1; from < names.length; from += 1) {
    const name = names[from] as string
    let to = from
    for (let before = names[to - 1]; before !== undefined && before > name;) {
      names[to] = before
      to -= 1
      before = names[to - 1]
    }
    names[to] = name
  }
}
