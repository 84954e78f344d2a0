import { PolicyFault } from './meter.ts'

/**
 * Rego's numbers are decimal texts of any length. A JavaScript number stands for the decimal that `String` gives of it, so what JSON
 * reads without loss is its own Rego value, and `===` compares it. What has more digits than a double keeps is a `Big`.
 */
export type Num = number | Big

/** coefficient · 10^exponent, without trailing zeros; never what a JavaScript number stands for. */
export class Big {
  readonly coefficient: bigint
  readonly exponent: number

  constructor(coefficient: bigint, exponent: number) {
    this.coefficient = coefficient
    this.exponent = exponent
  }
  toString(): string {
    const { coefficient: c, exponent: e } = this
    if (e === 0) return `${c}`
    return e > 0 && e < 64 ? `${c}${'0'.repeat(e)}` : `${c}e${e}`
  }
}

/** A number as it is calculated with: c · 10^e. */
export interface Decimal {
  readonly c: bigint
  readonly e: number
}

/** More digits and larger exponents than anybody means; it bounds what one operation takes. */
const digitsMax = 4096

const form = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

export function isNumber(v: unknown): v is Num {
  return typeof v === 'number' || v instanceof Big
}

/** The number of a text; undefined of a text that is none, or beyond all measure. */
export function parseNumber(text: string): Num | undefined {
  const number = Number(text)
  // Most numbers are written as JavaScript writes them.
  if (String(number) === text && Number.isFinite(number)) return number
  const decimal = parseDecimal(text)
  return decimal === undefined ? undefined : numberOf(decimal)
}

function parseDecimal(text: string): Decimal | undefined {
  if (text.length > digitsMax) return undefined
  const match = form.exec(text)
  if (match === null) return undefined
  const [, sign, whole = '', fraction = '', power = '0'] = match
  const digits = whole + fraction
  let end = digits.length
  while (end > 1 && digits[end - 1] === '0') end -= 1
  const c = BigInt(digits.slice(0, end))
  if (c === 0n) return { c, e: 0 }
  const exponent = Number(power)
  if (Math.abs(exponent) > digitsMax) return undefined
  return { c: sign === '-' ? -c : c, e: exponent - fraction.length + digits.length - end }
}

/**
 * The number of a decimal as Go reads one: a plus before it, zeros, and no digit on one side of its point are nothing to it. Undefined of
 * what is none; what is beyond all measure ends the evaluation.
 */
export function readDecimal(text: string): Num | undefined {
  const match = /^([+-]?)(\d*)\.?(\d*)([eE][+-]?\d+)?$/.exec(text)
  if (match === null) return undefined
  const [, sign, whole = '', fraction = '', power = ''] = match
  if (whole === '' && fraction === '') return undefined
  const number = parseNumber(`${sign === '-' ? '-' : ''}${whole || '0'}.${fraction || '0'}${power}`)
  if (number === undefined) throw new PolicyFault('number', 'number is beyond all measure')
  return number
}

/** The same value without trailing zeros. */
export function normalized({ c, e }: Decimal): Decimal {
  if (c === 0n) return { c, e: 0 }
  const digits = String(c)
  if (digits.length > digitsMax + 1) throw new PolicyFault('number', 'number has too many digits')
  let end = digits.length
  while (digits[end - 1] === '0') end -= 1
  return { c: BigInt(digits.slice(0, end)), e: e + digits.length - end }
}

/** Of a value without trailing zeros. */
export function numberOf(decimal: Decimal): Num {
  const { c, e } = decimal
  if (Math.abs(e) > 2 * digitsMax) throw new PolicyFault('number', 'number is beyond all measure')
  const number = Number(`${c}e${e}`)
  if (Number.isFinite(number)) {
    const shortest = decimalOf(number)
    if (shortest.c === c && shortest.e === e) return number
  }
  return new Big(c, e)
}

export function decimalOf(n: Num): Decimal {
  if (typeof n !== 'number') return { c: n.coefficient, e: n.exponent }
  if (Number.isSafeInteger(n)) return normalized({ c: BigInt(n), e: 0 })
  return parseDecimal(String(n)) as Decimal
}

/** The integer, if it is one. */
export function integerOf(n: Num): bigint | undefined {
  if (typeof n === 'number' && Number.isSafeInteger(n)) return BigInt(n)
  const { c, e } = decimalOf(n)
  return e >= 0 ? c * 10n ** BigInt(e) : undefined
}

export function fromInteger(n: bigint): Num {
  const number = Number(n)
  return Number.isSafeInteger(number) ? number : numberOf(normalized({ c: n, e: 0 }))
}

/** What one operation takes of a number of few digits that the processor does not do by itself. */
const stepsOfNumber = 32

/** What one operation on this number takes, where the processor does not do it by itself. */
export function stepsOf(n: Num): number {
  if (Number.isSafeInteger(n)) return stepsOfNumber
  const length =
    typeof n === 'number'
      ? Math.abs(Math.log10(Math.abs(n)))
      : n.coefficient.toString(16).length + Math.abs(n.exponent)
  return stepsOfNumber + (length >>> 3)
}

export function compareNumbers(a: Num, b: Num): number {
  if (typeof a === 'number' && typeof b === 'number') return a < b ? -1 : a > b ? 1 : 0
  const [x, y] = [decimalOf(a), decimalOf(b)]
  const sign = signOf(x.c)
  if (sign !== signOf(y.c)) return sign - signOf(y.c)
  const [p, q] = [magnitude(x), magnitude(y)]
  if (p !== q) return p < q ? -sign : sign
  // As many digits before the point: only then are the digits themselves looked at.
  const low = Math.min(x.e, y.e)
  const [c, d] = [x.c * 10n ** BigInt(x.e - low), y.c * 10n ** BigInt(y.e - low)]
  return c < d ? -1 : c > d ? 1 : 0
}

function signOf(c: bigint): number {
  return c < 0n ? -1 : c > 0n ? 1 : 0
}

/** Digits before the decimal point. */
function magnitude({ c, e }: Decimal): number {
  return String(c < 0n ? -c : c).length + e
}

export type Rounding = 'round' | 'ceil' | 'floor'

/** To an integer; halves go away from zero. */
export function round(mode: Rounding, n: Num): Num {
  const { c, e } = decimalOf(n)
  if (e >= 0) return n
  const unit = 10n ** BigInt(-e)
  let whole = c / unit
  const rest = c - whole * unit
  if (mode === 'floor' && rest < 0n) whole -= 1n
  if (mode === 'ceil' && rest > 0n) whole += 1n
  if (mode === 'round' && (rest < 0n ? -rest : rest) * 2n >= unit) whole += c < 0n ? -1n : 1n
  return fromInteger(whole)
}

export function absolute(n: Num): Num {
  if (typeof n === 'number') return Math.abs(n)
  return n.coefficient < 0n ? new Big(-n.coefficient, n.exponent) : n
}
