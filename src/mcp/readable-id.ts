import { isUtf8 } from 'node:buffer'
import { malformed, octet, skipSpace, stringEnd } from './lex.ts'
import { isPlainName, looksLike } from './member-names.ts'
import { skipValue, type Room } from './skip.ts'
import type { Span } from './levels.ts'

/** What the walk along the members of a message has found. */
interface Found {
  id: Span | undefined
  isCall: boolean
  /** UTF-16 units that may still be compared with `id`, of names beyond ASCII. */
  unitsLeft: number
}

/**
 * The id of the request that a body holds, as it writes it, for a refusal: whatever rule the body breaks, its sender waits for an answer
 * with this id. Undefined where parsers do not agree on one: the text is no JSON object, it has no such member or two, its id is none
 * that a request may have; and where the body is no call, because an error would then answer another message than it.
 */
export function readableId(octets: Buffer): string | undefined {
  if (!isUtf8(octets)) return undefined
  const start = skipSpace(octets, 0)
  if (octets[start] !== octet.objectOpen) return undefined
  const found: Found = { id: undefined, isCall: false, unitsLeft: comparedTotalMax }
  const end = membersEnd(octets, start, found)
  if (end < 0 || skipSpace(octets, end) !== octets.length) return undefined
  const { id, isCall } = found
  if (id === undefined || !isCall) return undefined
  const raw = octets.toString('utf8', id.start, id.end)
  return raw.startsWith('"') || isIntegerId(raw) ? raw : undefined
}

/** Far more than a message may hold, and no more: a text of nothing but brackets would cost more than it says. */
const valuesMax = 100_000

/** No parser takes a name of more units for `id`; and comparing takes normalizing, which costs a hundred times what reading does. */
const comparedUnitsMax = 32

/** No message of sense has as many outermost names beyond ASCII. */
const comparedTotalMax = 4096

// A fraction, an exponent or a negative zero would come back written otherwise than it was sent.
const integer = /^(?:0|-?[1-9][0-9]*)$/

/** Whether a number is an id that every parser gives back as it came. */
export function isIntegerId(raw: string): boolean {
  return integer.test(raw) && Number.isSafeInteger(Number(raw))
}

/** The octet after the object, whose `id` is kept; negative where it is none of which all parsers read the same id. */
function membersEnd(octets: Buffer, open: number, found: Found): number {
  const room: Room = { left: valuesMax }
  let at = skipSpace(octets, open + 1)
  if (octets[at] === octet.objectClose) return at + 1
  for (;;) {
    at = memberEnd(octets, at, { found, room })
    if (at < 0) return at
    at = skipSpace(octets, at)
    if (octets[at] === octet.objectClose) return at + 1
    if (octets[at] !== octet.comma) return malformed
    at = skipSpace(octets, at + 1)
  }
}

function memberEnd(
  octets: Buffer,
  at: number,
  { found, room }: { readonly found: Found; readonly room: Room },
): number {
  if (octets[at] !== octet.quote) return malformed
  const nameEnd = stringEnd(octets, at, 'let')
  if (nameEnd < 0) return nameEnd
  const colon = skipSpace(octets, nameEnd)
  if (octets[colon] !== octet.colon) return malformed
  const start = skipSpace(octets, colon + 1)
  const end = skipValue(octets, start, room)
  if (end < 0) return end
  const name = JSON.parse(octets.toString('utf8', at, nameEnd)) as string
  if (name === 'method') found.isCall = true
  if (name.length > comparedUnitsMax) return end
  if (!isPlainName(name)) found.unitsLeft -= name.length
  if (found.unitsLeft < 0) return malformed
  if (looksLike(name) !== 'id') return end
  if (name !== 'id' || found.id !== undefined) return malformed
  found.id = { start, end }
  return end
}
