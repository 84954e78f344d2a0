/** Digits without zeros at either end, and where the point is: 0.d₁d₂d₃… · 10^point. No digits: zero. */
interface Digits {
  readonly digits: string
  readonly point: number
}

/** How Go writes a double (strconv.FormatFloat); a precision of -1 has the fewest digits that give the same double. */
export type FloatForm = 'b' | 'e' | 'E' | 'f' | 'g' | 'G' | 'x' | 'X'

/** Of a finite double. */
export function formatFloat(value: number, form: FloatForm, precision: number): string {
  const sign = value < 0 ? '-' : ''
  return sign + formatMagnitude(Math.abs(value), form, precision)
}

function formatMagnitude(value: number, form: FloatForm, precision: number): string {
  if (form === 'b') return binary(value)
  if (form === 'x' || form === 'X') {
    const text = hexadecimal(value, precision)
    return form === 'x' ? text : text.toUpperCase()
  }
  if (form === 'f')
    return fixed(
      rounded(value, (exact) => exact.point + precision),
      precision,
    )
  if (form === 'e' || form === 'E') {
    return exponential(
      rounded(value, () => precision + 1),
      precision,
      form,
    )
  }
  return general(value, form === 'g' ? 'e' : 'E', precision)
}

function general(value: number, letter: 'e' | 'E', precision: number): string {
  const isShortest = precision < 0
  const digits = isShortest ? shortest(value) : rounded(value, () => Math.max(precision, 1))
  const { length } = digits.digits
  const asked = isShortest ? length : Math.max(precision, 1)
  const limit = asked > length && length >= digits.point ? length : asked
  const exponent = digits.point - 1
  if (exponent < -4 || exponent >= (isShortest ? 6 : limit)) {
    return exponential(digits, Math.min(asked, length) - 1, letter)
  }
  return fixed(digits, Math.max(length - digits.point, 0))
}

function exponential({ digits, point }: Digits, precision: number, letter: 'e' | 'E'): string {
  const exponent = digits === '' ? 0 : point - 1
  const fraction = precision > 0 ? `.${digits.slice(1, precision + 1).padEnd(precision, '0')}` : ''
  return `${digits[0] ?? '0'}${fraction}${letter}${signed(exponent)}`
}

function fixed({ digits, point }: Digits, precision: number): string {
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0'
  if (precision <= 0) return whole
  const behind =
    '0'.repeat(Math.min(Math.max(-point, 0), precision)) + digits.slice(Math.max(point, 0))
  return `${whole}.${behind.slice(0, precision).padEnd(precision, '0')}`
}

/** An exponent of two digits or more. */
function signed(exponent: number): string {
  return (exponent < 0 ? '-' : '+') + String(Math.abs(exponent)).padStart(2, '0')
}

function shortest(value: number): Digits {
  const [mantissa = '', exponent] = value.toExponential().split('e')
  if (value === 0) return { digits: '', point: 0 }
  return { digits: mantissa.replace('.', ''), point: Number(exponent) + 1 }
}

/** Rounded to so many digits, half to even, of the decimal that the double is exactly: JavaScript rounds half up. */
function rounded(value: number, countOf: (exact: Digits) => number): Digits {
  const exact = exactly(value)
  const count = countOf(exact)
  const { digits, point } = exact
  if (count >= digits.length) return exact
  if (count < 0) return { digits: '', point: 0 }
  const kept = digits.slice(0, count)
  const next = digits[count] ?? '0'
  const isHalf = next === '5' && digits.length === count + 1
  const isOdd = Number(kept.at(-1) ?? '0') % 2 === 1
  const up = isHalf ? isOdd : next >= '5'
  const number = BigInt(kept === '' ? '0' : kept) + (up ? 1n : 0n)
  if (number === 0n) return { digits: '', point: 0 }
  const text = String(number)
  return { digits: withoutZeros(text), point: point + text.length - count }
}

function withoutZeros(digits: string): string {
  return digits.replace(/0+$/, '')
}

function exactly(value: number): Digits {
  const { mantissa, exponent } = partsOf(value)
  if (mantissa === 0n) return { digits: '', point: 0 }
  const text = String(
    exponent >= 0 ? mantissa << BigInt(exponent) : mantissa * 5n ** BigInt(-exponent),
  )
  return { digits: withoutZeros(text), point: text.length + Math.min(exponent, 0) }
}

/** `mantissa` · 2^`exponent`, IEEE 754's binary64. */
function partsOf(value: number): { readonly mantissa: bigint; readonly exponent: number } {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, value)
  const all = bits.getBigUint64(0)
  const fraction = all & ((1n << 52n) - 1n)
  const exponent = Number((all >> 52n) & 0x7ffn)
  return exponent === 0
    ? { mantissa: fraction, exponent: -1074 }
    : { mantissa: fraction | (1n << 52n), exponent: exponent - 1075 }
}

function binary(value: number): string {
  const { mantissa, exponent } = partsOf(value)
  return `${mantissa}p${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`
}

/** One digit before the point, and no more than 15 behind it that say anything. */
function hexadecimal(value: number, precision: number): string {
  const { mantissa, exponent } = partsOf(value)
  const length = mantissa.toString(2).length
  const shifted = mantissa << BigInt(61 - length)
  const power = mantissa === 0n ? 0 : exponent + length - 1
  if (precision < 0 || precision >= 15) return written(shifted, power, precision)
  const dropped = BigInt(60 - 4 * precision)
  const half = 1n << (dropped - 1n)
  const rest = shifted & ((1n << dropped) - 1n)
  const kept = shifted >> dropped
  const up = rest > half || (rest === half && (kept & 1n) === 1n)
  const number = (kept + (up ? 1n : 0n)) << dropped
  return number >> 61n === 0n
    ? written(number, power, precision)
    : written(number >> 1n, power + 1, precision)
}

function written(shifted: bigint, power: number, precision: number): string {
  const all = (shifted & ((1n << 60n) - 1n)).toString(16).padStart(15, '0')
  const digits = precision < 0 ? withoutZeros(all) : all.slice(0, precision).padEnd(precision, '0')
  return `0x${shifted >> 60n}${digits === '' ? '' : `.${digits}`}p${signed(power)}`
}
