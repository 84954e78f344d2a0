// RFC 8259 §2: the octets of structure, and the four that are white space.
export const octet = {
  quote: 0x22,
  comma: 0x2c,
  colon: 0x3a,
  arrayOpen: 0x5b,
  arrayClose: 0x5d,
  objectOpen: 0x7b,
  objectClose: 0x7d,
} as const

const backslash = 0x5c
const lowerU = 0x75

/** No value ends here: the octets break the grammar. */
export const malformed = -1
/** An escape names half a surrogate pair, which no UTF-8 can carry: parsers disagree on what it becomes. */
export const loneSurrogate = -2

/** The first octet at or after `at` that is not white space. */
export function skipSpace(octets: Buffer, at: number): number {
  let next = at
  for (;;) {
    const found = octets[next]
    if (found !== 0x20 && found !== 0x0a && found !== 0x0d && found !== 0x09) return next
    next++
  }
}

/**
 * The octet after the string whose opening quote is at `at`. The octets are already known to be UTF-8. Half a surrogate pair is
 * `loneSurrogate`, unless `halves` are let by.
 */
export function stringEnd(
  octets: Buffer,
  at: number,
  halves: 'refused' | 'let' = 'refused',
): number {
  let next = at + 1
  for (;;) {
    const found = octets[next]
    if (found === undefined || found < 0x20) return malformed
    if (found === octet.quote) return next + 1
    if (found === backslash) {
      const end = escapeEnd(octets, next)
      if (end < 0 && !(end === loneSurrogate && halves === 'let')) return end
      // Past one half; what follows may be another escape, or no other half.
      next = end < 0 ? next + 6 : end
    } else {
      next++
    }
  }
}

// `"`, `\`, `/`, `b`, `f`, `n`, `r`, `t`
const shortEscapes = new Set([0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74])

function escapeEnd(octets: Buffer, at: number): number {
  const letter = octets[at + 1]
  if (letter !== lowerU) return shortEscapes.has(letter ?? 0) ? at + 2 : malformed
  const unit = codeUnit(octets, at + 2)
  if (unit < 0) return malformed
  if (unit < 0xd800 || unit > 0xdfff) return at + 6
  if (unit > 0xdbff) return loneSurrogate
  if (octets[at + 6] !== backslash || octets[at + 7] !== lowerU) return loneSurrogate
  const low = codeUnit(octets, at + 8)
  return low >= 0xdc00 && low <= 0xdfff ? at + 12 : loneSurrogate
}

function codeUnit(octets: Buffer, at: number): number {
  let unit = 0
  for (let index = at; index < at + 4; index++) {
    const digit = hexDigit(octets[index] ?? 0)
    if (digit < 0) return malformed
    unit = unit * 16 + digit
  }
  return unit
}

function hexDigit(found: number): number {
  if (found >= 0x30 && found <= 0x39) return found - 0x30
  const lower = found | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : malformed
}

/** The octet after the number at `at`. */
export function numberEnd(octets: Buffer, at: number): number {
  const first = octets[at] === 0x2d ? at + 1 : at
  let next = digitsEnd(octets, first)
  if (next === first || (octets[first] === 0x30 && next > first + 1)) return malformed
  if (octets[next] === 0x2e) {
    const end = digitsEnd(octets, next + 1)
    if (end === next + 1) return malformed
    next = end
  }
  if (((octets[next] ?? 0) | 0x20) === 0x65) {
    const sign = octets[next + 1]
    const digits = sign === 0x2b || sign === 0x2d ? next + 2 : next + 1
    const end = digitsEnd(octets, digits)
    if (end === digits) return malformed
    next = end
  }
  return next
}

function digitsEnd(octets: Buffer, at: number): number {
  let next = at
  for (;;) {
    const found = octets[next]
    if (found === undefined || found < 0x30 || found > 0x39) return next
    next++
  }
}

const literals = ['true', 'false', 'null'].map((text) => Buffer.from(text))

/** The octet after `true`, `false` or `null` at `at`. */
export function literalEnd(octets: Buffer, at: number): number {
  const found = literals.find((literal) => octets[at] === literal[0])
  if (found === undefined) return malformed
  const matches = found.every((expected, index) => octets[at + index] === expected)
  return matches ? at + found.length : malformed
}

/** The octet after the value at `at` that holds no other values. */
export function scalarEnd(octets: Buffer, at: number, halves: 'refused' | 'let'): number {
  const first = octets[at]
  if (first === octet.quote) return stringEnd(octets, at, halves)
  return isNumberStart(first) ? numberEnd(octets, at) : literalEnd(octets, at)
}

export function isNumberStart(found: number | undefined): boolean {
  return found === 0x2d || (found !== undefined && found >= 0x30 && found <= 0x39)
}
