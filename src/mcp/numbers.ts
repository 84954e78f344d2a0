/**
 * How the parsers of the world read a number (RFC 8259 §6 leaves it to them):
 * - `plain`: all alike, and it is written as JSON.stringify writes it;
 * - `respelled`: all alike, but written otherwise, such as `1.0`, `1e2` or `-0`;
 * - `rounded`: some as it is written, others as the nearest double;
 * - `lost`: with no value in common, some giving infinity, zero or an error.
 */
export type Reading = 'plain' | 'respelled' | 'rounded' | 'lost'

// Every integer of so many digits is held by a double and written with these digits (IEEE 754, binary64).
const plainDigits = 15
/** The largest double has 309 digits. OPA's Wasm module ends when it compares numbers of about 600; Python reads up to 4,300. */
const charactersMax = 320

/** How the number in octets [start, end) is read. It is known to be one. */
export function readingOf(octets: Buffer, start: number, end: number): Reading {
  if (end - start > charactersMax) return 'lost'
  if (end - start <= plainDigits && isDigits(octets, start, end)) return 'plain'
  return readingOfText(octets.toString('latin1', start, end))
}

function isDigits(octets: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const found = octets[at] ?? 0
    if (found < 0x30 || found > 0x39) return false
  }
  return true
}

const integer = /^-?[0-9]+$/

function readingOfText(text: string): Reading {
  const value = Number(text)
  const own = String(value)
  const isAlike = integer.test(text)
    ? Number.isSafeInteger(value)
    : Number.isFinite(value) && decimalOf(own) === decimalOf(text)
  if (isAlike) return own === text ? 'plain' : 'respelled'
  const isLost = !Number.isFinite(value) || value === 0
  return isLost ? 'lost' : 'rounded'
}

/** One text for all that write the same decimal number: its digits from the first to the last that counts, and the power of ten. */
function decimalOf(text: string): string {
  const [mantissa = '', power = '0'] = text.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  const counted = withoutTrailingZeros(digits)
  if (counted === '') return '0'
  const exponent = Number(power) - fraction.length + digits.length - counted.length
  return `${mantissa.startsWith('-') ? '-' : ''}${counted}e${exponent}`
}

/** A loop, as a pattern would try at every zero. */
function withoutTrailingZeros(digits: string): string {
  let end = digits.length
  while (end > 0 && digits[end - 1] === '0') end--
  return digits.slice(0, end)
}
