import type { Argument } from '../format/directive.ts'
import { sprintf } from '../format/sprintf.ts'
import { formatLiteral } from '../literal.ts'
import type { Meter } from '../meter.ts'
import { integerOf, isNumber, stepsOf } from '../numbers.ts'
import type { Num } from '../numbers.ts'
import { isArray } from '../values.ts'
import type { Value } from '../values.ts'
import { isText } from './signature.ts'
import type { Builtins } from './signature.ts'

/** `sprintf`, as OPA hands it to Go: numbers are numbers, and all else but texts is a text as Rego writes it. */
export function sprintfBuiltins(meter: Meter): Builtins {
  const argumentOf = (v: Value): Argument => {
    if (isNumber(v)) return ofNumber(v)
    return { type: 'string', value: isText(v) ? v : formatLiteral(v, meter) }
  }
  /** A number has a value here and no spelling: what OPA was given as `1.0` is an integer, and what we write with an exponent is none. */
  const ofNumber = (v: Num): Argument => {
    meter.spend(stepsOf(v))
    const text = String(v)
    const integer = text.includes('e') ? undefined : integerOf(v)
    if (integer === undefined) return ofDouble(text)
    return { type: BigInt.asIntN(64, integer) === integer ? 'int64' : '*big.Int', value: integer }
  }
  return {
    sprintf: (format, args) => {
      if (!isText(format) || !isArray(args)) return undefined
      meter.spend(args.length)
      return sprintf(format, args.map(argumentOf), meter)
    },
  }
}

function ofDouble(text: string): Argument {
  const value = Number(text)
  return Number.isFinite(value) ? { type: 'float64', value } : { type: 'string', value: text }
}
