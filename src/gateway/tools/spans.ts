import type { Span } from '../../mcp/scan.ts'

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const comma = 0x2c

/** Where the parts of a JSON text stand. The text must have been parsed before: this finds values, it does not judge them. */
export interface Member extends Span {
  readonly name: string
}

/** The members of the object that starts here; undefined when it is no object, or names a member twice. */
export function membersOf(octets: Buffer, span: Span): ReadonlyMap<string, Span> | undefined {
  if (octets[span.start] !== openBrace) return undefined
  const members = new Map<string, Span>()
  let index = skipSpace(octets, span.start + 1)
  while (octets[index] !== closeBrace) {
    const nameEnd = endOfValue(octets, index)
    const name = JSON.parse(octets.toString('utf8', index, nameEnd)) as string
    const start = skipSpace(octets, skipSpace(octets, nameEnd) + 1)
    const end = endOfValue(octets, start)
    if (members.has(name)) return undefined
    members.set(name, { start, end })
    index = afterSeparator(octets, end)
  }
  return members
}

/** The elements of the array that starts here; undefined when it is no array. */
export function elementsOf(octets: Buffer, span: Span): readonly Span[] | undefined {
  if (octets[span.start] !== openBracket) return undefined
  const elements: Span[] = []
  let index = skipSpace(octets, span.start + 1)
  while (octets[index] !== closeBracket) {
    const end = endOfValue(octets, index)
    elements.push({ start: index, end })
    index = afterSeparator(octets, end)
  }
  return elements
}

/** The value that the whole text is. */
export function wholeOf(octets: Buffer): Span {
  const start = skipSpace(octets, 0)
  return { start, end: endOfValue(octets, start) }
}

function afterSeparator(octets: Buffer, end: number): number {
  const index = skipSpace(octets, end)
  return octets[index] === comma ? skipSpace(octets, index + 1) : index
}

function skipSpace(octets: Buffer, from: number): number {
  let index = from
  while (isSpace(octets[index])) index += 1
  return index
}

function isSpace(octet: number | undefined): boolean {
  return octet === 0x20 || octet === 0x0a || octet === 0x0d || octet === 0x09
}

function endOfValue(octets: Buffer, start: number): number {
  const first = octets[start]
  if (first === quote) return endOfString(octets, start)
  if (first !== openBrace && first !== openBracket) return endOfScalar(octets, start)
  let depth = 0
  for (let index = start; index < octets.length; index += 1) {
    const octet = octets[index]
    if (octet === quote) index = endOfString(octets, index) - 1
    else if (octet === openBrace || octet === openBracket) depth += 1
    else if (octet === closeBrace || octet === closeBracket) {
      depth -= 1
      if (depth === 0) return index + 1
    }
  }
  return octets.length
}

function endOfString(octets: Buffer, start: number): number {
  let index = start + 1
  while (index < octets.length && octets[index] !== quote) {
    index += octets[index] === backslash ? 2 : 1
  }
  return index + 1
}

function endOfScalar(octets: Buffer, start: number): number {
  let index = start
  while (index < octets.length) {
    const octet = octets[index]
    if (octet === comma || octet === closeBrace || octet === closeBracket || isSpace(octet)) break
    index += 1
  }
  return index
}
