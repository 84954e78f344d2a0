import type { Meter } from './meter.ts'
import { Big, stepsOf } from './numbers.ts'
import { isLater } from './regex/unicode.ts'
import { isArray, RegoSet, sizeOf, sortedEntries } from './values.ts'
import type { Value } from './values.ts'

/** A value as Rego has it in a rule, in the words of OPA: sets are no arrays, and texts are quoted as Go does. */
export function formatLiteral(v: Value, meter: Meter): string {
  if (typeof v === 'string') {
    // A letter may become ten.
    meter.spend(1 + (v.length >>> 2))
    return quoteText(v, { ascii: false })
  }
  if (v instanceof Big) meter.spend(stepsOf(v))
  if (typeof v !== 'object' || v === null || v instanceof Big) return String(v)
  meter.spend(1 + (sizeOf(v) ?? 0))
  const list = (members: readonly Value[]): string =>
    members.map((member) => formatLiteral(member, meter)).join(', ')
  if (isArray(v)) return `[${list(v)}]`
  if (v instanceof RegoSet) return v.size === 0 ? 'set()' : `{${list(v.sorted())}}`
  const members = sortedEntries(v, meter).map((entry) =>
    entry.map((part) => formatLiteral(part, meter)).join(': '),
  )
  return `{${members.join(', ')}}`
}

const plain = /^[ !#-[\]-~]*$/
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

/** What Go writes in a way of its own. */
const named: ReadonlyMap<string, string> = new Map([
  ['\\', String.raw`\\`],
  ['\x07', String.raw`\a`],
  ['\b', String.raw`\b`],
  ['\f', String.raw`\f`],
  ['\n', String.raw`\n`],
  ['\r', String.raw`\r`],
  ['\t', String.raw`\t`],
  ['\v', String.raw`\v`],
])

/** Go's strconv.IsPrint. */
export function isPrintable(letter: string): boolean {
  return printable.test(letter) && !isLater(letter)
}

/** Go's strconv.Quote, and QuoteToASCII. */
export function quoteText(text: string, { ascii }: { readonly ascii: boolean }): string {
  if (plain.test(text)) return `"${text}"`
  return `"${Array.from(text, (letter) => escapeLetter(letter, { quote: '"', ascii })).join('')}"`
}

/** One letter as Go has it between such quotes. */
export function escapeLetter(
  letter: string,
  { quote, ascii }: { readonly quote: string; readonly ascii: boolean },
): string {
  if (letter === quote) return `\\${letter}`
  const name = named.get(letter)
  if (name !== undefined) return name
  if (isPrintable(letter) && (!ascii || letter < '\x7f')) return letter
  const code = (letter.codePointAt(0) ?? 0).toString(16)
  if (letter < ' ' || letter === '\x7f') return String.raw`\x` + code.padStart(2, '0')
  return code.length > 4
    ? String.raw`\U` + code.padStart(8, '0')
    : String.raw`\u` + code.padStart(4, '0')
}
