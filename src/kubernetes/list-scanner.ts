import { CountersignError } from '../errors.ts'

/** One member of `items`: its value, or how it began where it is too long or no JSON. */
export type ScannedItem =
  | { readonly value: unknown; readonly bytes: number }
  | { readonly unreadable: string; readonly bytes: number }

/** What stands around `items`: kind, resource version, page token. */
const envelopeBytesMax = 1024 * 1024
/** Enough for the names of an object, which the API server writes first. */
const beginningBytes = 4096

const quote = 0x22
const comma = 0x2c
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d

/** The text before a bracket that opens the list: a member of that name, and not the end of a string that looks like it. */
const itemsMember = /[{,\s]"items"\s*:\s*$/

/**
 * Takes a list apart while it arrives: no more than one of its objects is held at a time, and one of any length is passed by.
 * It follows strings and brackets only; what stands between them is judged by `JSON.parse`.
 */
export class ListScanner {
  readonly #itemBytesMax: number
  readonly #onItem: (item: ScannedItem) => void
  readonly #envelope: Buffer[] = []
  #envelopeBytes = 0
  #item: Buffer[] = []
  #itemBytes = 0
  #inItem = false
  #inString = false
  /** The last octet of the chunk before was a backslash that escapes the next one. */
  #escaped = false
  #depth = 0
  #place: 'before' | 'in' | 'after' = 'before'

  constructor(options: {
    readonly itemBytesMax: number
    readonly onItem: (item: ScannedItem) => void
  }) {
    this.#itemBytesMax = options.itemBytesMax
    this.#onItem = options.onItem
  }

  /** Throws 'kubernetes/answer' when what stands around the objects is too long. */
  push(chunk: Buffer): void {
    /** What was not kept yet begins here. */
    let from = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#inString) {
        at = this.#passString(chunk, at)
        continue
      }
      const octet = chunk[at] as number
      if (this.#place === 'in' && this.#depth === 2) from = this.#betweenItems(chunk, from, at)
      if (octet === openBracket && this.#opensItems(chunk, from, at)) {
        this.#keepEnvelope(chunk.subarray(from, at + 1))
        this.#place = 'in'
        from = at + 1
      }
      this.#follow(octet)
      at += 1
    }
    if (this.#inItem) this.#keepItem(chunk.subarray(from))
    else if (this.#place !== 'in') this.#keepEnvelope(chunk.subarray(from))
  }

  /** The answer with an empty `items`. */
  end(): string {
    return Buffer.concat(this.#envelope).toString('utf8')
  }

  /** At a comma, the end of the list, white space, or the first octet of a member. Answers where the next thing begins. */
  #betweenItems(chunk: Buffer, from: number, at: number): number {
    const octet = chunk[at] as number
    if (octet === comma || octet === closeBracket) {
      if (this.#inItem) this.#endItem(chunk.subarray(from, at))
      if (octet === comma) return at + 1
      this.#place = 'after'
      return at
    }
    if (this.#inItem || isWhiteSpace(octet)) return from
    this.#inItem = true
    return at
  }

  #opensItems(chunk: Buffer, from: number, at: number): boolean {
    if (this.#place !== 'before' || this.#depth !== 1) return false
    const tail = chunk.subarray(Math.max(from, at - 64), at)
    const before = tail.length < 64 ? Buffer.concat(this.#envelope).subarray(-64) : Buffer.alloc(0)
    return itemsMember.test(Buffer.concat([before, tail]).toString('latin1'))
  }

  #follow(octet: number): void {
    if (octet === quote) this.#inString = true
    else if (octet === openBracket || octet === 0x7b) this.#depth += 1
    else if (octet === closeBracket || octet === 0x7d) this.#depth -= 1
  }

  /** Answers where the string has ended, or the chunk. A quote ends it unless an odd number of backslashes stands before. */
  #passString(chunk: Buffer, start: number): number {
    let from = this.#escaped ? start + 1 : start
    this.#escaped = false
    for (;;) {
      const found = chunk.indexOf(quote, from)
      const end = found < 0 ? chunk.length : found
      let backslashes = 0
      while (end - backslashes > from && chunk[end - backslashes - 1] === backslash)
        backslashes += 1
      const escapes = backslashes % 2 === 1
      if (found < 0) {
        this.#escaped = escapes
        return chunk.length
      }
      if (!escapes) {
        this.#inString = false
        return found + 1
      }
      from = found + 1
    }
  }

  #keepEnvelope(piece: Buffer): void {
    this.#envelopeBytes += piece.length
    if (this.#envelopeBytes > envelopeBytesMax) {
      throw new CountersignError(
        'kubernetes/answer',
        `list: what stands around its objects: want=at most ${envelopeBytesMax} bytes got=more`,
      )
    }
    this.#envelope.push(piece)
  }

  #keepItem(piece: Buffer): void {
    const bytes = this.#itemBytes + piece.length
    if (bytes <= this.#itemBytesMax) this.#item.push(piece)
    else if (this.#itemBytes <= this.#itemBytesMax) {
      const beginning = Buffer.concat([...this.#item, piece]).subarray(0, beginningBytes)
      this.#item = [Buffer.from(beginning)]
    }
    this.#itemBytes = bytes
  }

  #endItem(piece: Buffer): void {
    this.#keepItem(piece)
    const text = Buffer.concat(this.#item).toString('utf8')
    const bytes = this.#itemBytes
    this.#item = []
    this.#itemBytes = 0
    this.#inItem = false
    this.#onItem(bytes > this.#itemBytesMax ? { unreadable: text, bytes } : readItem(text, bytes))
  }
}

function readItem(text: string, bytes: number): ScannedItem {
  try {
    return { value: JSON.parse(text) as unknown, bytes }
  } catch {
    return { unreadable: text.slice(0, beginningBytes), bytes }
  }
}

function isWhiteSpace(octet: number): boolean {
  return octet === 0x20 || octet === 0x0a || octet === 0x0d || octet === 0x09
}
