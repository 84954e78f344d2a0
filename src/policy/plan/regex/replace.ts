import type { Pattern } from './pattern.ts'
import type { Marks } from './search.ts'

/** Go's `ReplaceAllString`. In the replacement `$1`, `$name` and `${name}` stand for groups, `$$` for a dollar. */
export function replaceAll(
  pattern: Pattern,
  text: string,
  replacement: string,
  spend: (steps: number) => void,
): string {
  const pieces = piecesOf(replacement, pattern.groups, spend)
  const { parts, add } = collect(spend)
  let end = 0
  for (const marks of pattern.matches(text, Infinity, true)) {
    const [from = 0, to = 0] = marks
    add(text.slice(end, from))
    for (const piece of pieces) {
      if (typeof piece === 'string') add(piece)
      else {
        spend(piece.length >>> 3)
        add(groupText(piece, text, marks))
      }
    }
    end = to
  }
  add(text.slice(end))
  return parts.join('')
}

/** Go's `Split`: what is between the matches, but nothing before one that is empty at the start, and nothing behind one at the end. */
export function splitAt(
  pattern: Pattern,
  text: string,
  { isEmpty, spend }: { readonly isEmpty: boolean; readonly spend: (steps: number) => void },
): readonly string[] {
  if (text === '' && !isEmpty) return ['']
  const { parts, add } = collect(spend)
  let [begin, end] = [0, 0]
  for (const [from = 0, to = 0] of pattern.matches(text, Infinity, false)) {
    end = from
    if (to !== 0) add(text.slice(begin, from))
    begin = to
  }
  if (end !== text.length) add(text.slice(begin))
  return parts
}

/** Parts of texts, each paid for as it comes. */
function collect(spend: (steps: number) => void): {
  readonly parts: readonly string[]
  readonly add: (part: string) => void
} {
  const parts: string[] = []
  return {
    parts,
    add(part) {
      spend(1 + (part.length >>> 5))
      parts.push(part)
    },
  }
}

/** A part of a replacement: text, or groups, of which the first one that took part stands there. */
type Piece = string | readonly number[]

/** A dollar and what it names: letters, digits and underscores, as many as there are, in braces or not. */
const reference = /\$(?:(\$)|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu

/** Read once for all matches: what a name stands for is looked for among all groups. */
function piecesOf(
  replacement: string,
  groups: readonly (string | undefined)[],
  spend: (steps: number) => void,
): readonly Piece[] {
  spend((replacement.length >>> 5) + (groups.length >>> 3))
  const named = Map.groupBy(groups.keys(), (index) => groups[index])
  const pieces: Piece[] = []
  let at = 0
  for (const found of replacement.matchAll(reference)) {
    const [whole, dollar, bare, braced] = found
    spend(1)
    const before = replacement.slice(at, found.index)
    if (before !== '') pieces.push(before)
    pieces.push(dollar ?? groupsOf(bare ?? braced ?? '', named))
    at = found.index + whole.length
  }
  return [...pieces, replacement.slice(at)]
}

function groupsOf(
  name: string,
  named: ReadonlyMap<string | undefined, readonly number[]>,
): readonly number[] {
  return /^(?:0|[1-9][0-9]{0,8})$/.test(name) ? [Number(name)] : (named.get(name) ?? [])
}

function groupText(groups: readonly number[], text: string, marks: Marks): string {
  const first = groups.find((group) => isSet(marks, group))
  return first === undefined ? '' : (sliceOf(text, marks, first) ?? '')
}

/** What one group of a match has taken; undefined where it took no part. */
export function sliceOf(text: string, marks: Marks, group: number): string | undefined {
  return isSet(marks, group) ? text.slice(marks[group * 2], marks[group * 2 + 1]) : undefined
}

function isSet(marks: Marks, group: number): boolean {
  return (marks[group * 2] ?? -1) >= 0
}
