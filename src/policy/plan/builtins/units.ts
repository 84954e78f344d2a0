import { truncatedProduct } from '../arithmetic.ts'
import type { Meter } from '../meter.ts'
import { decimalOf, fromInteger, normalized, numberOf, readDecimal, stepsOf } from '../numbers.ts'
import type { Num } from '../numbers.ts'
import type { Value } from '../values.ts'
import { isText } from './signature.ts'
import type { Builtins } from './signature.ts'
import { lowered } from './strings.ts'

const steps = ['k', 'm', 'g', 't', 'p', 'e']

/** Of an amount of octets, whatever the case: `k`, `kb`, `ki`, `kib` and so on. */
const octets: ReadonlyMap<string, bigint> = new Map([
  ['', 1n],
  ...steps.flatMap((letter, at) => {
    const [decimal, binary] = [1000n ** BigInt(at + 1), 1024n ** BigInt(at + 1)]
    return [
      [letter, decimal],
      [`${letter}b`, decimal],
      [`${letter}i`, binary],
      [`${letter}ib`, binary],
    ] as const
  }),
])

/** A thousandth, which OPA has as a double: so many of 2^-60. */
const milli = [1_152_921_504_606_847n, 2n ** 60n] as const

/** What is no integer is rounded to so many digits behind the point. */
const fractionDigits = 10

export function unitBuiltins(meter: Meter): Builtins {
  /** Amount and unit of a text, in which quotes count for nothing. */
  const partsOf = (
    v: Value | undefined,
    spelled: (text: string) => string,
  ): { readonly amount: Num; readonly unit: string } | undefined => {
    if (!isText(v)) return undefined
    meter.spendText(v.length * 2)
    const text = spelled(v).replaceAll('"', '')
    const end = amountEnd(text)
    if (end === undefined || text.includes(' ')) return undefined
    const amount = readDecimal(text.slice(0, end))
    if (amount === undefined) return undefined
    meter.spend(stepsOf(amount))
    return { amount, unit: text.slice(end) }
  }
  return {
    'units.parse': (v) => {
      const { amount, unit } = partsOf(v, (text) => text) ?? {}
      if (amount === undefined || unit === undefined) return undefined
      // Only of the first letter the case counts: m is a thousandth, M a million.
      const name = unit.slice(0, 1) + lowered(unit.slice(1))
      if (name === 'm') return product(amount, ...milli)
      const factor = /^(?:[kmgtpe]i?)?$/i.test(name) ? octets.get(name.toLowerCase()) : undefined
      return factor === undefined ? undefined : product(amount, factor, 1n)
    },
    'units.parse_bytes': (v) => {
      const { amount, unit } = partsOf(v, lowered) ?? {}
      const factor = unit === undefined ? undefined : octets.get(unit)
      if (amount === undefined || factor === undefined) return undefined
      return fromInteger(truncatedProduct(amount, fromInteger(factor)))
    },
  }
}

/** An error of OPA's. */
const longExponent = /[eE][+-]?\d{7}/

/** Where the unit begins: behind digits, points and signs, and each `e` that an exponent follows. Undefined: an exponent is too long. */
function amountEnd(text: string): number | undefined {
  const [amount = ''] = /^(?:[0-9.+-]|[eE](?=[0-9+-]))*/.exec(text) ?? []
  return longExponent.test(amount) ? undefined : amount.length
}

function product(amount: Num, factor: bigint, divisor: bigint): Num {
  const { c, e } = decimalOf(amount)
  const top = c * factor * 10n ** BigInt(Math.max(e, 0))
  const bottom = divisor * 10n ** BigInt(Math.max(-e, 0))
  if (top % bottom === 0n) return fromInteger(top / bottom)
  const doubled = (top < 0n ? -top : top) * 10n ** BigInt(fractionDigits) * 2n
  const rounded = (doubled + bottom) / (bottom * 2n)
  return numberOf(normalized({ c: top < 0n ? -rounded : rounded, e: -fractionDigits }))
}
