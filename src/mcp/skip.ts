import { malformed, octet, scalarEnd, skipSpace, stringEnd } from './lex.ts'

/** There are more values than there is room for. */
export const crowded = -4

/** How many more members and elements may come; counted while they are read. */
export interface Room {
  left: number
}

/**
 * The octet after the value at `at`, judged by the grammar of JSON alone (RFC 8259): `malformed` where it breaks it, `crowded` where it
 * holds more values than there is room for. Nothing here calls itself, so that no depth of a text is too deep.
 */
export function skipValue(octets: Buffer, at: number, room: Room): number {
  const closers: number[] = []
  let next = at
  for (;;) {
    const closer = closerOf(octets[next])
    if (closer === undefined) {
      next = scalarEnd(octets, next, 'let')
      if (next < 0) return malformed
    } else {
      next = skipSpace(octets, next + 1)
      if (octets[next] !== closer) {
        closers.push(closer)
        next = memberStart(octets, next, { closer, room })
        if (next < 0) return next
        continue
      }
      next++
    }
    next = afterValue(octets, next, { closers, room })
    if (next < 0 || closers.length === 0) return next
  }
}

function closerOf(found: number | undefined): number | undefined {
  if (found === octet.objectOpen) return octet.objectClose
  return found === octet.arrayOpen ? octet.arrayClose : undefined
}

/** Closes what the value that ended at `at` was the last of: the start of the next value, or the end of all where none is open. */
function afterValue(
  octets: Buffer,
  at: number,
  { closers, room }: { readonly closers: number[]; readonly room: Room },
): number {
  let next = at
  for (let closer = closers.at(-1); closer !== undefined; closer = closers.at(-1)) {
    next = skipSpace(octets, next)
    if (octets[next] === octet.comma) {
      return memberStart(octets, skipSpace(octets, next + 1), { closer, room })
    }
    if (octets[next] !== closer) return malformed
    closers.pop()
    next++
  }
  return next
}

/** Where the value of the member or element at `at` starts. */
function memberStart(
  octets: Buffer,
  at: number,
  { closer, room }: { readonly closer: number; readonly room: Room },
): number {
  if (--room.left < 0) return crowded
  if (closer === octet.arrayClose) return at
  if (octets[at] !== octet.quote) return malformed
  const nameEnd = stringEnd(octets, at, 'let')
  if (nameEnd < 0) return malformed
  const colon = skipSpace(octets, nameEnd)
  return octets[colon] === octet.colon ? skipSpace(octets, colon + 1) : malformed
}
