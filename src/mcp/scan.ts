import { isUtf8 } from 'node:buffer'
import { quoted } from '../errors.ts'
import {
  inexact,
  literalEnd,
  loneSurrogate,
  numberEnd,
  octet,
  skipSpace,
  stringEnd,
} from './lex.ts'
import { foldCase, isKnownMember, isVariantOfKnownMember, type Place } from './member-names.ts'
import { endOfValue } from './spans.ts'
import { UniqueNames } from './unique-names.ts'

/** Where a value stands in the body: octets [start, end). */
export interface Span {
  readonly start: number
  readonly end: number
}

/** The members that a gateway splices or hashes; one that the body lacks is absent here too. */
export interface Offsets {
  readonly method?: Span
  readonly id?: Span
  readonly params?: Span
  /** `params.name` */
  readonly name?: Span
  /** `params.arguments` */
  readonly arguments?: Span
  /** `params._meta` */
  readonly meta?: Span
  /** `params.cursor` */
  readonly cursor?: Span
  readonly result?: Span
}

export type JsonObject = { readonly [member: string]: unknown }

export interface ScanLimits {
  readonly depthMax: number
  /** Members and array elements of the whole body. */
  readonly membersMax: number
}

export interface Scanned {
  readonly value: JsonObject
  readonly offsets: Offsets
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
 * every level and no name that resembles a known one. The value is JSON.parse's; the offsets are of the very octets.
 */
export function scan(octets: Buffer, limits: ScanLimits): Scanned | ScanRefusal {
  if (!isUtf8(octets)) return { rule: 'utf8', message: 'the body is not UTF-8' }
  const scanner = new Scanner(octets, limits, requestForm)
  const refusal = scanner.run()
  if (refusal !== undefined) return refusal
  return { value: JSON.parse(octets.toString('utf8')) as JsonObject, offsets: scanner.offsets }
}

/**
 * Reads what a server has answered by the same rules, less those about numbers and half surrogate pairs: nobody decides on those, and
 * their octets are passed on. In a list the definitions under `result.tools` are left to `scanTool`, so that a bad one spoils no list.
 */
export function scanAnswer(
  octets: Buffer,
  limits: ScanLimits,
  to: 'list' | 'other',
): Scanned | ScanRefusal {
  return scanParsed(octets, limits, to === 'list' ? listForm : answerForm)
}

/** Reads one definition of a tool, less the rule about numbers: its schema may hold any. */
export function scanTool(octets: Buffer, limits: ScanLimits): Scanned | ScanRefusal {
  return scanParsed(octets, limits, toolForm)
}

/** What is let by has no grammar checked by the scanner, so the parser has to come first. */
function scanParsed(octets: Buffer, limits: ScanLimits, form: Form): Scanned | ScanRefusal {
  if (!isUtf8(octets)) return { rule: 'utf8', message: 'the body is not UTF-8' }
  let value: JsonObject
  try {
    value = JSON.parse(octets.toString('utf8')) as JsonObject
  } catch {
    return { rule: 'malformed', message: 'the body is not JSON' }
  }
  const scanner = new Scanner(octets, limits, form)
  return scanner.run() ?? { value, offsets: scanner.offsets }
}

type Level = Place | 'elsewhere' | 'unread'

/** What differs between the texts that are scanned. */
interface Form {
  readonly whole: Place
  /** The member of a result that is left unread. */
  readonly unread: string | undefined
  /** The rules whose breach is let by. */
  readonly lets: ReadonlySet<number>
}

const requestForm: Form = { whole: 'message', unread: undefined, lets: new Set() }
const answerForm: Form = {
  whole: 'message',
  unread: undefined,
  lets: new Set([inexact, loneSurrogate]),
}
const listForm: Form = { ...answerForm, unread: 'tools' }
const toolForm: Form = { whole: 'tool', unread: undefined, lets: new Set([inexact]) }

const refused = -1

/** One walk over the octets. Each `#…End` gives the octet after what it read, or `refused` with the refusal kept. */
class Scanner {
  readonly offsets: { -readonly [member in keyof Offsets]: Span } = {}
  readonly #octets: Buffer
  readonly #limits: ScanLimits
  readonly #form: Form
  #members = 0
  #refusal: ScanRefusal | undefined

  constructor(octets: Buffer, limits: ScanLimits, form: Form) {
    this.#octets = octets
    this.#limits = limits
    this.#form = form
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
    if (level === 'unread') return endOfValue(this.#octets, at)
    const first = this.#octets[at]
    if (first === octet.quote) return this.#checked(stringEnd(this.#octets, at), at)
    if (first === octet.objectOpen || first === octet.arrayOpen) {
      if (depth > this.#limits.depthMax) {
        return this.#refuse('depth', `nesting too deep: want≤${this.#limits.depthMax}`)
      }
      return first === octet.objectOpen
        ? this.#objectEnd(at, depth, level)
        : this.#arrayEnd(at, depth)
    }
    const isNumber = first === 0x2d || (first !== undefined && first >= 0x30 && first <= 0x39)
    const end = isNumber ? numberEnd(this.#octets, at) : literalEnd(this.#octets, at)
    return this.#checked(end, at)
  }

  #checked(end: number, at: number): number {
    if (end >= 0) return end
    if (this.#form.lets.has(end)) return endOfValue(this.#octets, at)
    if (end === loneSurrogate) {
      return this.#refuse('surrogate', `half a surrogate pair in the string at octet ${at}`)
    }
    if (end === inexact) {
      return this.#refuse('number', `a double does not hold the number at octet ${at}`)
    }
    return this.#malformed(at)
  }

  #isWithinMembersMax(): boolean {
    this.#members++
    if (this.#members <= this.#limits.membersMax) return true
    this.#refuse('members', `too many members and elements: want≤${this.#limits.membersMax}`)
    return false
  }

  #arrayEnd(open: number, depth: number): number {
    let at = skipSpace(this.#octets, open + 1)
    if (this.#octets[at] === octet.arrayClose) return at + 1
    for (;;) {
      if (!this.#isWithinMembersMax()) return refused
      const end = this.#valueEnd(at, depth + 1, 'elsewhere')
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
      if (!this.#isWithinMembersMax()) return refused
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
    const nameEnd = this.#checked(stringEnd(this.#octets, at), at)
    if (nameEnd === refused) return refused
    const written = this.#octets.toString('latin1', at + 1, nameEnd - 1)
    const isPlain = !beyondPlain.test(written)
    const name = isPlain
      ? written
      : (JSON.parse(this.#octets.toString('utf8', at, nameEnd)) as string)
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

  #isNameFit(level: Level, name: string, isPlain: boolean, names: UniqueNames): boolean {
    if (level === 'elsewhere' || level === 'unread') return true
    if (level === 'arguments') {
      if (names.addFolded(foldCase(name))) return true
      this.#refuse('variant', `an argument ${quoted(name)} that differs from another in case only`)
      return false
    }
    if (isKnownMember(level, name) ? isPlain : !isVariantOfKnownMember(level, name)) return true
    this.#refuse('variant', `a member ${quoted(name)} that resembles a known one`)
    return false
  }

  #keep(level: Level, name: string, span: Span): void {
    if (level === 'message' && isMarked(name)) this.offsets[name] = span
    else if (level === 'params') {
      if (name === '_meta') this.offsets.meta = span
      else if (name === 'name' || name === 'arguments' || name === 'cursor') {
        this.offsets[name] = span
      }
    }
  }
}

// An escape or a multi-octet character: the text of the name is not its octets.
const beyondPlain = /[\\\x80-\xff]/

function isMarked(name: string): name is 'method' | 'id' | 'params' | 'result' {
  return name === 'method' || name === 'id' || name === 'params' || name === 'result'
}

function levelBelow(level: Level, name: string): Level {
  if (level === 'message' && (name === 'params' || name === 'result' || name === 'error')) {
    return name
  }
  if (level === 'params' && name === '_meta') return 'meta'
  if (level === 'params' && name === 'arguments') return 'arguments'
  return 'elsewhere'
}
