import { malformed, octet, skipSpace } from './lex.ts'
import type { Span } from './levels.ts'
import { crowded, skipValue, type Room } from './skip.ts'

/** What was read before: a JSON text, and how many members and elements are in it. */
export interface Passed {
  readonly octets: number
  readonly values: number
}

/** An element of a list that is left unread. */
export interface Element extends Span {
  /** The members and elements in it. */
  readonly values: number
  /** What its octets were found to be when they were read before. */
  readonly known: object | undefined
}

/** What stands where a list is left unread. */
export interface ListSpan extends Span {
  readonly values: number
  /** `known` where the very octets of the whole were read before. */
  readonly elements: readonly Element[] | 'known' | 'no list'
}

/**
 * Recognizes in one answer what was read before, by its octets: what a JSON text is depends on nothing else, and none is the beginning of
 * another that begins with a bracket.
 */
export interface Recognizer {
  /** Of the list that starts here. */
  whole(octets: Buffer, at: number): Passed | undefined
  /** Of the element that starts here: asked for one after the other. */
  next(octets: Buffer, at: number): (Passed & { readonly known: object | undefined }) | undefined
}

/** The list has more elements than it may. */
export const overlong = -5

interface Passing {
  readonly room: Room
  readonly elementsMax: number
  readonly recognizer?: Recognizer | undefined
}

/**
 * Passes over what should be a list: its elements are judged by the grammar of JSON alone, and counted one by one. A negative number says
 * what is wrong with it: `malformed`, `crowded` or `overlong`.
 */
export function passList(octets: Buffer, at: number, passing: Passing): ListSpan | number {
  const { room, recognizer } = passing
  const before = room.left
  if (octets[at] !== octet.arrayOpen) {
    const end = skipValue(octets, at, room)
    return end < 0 ? end : { start: at, end, values: before - room.left, elements: 'no list' }
  }
  const known = recognizer?.whole(octets, at)
  if (known !== undefined) {
    room.left -= known.values
    if (room.left < 0) return crowded
    return { start: at, end: at + known.octets, values: known.values, elements: 'known' }
  }
  const elements: Element[] = []
  const end = elementsEnd(octets, at, passing, elements)
  return end < 0 ? end : { start: at, end, values: before - room.left, elements }
}

function elementsEnd(octets: Buffer, open: number, passing: Passing, elements: Element[]): number {
  const { room, elementsMax } = passing
  let at = skipSpace(octets, open + 1)
  if (octets[at] === octet.arrayClose) return at + 1
  for (;;) {
    if (--room.left < 0) return crowded
    if (elements.length >= elementsMax) return overlong
    const element = passElement(octets, at, passing)
    if (typeof element === 'number') return element
    elements.push(element)
    at = skipSpace(octets, element.end)
    if (octets[at] === octet.arrayClose) return at + 1
    if (octets[at] !== octet.comma) return malformed
    at = skipSpace(octets, at + 1)
  }
}

function passElement(
  octets: Buffer,
  start: number,
  { room, recognizer }: Passing,
): Element | number {
  const passed = recognizer?.next(octets, start)
  if (passed !== undefined) {
    const { values, known } = passed
    room.left -= values
    return room.left < 0 ? crowded : { start, end: start + passed.octets, values, known }
  }
  const before = room.left
  const end = skipValue(octets, start, room)
  return end < 0 ? end : { start, end, values: before - room.left, known: undefined }
}
