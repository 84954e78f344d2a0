import * as fc from 'fast-check'

const surrogatesFrom = 0xd800
const surrogates = 0x800

/**
 * Any character but half a surrogate pair, as a unit of strings. It is fast-check's own `binary` without its table of them all, which takes
 * each process more than a second and a hundred megabytes.
 */
export const character: fc.Arbitrary<string> = fc
  .nat(0x10ffff - surrogates)
  .map(characterAt, placeOf)

function characterAt(place: number): string {
  return String.fromCodePoint(place < surrogatesFrom ? place : place + surrogates)
}

/** Throws for what is no character: so fast-check asks whether a string is one of these. */
function placeOf(text: unknown): number {
  const point = typeof text === 'string' ? (text.codePointAt(0) ?? 0) : 0
  const place = point < surrogatesFrom ? point : point - surrogates
  if (characterAt(place) !== text) throw new TypeError('no character')
  return place
}
