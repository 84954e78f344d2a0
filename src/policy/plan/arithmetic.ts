import type { Meter } from './meter.ts'
import { decimalOf, fromInteger, integerOf, normalized, numberOf, stepsOf } from './numbers.ts'
import type { Num } from './numbers.ts'

export type Operation = 'plus' | 'minus' | 'mul' | 'div' | 'rem'

/**
 * Integers are exact at any size. Undefined where OPA has an error: a division by zero, the remainder of what is no integer. What the
 * processor does not calculate by itself takes thousands of times as long, and is paid for.
 */
export function calculate(operation: Operation, a: Num, b: Num, meter: Meter): Num | undefined {
  if (Number.isSafeInteger(a) && Number.isSafeInteger(b)) {
    const quick = ofSafeIntegers(operation, a as number, b as number)
    if (quick !== undefined) return quick
  }
  meter.spend(stepsOf(a) + stepsOf(b))
  const x = integerOf(a)
  const y = integerOf(b)
  if (x !== undefined && y !== undefined && operation !== 'div') return ofIntegers(operation, x, y)
  return operation === 'rem' ? undefined : ofFloats(operation, floatOf(a), floatOf(b))
}

/** Undefined: it takes more than a double, or is an error. */
function ofSafeIntegers(operation: Operation, a: number, b: number): number | undefined {
  if (b === 0 && (operation === 'div' || operation === 'rem')) return undefined
  const result = {
    plus: () => a + b,
    minus: () => a - b,
    mul: () => a * b,
    div: () => a / b,
    rem: () => a % b,
  }[operation]()
  // There is one zero in Rego.
  return Number.isSafeInteger(result) ? result + 0 : undefined
}

function ofIntegers(operation: Exclude<Operation, 'div'>, x: bigint, y: bigint): Num | undefined {
  if (operation === 'plus') return fromInteger(x + y)
  if (operation === 'minus') return fromInteger(x - y)
  if (operation === 'mul') return fromInteger(x * y)
  return y === 0n ? undefined : fromInteger(x % y)
}

// What is no integer: in binary floating point of 64 bits like OPA's (Go's big.Float), so that the digits come out the same.

interface Float {
  readonly sign: -1n | 1n
  /** 0, or exactly 64 bits. */
  readonly bits: bigint
  readonly exponent: number
}

const precision = 64

function bitLength(n: bigint): number {
  if (n === 0n) return 0
  const digits = n.toString(16)
  return digits.length * 4 - Math.clz32(Number.parseInt(digits[0] ?? '', 16)) + 28
}

/** Numerator / denominator, rounded to the nearest, ties to even. */
function toFloat(numerator: bigint, denominator: bigint): Float {
  const sign = numerator < 0n === denominator < 0n ? 1n : -1n
  const n = numerator < 0n ? -numerator : numerator
  const d = denominator < 0n ? -denominator : denominator
  if (n === 0n) return { sign: 1n, bits: 0n, exponent: 0 }
  let shift = precision - (bitLength(n) - bitLength(d))
  if (bitLength(quotientOf(n, d, shift)) > precision) shift -= 1
  let bits = quotientOf(n, d, shift)
  const rest = (shift >= 0 ? (n << BigInt(shift)) % d : n % (d << BigInt(-shift))) * 2n
  const whole = shift >= 0 ? d : d << BigInt(-shift)
  if (rest > whole || (rest === whole && (bits & 1n) === 1n)) bits += 1n
  if (bitLength(bits) > precision) {
    bits >>= 1n
    shift -= 1
  }
  return { sign, bits, exponent: -shift }
}

function quotientOf(n: bigint, d: bigint, shift: number): bigint {
  return shift >= 0 ? (n << BigInt(shift)) / d : n / (d << BigInt(-shift))
}

function floatOf(n: Num): Float {
  const { c, e } = decimalOf(n)
  return scaled(c, e)
}

function scaled(c: bigint, e: number): Float {
  return e >= 0 ? toFloat(c * 10n ** BigInt(e), 1n) : toFloat(c, 10n ** BigInt(-e))
}

function ratioOf({ sign, bits, exponent }: Float): readonly [bigint, bigint] {
  const n = sign * bits
  return exponent >= 0 ? [n << BigInt(exponent), 1n] : [n, 1n << BigInt(-exponent)]
}

function ofFloats(operation: Exclude<Operation, 'rem'>, x: Float, y: Float): Num | undefined {
  const [a, b] = ratioOf(x)
  const [c, d] = ratioOf(y)
  if (operation === 'plus') return shortest(toFloat(a * d + c * b, b * d))
  if (operation === 'minus') return shortest(toFloat(a * d - c * b, b * d))
  if (operation === 'mul') return shortest(toFloat(a * c, b * d))
  return c === 0n ? undefined : shortest(toFloat(a * d, b * c))
}

/** What is before the point of a product of floats, with all its digits. */
export function truncatedProduct(x: Num, y: Num): bigint {
  const [a, b] = ratioOf(floatOf(x))
  const [c, d] = ratioOf(floatOf(y))
  const [top, bottom] = ratioOf(toFloat(a * c, b * d))
  return top / bottom
}

/** The number with the fewest digits that is this float again. */
function shortest(float: Float): Num {
  if (float.bits === 0n) return 0
  const [signed, d] = ratioOf(float)
  const n = signed < 0n ? -signed : signed
  const exponent = decimalExponent(n, d)
  for (let digits = 1; digits <= 22; digits += 1) {
    const e = exponent - digits + 1
    const c = roundedTo(n, d, e)
    const again = scaled(c, e)
    if (again.bits === float.bits && again.exponent === float.exponent) {
      return numberOf(normalized({ c: float.sign * c, e }))
    }
  }
  throw new RangeError('a float of 64 bits has 22 digits at most')
}

function decimalExponent(n: bigint, d: bigint): number {
  const e = n.toString().length - d.toString().length
  const isBelow = e >= 0 ? n < d * 10n ** BigInt(e) : n * 10n ** BigInt(-e) < d
  return isBelow ? e - 1 : e
}

/** n / d in units of 10^e, halves up. */
function roundedTo(n: bigint, d: bigint, e: number): bigint {
  const top = e >= 0 ? n : n * 10n ** BigInt(-e)
  const bottom = e >= 0 ? d * 10n ** BigInt(e) : d
  return (top * 2n + bottom) / (bottom * 2n)
}
