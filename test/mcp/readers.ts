/*
 * Readers of JSON as the world has them, written to be seen through: each finds the member that some kind of parser would find. They
 * share one plain parser of the grammar, which keeps every member in its order and forgives duplicates.
 */

export interface Node {
  readonly start: number
  readonly end: number
  /** Of an object, in their order; undefined for anything else. */
  readonly members: readonly (readonly [name: string, value: Node])[] | undefined
}

/** The tree of a text, undefined where it is no JSON at all. Offsets are of UTF-16 units. */
export function readTree(text: string): Node | undefined {
  try {
    JSON.parse(text)
  } catch {
    return undefined
  }
  let at = 0
  // The text is known to be JSON, so nothing here has to be judged.
  const space = (): void => {
    while (/[ \t\r\n]/.test(text[at] ?? '')) at++
  }
  const string = (): string => {
    const start = at++
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
    return JSON.parse(text.slice(start, ++at)) as string
  }
  const value = (): Node => {
    space()
    const start = at
    if (text[at] === '{') return { start, members: members(), end: at }
    if (text[at] === '[') elements()
    else if (text[at] === '"') string()
    else while (/[^\s,\]}]/.test(text[at] ?? ' ')) at++
    return { start, members: undefined, end: at }
  }
  const members = (): Node['members'] => {
    const found: [string, Node][] = []
    for (at++, space(); text[at] !== '}'; space()) {
      if (text[at] === ',') at++
      space()
      const name = string()
      space()
      at++
      found.push([name, value()])
    }
    at++
    return found
  }
  const elements = (): void => {
    for (at++, space(); text[at] !== ']'; space()) {
      if (text[at] === ',') at++
      value()
    }
    at++
  }
  return value()
}

/** Finds the member that it takes for the named one. */
export type Reader = (object: Node, name: string) => Node | undefined

function pick(which: 0 | -1, isName: (found: string, name: string) => boolean): Reader {
  return (object, name) => object.members?.filter(([found]) => isName(found, name)).at(which)?.[1]
}

/** Unicode's simple folding, one character to one, as Go's encoding/json and Rust's readers that ignore case have it. */
function simpleFold(name: string): string {
  const one = (character: string): string => {
    const upper = character.toUpperCase()
    const folded = upper.length === character.length ? upper.toLowerCase() : character
    return folded.length === character.length ? folded : character
  }
  return Array.from(name, one).join('')
}

const sameName = (found: string, name: string): boolean => found === name

export const readers: Readonly<Record<string, Reader>> = {
  'the first of several': pick(0, sameName),
  'the last of several (JavaScript, Python)': pick(-1, sameName),
  'the last in any case (Go)': pick(-1, (found, name) => simpleFold(found) === simpleFold(name)),
  'the first in any case': pick(0, (found, name) => simpleFold(found) === simpleFold(name)),
  'the last in any case by upper case (C#)': pick(
    -1,
    (found, name) => found.toUpperCase() === name.toUpperCase(),
  ),
  'the last in any case by lower case (Java)': pick(
    -1,
    (found, name) => found.toLowerCase() === name.toLowerCase(),
  ),
  'the last in compatible letters': pick(
    -1,
    (found, name) => found.normalize('NFKC') === name.normalize('NFKC'),
  ),
  'the last up to a NUL (C)': pick(-1, (found, name) => found.split('\0')[0] === name),
  'the last without space around': pick(-1, (found, name) => found.trim() === name),
}

/** Along names; undefined as soon as one is not there. */
export function readAlong(reader: Reader, root: Node, path: readonly string[]): Node | undefined {
  return path.reduce<Node | undefined>((node, name) => node && reader(node, name), root)
}
