import { escaped, letterClass } from './letter-class.ts'
import type { Part } from './letter-class.ts'
import { assertion, choice, group, leaf, repeat, sequence } from './tree.ts'
import type { Assertion, Node } from './tree.ts'
import { propertyOf } from './unicode.ts'

export interface Syntax {
  readonly node: Node
  /** The name of each group; the whole match is the first one, and has none. */
  readonly groups: readonly (string | undefined)[]
}

/**
 * Go's limits: how often something may be repeated, nested repetitions multiplied, how deep a pattern may be, and how many instructions
 * its program may have.
 */
const repetitionsMax = 1000
const depthMax = 1000
const sizeMax = 3_355_443

/** What a class takes to make: a thousand octets, and some microseconds. */
const classSteps = 8

interface Flags {
  readonly folds: boolean
  readonly isMultiline: boolean
  readonly dotTakesNewline: boolean
  readonly isUngreedy: boolean
}

const noFlags = { folds: false, isMultiline: false, dotTakesNewline: false, isUngreedy: false }

class Invalid extends Error {}

/** A pattern in the syntax of Go's `regexp`, which is RE2's; undefined where it is none. `spend` is told of work before it is done. */
export function parsePattern(text: string, spend: (steps: number) => void): Syntax | undefined {
  const reader = new Reader(text, spend)
  try {
    const node = reader.alternatives(noFlags)
    return reader.isAtEnd ? { node, groups: reader.groups } : undefined
  } catch (error) {
    if (error instanceof Invalid) return undefined
    throw error
  }
}

function invalid(): never {
  throw new Invalid()
}

/** Reads from left to right, once. */
class Reader {
  readonly groups: (string | undefined)[] = [undefined]
  readonly #text: string
  readonly #spend: (steps: number) => void
  #at = 0
  #depth = 0

  constructor(text: string, spend: (steps: number) => void) {
    this.#text = text
    this.#spend = spend
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length
  }

  #takes(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false
    this.#at += word.length
    return true
  }

  #matched(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text) ?? undefined
    if (found !== undefined) this.#at += found[0].length
    return found
  }

  #next(): number {
    const code = this.#text.codePointAt(this.#at) ?? invalid()
    this.#at += code > 0xffff ? 2 : 1
    return code
  }

  /** Up to the end of a group, or of the whole. Flags hold until there, across `|`, too. */
  alternatives(given: Flags): Node {
    this.#depth += 1
    if (this.#depth > depthMax) invalid()
    let flags = given
    let nodes: Node[] = []
    const choices: Node[] = []
    let wasRepeated = false
    while (!this.isAtEnd && this.#text[this.#at] !== ')') {
      this.#spend(1)
      const repetition = this.#repetition()
      if (repetition !== undefined) {
        if (wasRepeated) invalid()
        nodes.push(repeated(nodes.pop() ?? invalid(), repetition, flags))
      } else if (this.#takes('|')) {
        choices.push(sequence(nodes))
        nodes = []
      } else {
        const set = this.#flagsFrom(flags)
        if (set !== undefined) flags = set
        else for (const atom of this.#atoms(flags)) nodes.push(atom)
      }
      wasRepeated = repetition !== undefined
    }
    this.#depth -= 1
    return checked(choice([...choices, sequence(nodes)]))
  }

  /** `*`, `+`, `?`, `{n,m}`, and whether a `?` stands behind it. What looks like a count and is none is text. */
  #repetition(): Repetition | undefined {
    const found = this.#matched(/([*+?]|\{(0|[1-9]\d*)(,(0|[1-9]\d*)?)?\})(\??)/y)
    if (found === undefined) return undefined
    const [, sign = '', min = '', comma, max = min] = found
    const isFlipped = found[5] === '?'
    if (sign === '*') return { min: 0, max: Infinity, isFlipped }
    if (sign === '+') return { min: 1, max: Infinity, isFlipped }
    if (sign === '?') return { min: 0, max: 1, isFlipped }
    const isOpen = comma !== undefined && found[4] === undefined
    const range = { min: Number(min), max: isOpen ? Infinity : Number(max), isFlipped }
    if (range.min > repetitionsMax || (!isOpen && range.max > repetitionsMax)) invalid()
    return range.min > range.max ? invalid() : range
  }

  /** `(?i)` and its like, which are of all that follows. Of a group with flags, `(?i:`, there is nothing here. */
  #flagsFrom(flags: Flags): Flags | undefined {
    const found = this.#matched(/\(\?([imsU]*)(-[imsU]+)?\)/y)
    return found === undefined ? undefined : changed(flags, found[1], found[2])
  }

  #atoms(flags: Flags): readonly Node[] {
    if (this.#text[this.#at] === '(') return [this.#group(flags)]
    if (this.#takes('[')) return [this.#class(flags)]
    if (this.#takes('.')) return [this.#anyLetter(flags)]
    if (this.#takes('^')) return [assertion(flags.isMultiline ? 'line-begin' : 'text-begin')]
    if (this.#takes('$')) return [assertion(flags.isMultiline ? 'line-end' : 'text-end')]
    const place = this.#matched(/\\[AzbB]/y)?.[0]
    if (place !== undefined) return [assertion(places[place] ?? invalid())]
    if (this.#takes(String.raw`\Q`)) {
      const end = this.#text.indexOf(String.raw`\E`, this.#at)
      const literal = this.#text.slice(this.#at, end < 0 ? undefined : end)
      this.#spend(literal.length)
      this.#at = end < 0 ? this.#text.length : end + 2
      return Array.from(literal, (each) => this.#literal(each.codePointAt(0) ?? 0, flags))
    }
    const part = this.#named()
    if (part !== undefined) return [this.#classOf(part, false, flags)]
    return [this.#literal(this.#letter(), flags)]
  }

  #group(flags: Flags): Node {
    const named = this.#matched(/\(\?P?<(\w+)>/y)
    const plain = named === undefined ? this.#matched(/\(\?([imsU]*)(-[imsU]+)?:/y) : undefined
    if (named === undefined && plain === undefined) {
      if (this.#text.startsWith('(?', this.#at)) invalid()
      this.#at += 1
    }
    const index = plain === undefined ? this.groups.push(named?.[1]) - 1 : undefined
    const node = this.alternatives(plain === undefined ? flags : changed(flags, plain[1], plain[2]))
    if (!this.#takes(')')) invalid()
    return index === undefined ? node : checked(group(index, node))
  }

  #class(flags: Flags): Node {
    const isNegated = this.#takes('^')
    const parts: Part[] = []
    for (let isFirst = true; isFirst || !this.#takes(']'); isFirst = false) {
      this.#spend(1)
      const posix = this.#posix()
      const named = posix ?? this.#named()
      if (named !== undefined) {
        parts.push(...named)
        continue
      }
      const from = this.#letter()
      const isRange = this.#matched(/-(?=[^\]])/sy) !== undefined
      const to = isRange ? this.#letter() : from
      if (to < from) invalid()
      parts.push([from, to])
    }
    return this.#classOf(parts, isNegated, flags)
  }

  #anyLetter({ dotTakesNewline }: Flags): Node {
    const parts: readonly Part[] = dotTakesNewline ? [anything] : [[10, 10]]
    return this.#classOf(parts, !dotTakesNewline, noFlags)
  }

  #literal(code: number, flags: Flags): Node {
    return flags.folds
      ? this.#classOf([[code, code]], false, flags)
      : leaf({ kind: 'letter', code })
  }

  #classOf(parts: readonly Part[], isNegated: boolean, { folds }: Flags): Node {
    this.#spend(classSteps)
    return leaf({ kind: 'class', letters: letterClass(parts, { isNegated, folds }) })
  }

  /** `[:alpha:]` and its like. Without an end it is text, which is looked for up to the end of the pattern. */
  #posix(): readonly Part[] | undefined {
    if (!this.#text.startsWith('[:', this.#at)) return undefined
    this.#spend((this.#text.length - this.#at) >>> 5)
    const name = this.#matched(/\[:(.*?):\]/sy)?.[1]
    return name === undefined ? undefined : (posixParts(name) ?? invalid())
  }

  /** `\d`, `\pL`, `\p{Greek}` and their like. */
  #named(): readonly Part[] | undefined {
    const perl = this.#matched(/\\([dswDSW])/y)?.[1]
    if (perl !== undefined) return partsOf(perlSets[perl.toLowerCase()] ?? '', perl < 'a')
    const unicode = this.#matched(/\\([pP])(?:\{(\^?)([^}]*)\}|(.))/suy)
    if (unicode === undefined) return undefined
    const [, sign, caret, name = unicode[4] ?? ''] = unicode
    const property = (name === '{' ? undefined : propertyOf(name)) ?? invalid()
    const isFlipped = (sign === 'P') !== (caret === '^')
    return [{ ...property, isNegated: property.isNegated !== isFlipped }]
  }

  /** One letter, as it is or escaped. */
  #letter(): number {
    if (!this.#takes('\\')) return this.#next()
    const octal = this.#matched(/0[0-7]{0,2}|[1-7][0-7]{1,2}/y)?.[0]
    if (octal !== undefined) return Number.parseInt(octal, 8)
    const hex = this.#matched(/x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]+)\})/y)
    if (hex !== undefined) {
      const code = Number.parseInt(hex[1] ?? hex[2] ?? '', 16)
      return code <= 0x10ffff ? code : invalid()
    }
    const known = this.#matched(/[afnrtv]/y)?.[0]
    if (known !== undefined) return controls[known] ?? invalid()
    return this.#matched(/[\0-\x7f]/y) !== undefined && !/[0-9A-Za-z]/.test(this.#last())
      ? this.#last().charCodeAt(0)
      : invalid()
  }

  #last(): string {
    return this.#text[this.#at - 1] ?? ''
  }
}

interface Repetition {
  readonly min: number
  readonly max: number
  readonly isFlipped: boolean
}

function repeated(node: Node, { min, max, isFlipped }: Repetition, flags: Flags): Node {
  return checked(repeat(node, min, max, isFlipped === flags.isUngreedy))
}

function checked(node: Node): Node {
  const { repetitions, depth, size } = node
  return repetitions > repetitionsMax || depth > depthMax || size > sizeMax ? invalid() : node
}

function changed(flags: Flags, on = '', off = ''): Flags {
  const has = (name: string, was: boolean): boolean =>
    (was || on.includes(name)) && !off.includes(name)
  return {
    folds: has('i', flags.folds),
    isMultiline: has('m', flags.isMultiline),
    dotTakesNewline: has('s', flags.dotTakesNewline),
    isUngreedy: has('U', flags.isUngreedy),
  }
}

const places: Readonly<Record<string, Assertion>> = {
  '\\A': 'text-begin',
  '\\z': 'text-end',
  '\\b': 'word',
  '\\B': 'no-word',
}

const controls: Readonly<Record<string, number>> = { a: 7, t: 9, n: 10, v: 11, f: 12, r: 13 }

const anything: Part = [0, 0x10ffff]

/** Ranges as pairs of letters. */
const perlSets: Readonly<Record<string, string>> = { d: '09', s: '\t\n\f\r  ', w: '09AZ__az' }

const posixSets: Readonly<Record<string, string>> = {
  alnum: '09AZaz',
  alpha: 'AZaz',
  ascii: '\0\x7f',
  blank: '\t\t  ',
  cntrl: '\0\x1f\x7f\x7f',
  digit: '09',
  graph: '!~',
  lower: 'az',
  print: ' ~',
  punct: '!/:@[`{~',
  space: '\t\r  ',
  upper: 'AZ',
  word: '09AZ__az',
  xdigit: '09AFaf',
}

function posixParts(name: string): readonly Part[] | undefined {
  const isNegated = name.startsWith('^')
  const known = isNegated ? name.slice(1) : name
  return Object.hasOwn(posixSets, known) ? partsOf(posixSets[known] ?? '', isNegated) : undefined
}

/** A negated set is a part by itself: it is folded first. */
function partsOf(pairs: string, isNegated: boolean): readonly Part[] {
  const codes = Array.from(pairs, (each) => each.charCodeAt(0))
  const ranges = codes.flatMap((from, at) =>
    at % 2 === 0 ? [[from, codes[at + 1] ?? from] as const] : [],
  )
  if (!isNegated) return ranges
  const source = ranges.map((range) => range.map(escaped).join('-')).join('')
  return [{ source, isNegated: true, hasUnassigned: false }]
}
