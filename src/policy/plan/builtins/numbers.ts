import { calculate } from '../arithmetic.ts'
import type { Operation } from '../arithmetic.ts'
import type { Meter } from '../meter.ts'
import {
  absolute,
  fromInteger,
  integerOf,
  isNumber,
  readDecimal,
  round,
  stepsOf,
} from '../numbers.ts'
import type { Num, Rounding } from '../numbers.ts'
import { compare, isSet, setFrom } from '../values.ts'
import type { Value } from '../values.ts'
import { isText, listOf, listOfAll } from './signature.ts'
import type { Builtin, Builtins } from './signature.ts'

/** Farther than this nobody shifts. */
const shiftMax = 4096n

export function numberBuiltins(meter: Meter): Builtins {
  return {
    ...arithmetic(meter),
    ...bits(meter),
    ...aggregates(meter),
    abs: (n) => (isNumber(n) ? absolute(n) : undefined),
    round: rounding('round', meter),
    ceil: rounding('ceil', meter),
    floor: rounding('floor', meter),
    format_int: (n, base) => formatInt(meter, n, base),
    to_number: (v) => toNumber(meter, v),
  }
}

function arithmetic(meter: Meter): Builtins {
  const of =
    (operation: Operation): Builtin =>
    (a, b) =>
      isNumber(a) && isNumber(b) ? calculate(operation, a, b, meter) : undefined
  const minus = of('minus')
  return {
    plus: of('plus'),
    mul: of('mul'),
    div: of('div'),
    rem: of('rem'),
    // Of two sets it is what only the first one has.
    minus: (a, b) => {
      if (!isSet(a) || !isSet(b)) return minus(a, b)
      meter.spend(a.size)
      return setFrom(
        a.members.filter((member) => !b.has(member)),
        meter,
      )
    },
  }
}

function rounding(mode: Rounding, meter: Meter): Builtin {
  return (n) => (isNumber(n) ? round(mode, paid(n, meter)) : undefined)
}

/** A number that is now worked on, digit by digit where it is no safe integer. */
function paid(n: Num, meter: Meter): Num {
  if (!Number.isSafeInteger(n)) meter.spend(stepsOf(n))
  return n
}

function bits(meter: Meter): Builtins {
  const of =
    (work: (a: bigint, b: bigint) => bigint | undefined): Builtin =>
    (a, b) => {
      const [x, y] = [integer(a, meter), integer(b, meter)]
      meter.spend(1)
      const result = x === undefined || y === undefined ? undefined : work(x, y)
      return result === undefined ? undefined : fromInteger(result)
    }
  const isShift = (by: bigint): boolean => by >= 0n && by <= shiftMax
  return {
    'bits.and': of((a, b) => a & b),
    'bits.or': of((a, b) => a | b),
    'bits.xor': of((a, b) => a ^ b),
    'bits.negate': (a) => of((x) => ~x)(a, 0),
    'bits.lsh': of((a, by) => (isShift(by) ? a << by : undefined)),
    'bits.rsh': of((a, by) => (isShift(by) ? a >> by : undefined)),
  }
}

function integer(v: Value | undefined, meter: Meter): bigint | undefined {
  return isNumber(v) ? integerOf(paid(v, meter)) : undefined
}

function aggregates(meter: Meter): Builtins {
  const fold =
    (operation: 'plus' | 'mul', start: Num): Builtin =>
    (v) => {
      const members = listOfAll(v, isNumber)
      if (members === undefined) return undefined
      meter.spend(members.length)
      return members.reduce((total, n) => calculate(operation, total, n, meter) as Num, start)
    }
  const extreme =
    (sign: 1 | -1): Builtin =>
    (v) => {
      const members = listOf(v)
      if (members === undefined || members.length === 0) return undefined
      meter.spend(members.length)
      return members.reduce((best, member) =>
        compare(member, best, meter) * sign > 0 ? member : best,
      )
    }
  return { sum: fold('plus', 0), product: fold('mul', 1), max: extreme(1), min: extreme(-1) }
}

/** OPA cuts off what is behind the point. */
function formatInt(meter: Meter, n?: Value, base?: Value): string | undefined {
  if (!isNumber(n) || !(base === 2 || base === 8 || base === 10 || base === 16)) return undefined
  const isNegative = typeof n === 'number' ? n < 0 : n.coefficient < 0n
  return integerOf(round(isNegative ? 'ceil' : 'floor', paid(n, meter)))?.toString(base)
}

function toNumber(meter: Meter, v?: Value): Num | undefined {
  if (v === null || v === false) return 0
  if (v === true) return 1
  if (isText(v)) {
    meter.spendText(v.length)
    const text = v.replace(/(?<=\d)_(?=\d)/g, '')
    // Go has an error beyond a double's range, though OPA's numbers have none.
    return Number.isFinite(Number(text)) ? readDecimal(text) : undefined
  }
  return isNumber(v) ? v : undefined
}
