import { isAscii, isUtf8 } from 'node:buffer'
import { quoted } from '../errors.ts'
import {
  isNumberStart,
  literalEnd,
  loneSurrogate,
  numberEnd,
  octet,
  skipSpace,
  stringEnd,
} from './lex.ts'
import {
  comparedTotalMax,
  comparedUnitsMax,
  foldCase,
  isKnownMember,
  isVariantOfKnownMember,
  type Place,
} from './member-names.ts'
import { levelBelow, markOf, type Level, type Offsets, type Span } from './levels.ts'
import type { ListMember } from './lists.ts'
import { readingOf, type Reading } from './numbers.ts'
import { overlong, passList, type ListSpan, type Recognizer } from './listed.ts'
import { crowded, type Room } from './skip.ts'
import { UniqueNames } from './unique-names.ts'

export type JsonObject = { readonly [member: string]: unknown }

export interface ScanLimits {
  readonly depthMax: number
  /** Members and array elements of the whole body. */
  readonly membersMax: number
  /** Elements of the list that an answer is asked for, default 10,000. */
  readonly listedMax?: number
  /** UTF-16 units of names beyond ASCII that may be compared, where several texts share them. */
  readonly compared?: Room
}

export interface Scanned {
  /** As JSON.parse reads it: numbers are doubles. */
  readonly value: JsonObject
  readonly offsets: Offsets
  /** What was left unread: the definitions in the answer to a list. */
  readonly list: ListSpan | undefined
  /** The reading of the number in `params.arguments` on which parsers agree least. */
  readonly argumentNumbers: Reading
}

/** The rule that the octets break; `malformed` and `utf8` are not JSON, the others are JSON that two parsers may read differently. */
export type ScanRule =
  | 'utf8'
  | 'malformed'
  | 'surrogate'
  | 'number'
  | 'batch'
  | 'not-object'
  | 'depth'
  | 'members'
  | 'duplicate'
  | 'proto'
  | 'variant'

export interface ScanRefusal {
  readonly rule: ScanRule
  readonly message: string
}

/**
 * Reads a body that two parsers cannot read differently: one JSON object in UTF-8 (RFC 8259) with unique member names at
 * every level and no name that resembles a known one. The value is JSON.parse's; the offsets are of the very octets. A number that a
 * double does not hold may stand where the protocol has no member of its own: whoever decides on it has to know of both readings.
 */
export function scan(octets: Buffer, limits: ScanLimits): Scanned | ScanRefusal {
  return scanAs(octets, limits, requestForm)
}

/**
 * Reads what a server has answered by the same rules, less those about numbers and half surrogate pairs: nobody decides on those, and
 * their octets are passed on. The elements of a list, `listed` in the result, are left to `scanTool` and `scanOffer`, so that a bad one
 * spoils no list: they are only counted, and null stands for them in the value. What a recognizer knows of them is not even that.
 */
export function scanAnswer(
  octets: Buffer,
  limits: ScanLimits,
  listed: ListMember | undefined,
  recognizer?: Recognizer,
): Scanned | ScanRefusal {
  if (listed === undefined) return scanAs(octets, limits, answerForm)
  return scanAs(octets, limits, { ...answerForm, unread: listed, recognizer })
}

/** Reads one definition of a tool, less the rule about numbers: its schema may hold any. */
export function scanTool(octets: Buffer, limits: ScanLimits): Scanned | ScanRefusal {
  return scanAs(octets, limits, toolForm)
}

/** Reads one prompt, resource or template of a list by the rules for tools. */
export function scanOffer(octets: Buffer, limits: ScanLimits): Scanned | ScanRefusal {
  return scanAs(octets, limits, offerForm)
}

/** Reads one thing that a server asks of a client, by the rules for answers. */
export function scanAsk(octets: Buffer, limits: ScanLimits): Scanned | ScanRefusal {
  return scanAs(octets, limits, askForm)
}

/** Nothing is parsed before the scanner has found it bounded. */
function scanAs(octets: Buffer, limits: ScanLimits, form: Form): Scanned | ScanRefusal {
  if (!isUtf8(octets)) return { rule: 'utf8', message: 'the body is not UTF-8' }
  const text = asciiOf(octets)
  const scanner = new Scanner(octets, text, limits, form)
  const refusal = scanner.run()
  if (refusal !== undefined) return refusal
  const { offsets, list, argumentNumbers } = scanner
  return { value: valueOf(octets, text, list), offsets, list, argumentNumbers }
}

/** Longer ones would be twice in memory. */
const asciiOctetsMax = 64 * 1024

/** A short text whose characters are its octets: to cut names from it costs less than to read each from the octets. */
function asciiOf(octets: Buffer): string | undefined {
  return octets.length <= asciiOctetsMax && isAscii(octets) ? octets.toString('latin1') : undefined
}

function valueOf(octets: Buffer, text: string | undefined, unread: Span | undefined): JsonObject {
  if (unread === undefined) return JSON.parse(text ?? octets.toString('utf8')) as JsonObject
  const before = octets.toString('utf8', 0, unread.start)
  return JSON.parse(`${before}null${octets.toString('utf8', unread.end)}`) as JsonObject
}

/** What differs between the texts that are scanned. */
interface Form {
  readonly whole: Place
  /** The member of a result that is left unread. */
  readonly unread: ListMember | undefined
  /** Whether numbers are judged; and half surrogate pairs. */
  readonly numbers: 'judged' | 'let'
  readonly halves: 'refused' | 'let'
  /** Knows what is left unread. */
  readonly recognizer: Recognizer | undefined
}

const answerForm: Form = {
  whole: 'message',
  unread: undefined,
  numbers: 'let',
  halves: 'let',
  recognizer: undefined,
}
const requestForm: Form = { ...answerForm, numbers: 'judged', halves: 'refused' }
const offerForm: Form = { ...answerForm, whole: 'offer', halves: 'refused' }
const askForm: Form = { ...answerForm, whole: 'ask' }
const toolForm: Form = { ...answerForm, whole: 'tool', halves: 'refused' }

const listedMaxDefault = 10_000

const refused = -1

/** One walk over the octets. Each `#…End` gives the octet after what it read, or `refused` with the refusal kept. */
class Scanner {
  readonly offsets: { -readonly [member in keyof Offsets]: Span } = {}
  list: ListSpan | undefined
  argumentNumbers: Reading = 'plain'
  /** Of the last number of each reading, where it stands. */
  readonly #numbersAt = { respelled: -1, rounded: -1 }
  readonly #octets: Buffer
  readonly #text: string | undefined
  readonly #limits: ScanLimits
  readonly #form: Form
  readonly #room: Room
  readonly #compared: Room
  #refusal: ScanRefusal | undefined

  constructor(octets: Buffer, text: string | undefined, limits: ScanLimits, form: Form) {
    this.#octets = octets
    this.#text = text
    this.#limits = limits
    this.#form = form
    this.#room = { left: limits.membersMax }
    this.#compared = limits.compared ?? { left: comparedTotalMax }
  }

  run(): ScanRefusal | undefined {
    const start = skipSpace(this.#octets, 0)
    const first = this.#octets[start]
    if (first === octet.arrayOpen) return { rule: 'batch', message: 'batches are not served' }
    const end = this.#valueEnd(start, 1, this.#form.whole)
    if (end === refused) return this.#refusal
    if (skipSpace(this.#octets, end) !== this.#octets.length) {
      return { rule: 'malformed', message: `octets after the message at octet ${end}` }
    }
    if (first === octet.objectOpen) return undefined
    return { rule: 'not-object', message: 'the body is not a JSON object' }
  }

  #refuse(rule: ScanRule, message: string): number {
    this.#refusal ??= { rule, message }
    return refused
  }

  #malformed(at: number): number {
    return this.#refuse('malformed', `the body is not JSON at octet ${at}`)
  }

  #valueEnd(at: number, depth: number, level: Level): number {
    if (level === 'unread') return this.#unreadEnd(at)
    const first = this.#octets[at]
    if (first === octet.quote) return this.#stringEnd(at)
    if (first === octet.objectOpen || first === octet.arrayOpen) {
      if (depth > this.#limits.depthMax) {
        return this.#refuse('depth', `nesting too deep, want=..${this.#limits.depthMax}`)
      }
      return first === octet.objectOpen
        ? this.#objectEnd(at, depth, level)
        : this.#arrayEnd(at, depth, level)
    }
    if (isNumberStart(first)) return this.#numberEnd(at, level)
    const end = literalEnd(this.#octets, at)
    return end < 0 ? this.#malformed(at) : end
  }

  #stringEnd(at: number): number {
    const end = stringEnd(this.#octets, at, this.#form.halves)
    if (end >= 0) return end
    if (end !== loneSurrogate) return this.#malformed(at)
    return this.#refuse('surrogate', `half a surrogate pair in the string at octet ${at}`)
  }

  #numberEnd(at: number, level: Level): number {
    const end = numberEnd(this.#octets, at)
    if (end < 0) return this.#malformed(at)
    if (this.#form.numbers === 'let') return end
    const reading = readingOf(this.#octets, at, end)
    if (reading === 'plain') return end
    if (reading === 'lost' || (reading === 'rounded' && level === 'own')) {
      return this.#refuse('number', `a double does not hold the number at octet ${at}`)
    }
    this.#numbersAt[reading] = at
    return end
  }

  #takeRoom(): boolean {
    if (--this.#room.left >= 0) return true
    this.#crowded()
    return false
  }

  #crowded(): number {
    const { membersMax } = this.#limits
    return this.#refuse('members', `too many members and elements, want=..${membersMax}`)
  }

  #unreadEnd(start: number): number {
    const { listedMax = listedMaxDefault } = this.#limits
    const passing = { room: this.#room, elementsMax: listedMax, recognizer: this.#form.recognizer }
    const list = passList(this.#octets, start, passing)
    if (typeof list !== 'number') {
      this.list = list
      return list.end
    }
    if (list === crowded) return this.#crowded()
    if (list !== overlong) return this.#malformed(start)
    return this.#refuse('members', `too many elements in the list, want=..${listedMax}`)
  }

  #arrayEnd(open: number, depth: number, level: Level): number {
    const below = level === 'arguments' ? level : 'elsewhere'
    return this.#elementsEnd(open, (at) => this.#valueEnd(at, depth + 1, below))
  }

  #elementsEnd(open: number, elementEnd: (at: number) => number): number {
    let at = skipSpace(this.#octets, open + 1)
    if (this.#octets[at] === octet.arrayClose) return at + 1
    for (;;) {
      if (!this.#takeRoom()) return refused
      const end = elementEnd(at)
      if (end === refused) return refused
      at = skipSpace(this.#octets, end)
      if (this.#octets[at] === octet.arrayClose) return at + 1
      if (this.#octets[at] !== octet.comma) return this.#malformed(at)
      at = skipSpace(this.#octets, at + 1)
    }
  }

  #objectEnd(open: number, depth: number, level: Level): number {
    let at = skipSpace(this.#octets, open + 1)
    if (this.#octets[at] === octet.objectClose) return at + 1
    const names = new UniqueNames()
    for (;;) {
      if (!this.#takeRoom()) return refused
      at = this.#memberEnd(at, depth, level, names)
      if (at === refused) return refused
      at = skipSpace(this.#octets, at)
      if (this.#octets[at] === octet.objectClose) return at + 1
      if (this.#octets[at] !== octet.comma) return this.#malformed(at)
      at = skipSpace(this.#octets, at + 1)
    }
  }

  #memberEnd(at: number, depth: number, level: Level, names: UniqueNames): number {
    if (this.#octets[at] !== octet.quote) return this.#malformed(at)
    const nameEnd = this.#stringEnd(at)
    if (nameEnd === refused) return refused
    const { name, isPlain } = this.#nameAt(at, nameEnd)
    if (!names.add(name)) return this.#refuse('duplicate', `a second member ${quoted(name)}`)
    if (name === '__proto__') return this.#refuse('proto', 'a member named __proto__')
    if (!this.#isNameFit(level, name, isPlain, names)) return refused
    const colon = skipSpace(this.#octets, nameEnd)
    if (this.#octets[colon] !== octet.colon) return this.#malformed(colon)
    const start = skipSpace(this.#octets, colon + 1)
    const below =
      level === 'result' && name === this.#form.unread ? 'unread' : levelBelow(level, name)
    const end = this.#valueEnd(start, depth + 1, below)
    if (end !== refused) this.#keep(level, name, { start, end })
    return end
  }

  /** Plain: the octets of the name are its text. */
  #nameAt(at: number, end: number): { readonly name: string; readonly isPlain: boolean } {
    const written =
      this.#text?.slice(at + 1, end - 1) ?? this.#octets.toString('latin1', at + 1, end - 1)
    const isPlain = this.#text === undefined ? !beyondPlain.test(written) : !written.includes('\\')
    if (isPlain) return { name: written, isPlain }
    return { name: JSON.parse(this.#octets.toString('utf8', at, end)) as string, isPlain }
  }

  #isNameFit(level: Level, name: string, isPlain: boolean, names: UniqueNames): boolean {
    if (level === 'elsewhere' || level === 'own' || level === 'unread') return true
    if (!isPlain && !this.#isComparable(name)) return false
    if (level === 'arguments') {
      if (names.addFolded(foldCase(name))) return true
      this.#refuse('variant', `an argument ${quoted(name)} that differs from another in case only`)
      return false
    }
    if (isKnownMember(level, name) ? isPlain : !isVariantOfKnownMember(level, name)) return true
    this.#refuse('variant', `a member ${quoted(name)} that resembles a known one`)
    return false
  }

  #isComparable(name: string): boolean {
    this.#compared.left -= name.length
    if (name.length > comparedUnitsMax) {
      this.#refuse('variant', `a member ${quoted(name, 20)} too long to be compared with others`)
      return false
    }
    if (this.#compared.left >= 0) return true
    this.#refuse('variant', 'too many names beyond ASCII to be compared with others')
    return false
  }

  #keep(level: Level, name: string, span: Span): void {
    const marked = markOf(level, name)
    if (marked === undefined) return
    this.offsets[marked] = span
    if (marked === 'arguments') this.#keepReading(span.start)
  }

  #keepReading(start: number): void {
    const { rounded, respelled } = this.#numbersAt
    if (rounded >= start) this.argumentNumbers = 'rounded'
    else if (respelled >= start) this.argumentNumbers = 'respelled'
  }
}

// An escape or a multi-octet character: the text of the name is not its octets.
const beyondPlain = /[\\\x80-\xff]/
