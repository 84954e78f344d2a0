import { octet, skipSpace } from './lex.ts'
import type { Span } from './levels.ts'

/*
 * Where the parts of a JSON text stand. The text must have been parsed before: this finds values, it does not judge them. Nothing
 * here calls itself, so that no depth of a text is too deep.
 */

const backslash = 0x5c

/**
 * The members of the object that starts here; undefined when it is no object, or names a member twice. Of a value that is known the end
 * is not looked for again.
 */
export function membersOf(
  octets: Buffer,
  span: Span,
  known?: Span,
): ReadonlyMap<string, Span> | undefined {
  if (octets[span.start] !== octet.objectOpen) return undefined
  const members = new Map<string, Span>()
  let index = skipSpace(octets, span.start + 1)
  while (octets[index] !== octet.objectClose) {
    const nameEnd = endOfValue(octets, index)
    const name = nameAt(octets, index, nameEnd)
    const start = skipSpace(octets, skipSpace(octets, nameEnd) + 1)
    const end = start === known?.start ? known.end : endOfValue(octets, start)
    if (members.has(name)) return undefined
    members.set(name, { start, end })
    index = afterSeparator(octets, end)
  }
  return members
}

/** The elements of the array that starts here; undefined when it is no array. */
export function elementsOf(octets: Buffer, span: Span): readonly Span[] | undefined {
  if (octets[span.start] !== octet.arrayOpen) return undefined
  const elements: Span[] = []
  let index = skipSpace(octets, span.start + 1)
  while (octets[index] !== octet.arrayClose) {
    const end = endOfValue(octets, index)
    elements.push({ start: index, end })
    index = afterSeparator(octets, end)
  }
  return elements
}

/** The octet after the value that starts here. */
export function endOfValue(octets: Buffer, start: number): number {
  const first = octets[start]
  if (first === octet.quote) return endOfString(octets, start)
  if (first !== octet.objectOpen && first !== octet.arrayOpen) return endOfScalar(octets, start)
  let depth = 0
  for (let index = start; index < octets.length; index += 1) {
    const found = octets[index]
    if (found === octet.quote) index = endOfString(octets, index) - 1
    else if (found === octet.objectOpen || found === octet.arrayOpen) depth += 1
    else if (found === octet.objectClose || found === octet.arrayClose) {
      depth -= 1
      if (depth === 0) return index + 1
    }
  }
  return octets.length
}

/** The text of a name: most have no escapes, and are what their octets say. */
function nameAt(octets: Buffer, start: number, end: number): string {
  const written = octets.toString('utf8', start + 1, end - 1)
  return written.includes('\\') ? (JSON.parse(`"${written}"`) as string) : written
}

function afterSeparator(octets: Buffer, end: number): number {
  const index = skipSpace(octets, end)
  return octets[index] === octet.comma ? skipSpace(octets, index + 1) : index
}

function endOfString(octets: Buffer, start: number): number {
  let index = start + 1
  while (index < octets.length && octets[index] !== octet.quote) {
    index += octets[index] === backslash ? 2 : 1
  }
  return index + 1
}

function endOfScalar(octets: Buffer, start: number): number {
  let index = start
  while (index < octets.length && !endsScalar(octets[index])) index += 1
  return index
}

function endsScalar(found: number | undefined): boolean {
  if (found === octet.comma || found === octet.objectClose || found === octet.arrayClose)
    return true
  return found === 0x20 || found === 0x0a || found === 0x0d || found === 0x09
}
