/**
 * How the parsers of the world read a number (RFC 8259 §6 leaves it to them): all alike; as written or as the nearest double; or with
 * no value in common, some giving infinity, zero or an error.
 */
export type Reading = 'alike' | 'rounded' | 'lost'

// A double holds 15 decimal digits of any number; with no exponent such a text needs no second look.
const exactDigits = 15
// The shortest text that gives a double back never has more (IEEE 754: 17 for binary64).
const significantDigitsMax = 17
/** Python reads integers of up to 4,300 digits (`sys.int_info.default_max_str_digits`); beyond, readers give up one by one. */
const charactersMax = 4300

/** How the number in octets [start, end) is read. It is known to be one. */
export function readingOf(octets: Buffer, start: number, end: number): Reading {
  if (end - start <= exactDigits && !hasExponent(octets, start, end)) return 'alike'
  if (end - start > charactersMax) return 'lost'
  const text = octets.toString('latin1', start, end)
  const value = Number(text)
  if (/^-?[0-9]+$/.test(text)) return Number.isSafeInteger(value) ? 'alike' : 'rounded'
  const digits = significantDigits(text)
  const isLost = !Number.isFinite(value) || (value === 0 && digits !== 0)
  if (isLost) return 'lost'
  return digits <= significantDigitsMax ? 'alike' : 'rounded'
}

function hasExponent(octets: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (((octets[at] ?? 0) | 0x20) === 0x65) return true
  return false
}

/** None where the number is zero. */
function significantDigits(text: string): number {
  const mantissa = text.replace(/[eE].*$/, '').replace(/[-.]/g, '')
  return mantissa.replace(/^0+/, '').length
}
