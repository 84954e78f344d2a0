import type { Meter } from '../meter.ts'
import { codePoints, isObject, sortedEntries } from '../values.ts'
import type { Value } from '../values.ts'
import { isText, listOfAll } from './signature.ts'
import type { Builtin, Builtins } from './signature.ts'

type OfOne = (work: (text: string) => Value | undefined) => Builtin
type OfTwo = (work: (text: string, other: string) => Value | undefined) => Builtin

export function stringBuiltins(meter: Meter): Builtins {
  const one: OfOne = (work) => (a) => {
    if (!isText(a)) return undefined
    meter.spendText(a.length)
    return work(a)
  }
  const two: OfTwo = (work) => (a, b) => {
    if (!isText(a) || !isText(b)) return undefined
    meter.spendText(a.length)
    return work(a, b)
  }
  return {
    ...searches(meter, two),
    ...trims(one, two),
    ...makers(meter),
    lower: one(lowered),
    upper: one((text) => cased(text, (letter) => letter.toUpperCase())),
    split: two((text, delimiter) => {
      const parts = delimiter === '' ? Array.from(text) : text.split(delimiter)
      meter.spend(parts.length)
      return parts
    }),
    'strings.reverse': one((text) => Array.from(text).toReversed().join('')),
    substring: (text, offset, length) => substring(meter, text, offset, length),
  }
}

function searches(meter: Meter, two: OfTwo): Builtins {
  const texts = (v: Value | undefined): readonly string[] | undefined =>
    isText(v) ? [v] : listOfAll(v, isText)
  const anyMatch =
    (matches: (text: string, affix: string) => boolean): Builtin =>
    (search, base) => {
      const [all, affixes] = [texts(search), texts(base)]
      if (all === undefined || affixes === undefined) return undefined
      meter.spend(all.length * affixes.length)
      return all.some((text) => affixes.some((affix) => matches(text, affix)))
    }
  return {
    contains: two((text, part) => text.includes(part)),
    startswith: two((text, prefix) => text.startsWith(prefix)),
    endswith: two((text, suffix) => text.endsWith(suffix)),
    indexof: two((text, part) => {
      if (part === '') return undefined
      const at = text.indexOf(part)
      return at < 0 ? -1 : codePoints(text.slice(0, at))
    }),
    'strings.any_prefix_match': anyMatch((text, affix) => text.startsWith(affix)),
    'strings.any_suffix_match': anyMatch((text, affix) => text.endsWith(affix)),
    'strings.count': two((text, part) =>
      part === '' ? codePoints(text) + 1 : text.split(part).length - 1,
    ),
  }
}

/** Go's unicode.IsSpace. */
const space = String.raw`[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]`
const isSpace = new RegExp(`^${space}$`)

function trims(one: OfOne, two: OfTwo): Builtins {
  const left = (text: string, isCut: (letter: string) => boolean): string => {
    let from = 0
    for (const letter of text) {
      if (!isCut(letter)) break
      from += letter.length
    }
    return text.slice(from)
  }
  const right = (text: string, isCut: (letter: string) => boolean): string => {
    let to = text.length
    while (to > 0) {
      const isLow = (text.charCodeAt(to - 1) & 0xfc00) === 0xdc00
      const letter = text.slice(isLow ? to - 2 : to - 1, to)
      if (!isCut(letter)) break
      to -= letter.length
    }
    return text.slice(0, to)
  }
  const oneOf =
    (cutset: string): ((letter: string) => boolean) =>
    (letter) =>
      cutset.includes(letter)
  const blank = (letter: string): boolean => isSpace.test(letter)
  return {
    trim: two((text, cutset) => right(left(text, oneOf(cutset)), oneOf(cutset))),
    trim_left: two((text, cutset) => left(text, oneOf(cutset))),
    trim_right: two((text, cutset) => right(text, oneOf(cutset))),
    trim_space: one((text) => right(left(text, blank), blank)),
    trim_prefix: two((text, prefix) =>
      text.startsWith(prefix) ? text.slice(prefix.length) : text,
    ),
    trim_suffix: two((text, suffix) =>
      text.endsWith(suffix) ? text.slice(0, text.length - suffix.length) : text,
    ),
  }
}

/** What may be much longer than what it is made of: paid for before it is made. */
function makers(meter: Meter): Builtins {
  return {
    concat: (delimiter, v) => {
      const parts = isText(v) ? undefined : listOfAll(v, isText)
      if (!isText(delimiter) || parts === undefined) return undefined
      const characters = parts.reduce((sum, part) => sum + part.length + delimiter.length, 0)
      meter.spend(parts.length >>> 2)
      meter.spendText(characters)
      return parts.join(delimiter)
    },
    replace: (text, from, to) => {
      if (!isText(text) || !isText(from) || !isText(to)) return undefined
      meter.spendText(text.length)
      const pieces = from === '' ? Array.from(text) : text.split(from)
      meter.spend(pieces.length >>> 2)
      meter.spendText(text.length + pieces.length * to.length)
      return from === '' ? [to, ...pieces.map((letter) => letter + to)].join('') : pieces.join(to)
    },
    'strings.replace_n': (patterns, text) => {
      if (!isObject(patterns) || !isText(text)) return undefined
      const pairs = sortedEntries(patterns, meter)
      const isPair = (pair: readonly [Value, Value]): pair is readonly [string, string] =>
        isText(pair[0]) && isText(pair[1])
      return pairs.every(isPair) ? replaceAny(text, pairs, meter) : undefined
    },
  }
}

/** Go's strings.Replacer: at each place the first pattern that fits, in their order; an empty one fits once a place. */
function replaceAny(
  text: string,
  pairs: readonly (readonly [string, string])[],
  meter: Meter,
): string {
  const parts: string[] = []
  let at = 0
  let wasEmpty = false
  while (at <= text.length) {
    meter.spend(1 + (pairs.length >>> 2))
    const pair = pairs.find(([from]) => (from === '' ? !wasEmpty : text.startsWith(from, at)))
    wasEmpty = pair?.[0] === ''
    const letter = String.fromCodePoint(text.codePointAt(at) ?? 0)
    const part = pair?.[1] ?? (at < text.length ? letter : '')
    meter.spendText(part.length)
    parts.push(part)
    at += pair?.[0].length ?? letter.length
  }
  return parts.join('')
}

const onlyAscii = /^[\0-\x7f]*$/

/** Letters with a case that Go's Unicode 15 does not know. */
const later =
  /^[\u1c89\u1c8a\ua7cb-\ua7cf\ua7d2\ua7d4\ua7d5\ua7da-\ua7dc\u{10d50}-\u{10d65}\u{10d70}-\u{10d85}\u{16ea0}-\u{16eb8}\u{16ebb}-\u{16ed3}]/u

export function lowered(text: string): string {
  return cased(text, (letter) => letter.toLowerCase())
}

/** Letter by letter, one for one, as Go has it. */
function cased(text: string, change: (letter: string) => string): string {
  if (onlyAscii.test(text)) return change(text)
  return Array.from(text, (letter) => {
    const changed = change(letter)
    if (later.test(letter) || later.test(changed)) return letter
    return codePoints(changed) === 1 ? changed : alone(letter)
  }).join('')
}

/** Unicode's one letter for a letter that JavaScript makes several of: dotted I, and Greek letters with iota. */
function alone(letter: string): string {
  const code = letter.charCodeAt(0)
  if (code === 0x130) return 'i'
  if (/[\u1f80-\u1f87\u1f90-\u1f97\u1fa0-\u1fa7]/.test(letter)) return String.fromCharCode(code + 8)
  return /[\u1fb3\u1fc3\u1ff3]/.test(letter) ? String.fromCharCode(code + 9) : letter
}

/** By code points; a negative length is all the rest. */
function substring(
  meter: Meter,
  text: Value | undefined,
  offset: Value | undefined,
  length: Value | undefined,
): string | undefined {
  if (!isText(text) || typeof offset !== 'number' || typeof length !== 'number') return undefined
  if (!Number.isInteger(offset) || !Number.isInteger(length) || offset < 0) return undefined
  meter.spendText(text.length)
  const end = length < 0 ? Infinity : offset + length
  if (codePoints(text) === text.length) return text.slice(offset, end)
  return Array.from(text).slice(offset, end).join('')
}
