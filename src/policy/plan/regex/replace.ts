import type { Pattern } from './pattern.ts'
import type { Marks } from './search.ts'

/** Go's `ReplaceAllString`. In the replacement `$1`, `$name` and `${name}` stand for groups, `$$` for a dollar. */
export function replaceAll(
  pattern: Pattern,
  text: string,
  replacement: string,
  spendText: (characters: number) => void,
): string {
  const parts: string[] = []
  const add = (part: string): void => {
    spendText(part.length)
    parts.push(part)
  }
  let end = 0
  for (const marks of pattern.matches(text, Infinity, true)) {
    const [from = 0, to = 0] = marks
    add(text.slice(end, from))
    // The template is read anew each time.
    spendText(replacement.length)
    for (const part of expanded(replacement, pattern.groups, text, marks)) add(part)
    end = to
  }
  add(text.slice(end))
  return parts.join('')
}

/** A dollar and what it names: letters, digits and underscores, as many as there are, in braces or not. */
const reference = /\$(?:(\$)|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu

function* expanded(
  template: string,
  groups: readonly (string | undefined)[],
  text: string,
  marks: Marks,
): Generator<string> {
  let at = 0
  for (const found of template.matchAll(reference)) {
    const [whole, dollar, bare, braced] = found
    yield template.slice(at, found.index)
    yield dollar ?? groupText(bare ?? braced ?? '', groups, text, marks)
    at = found.index + whole.length
  }
  yield template.slice(at)
}

/** What a group has matched. Of groups that share a name, the first one that took part. */
function groupText(
  name: string,
  groups: readonly (string | undefined)[],
  text: string,
  marks: Marks,
): string {
  const isNumber = /^(?:0|[1-9][0-9]{0,8})$/.test(name)
  const at = isNumber
    ? Number(name)
    : groups.findIndex((group, index) => group === name && isSet(marks, index))
  return sliceOf(text, marks, at) ?? ''
}

/** What one group of a match has taken; undefined where it took no part. */
export function sliceOf(text: string, marks: Marks, group: number): string | undefined {
  return isSet(marks, group) ? text.slice(marks[group * 2], marks[group * 2 + 1]) : undefined
}

function isSet(marks: Marks, group: number): boolean {
  return (marks[group * 2] ?? -1) >= 0
}
