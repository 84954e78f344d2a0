import type { Meter } from '../meter.ts'
import {
  dot,
  entriesOf,
  isArray,
  isObject,
  isSet,
  keysOf,
  objectFrom,
  RegoObject,
  setFrom,
  sizeOf,
} from '../values.ts'
import type { AnyObject, RegoSet, Value } from '../values.ts'
import type { Builtin, Builtins } from './signature.ts'

export function objectBuiltins(meter: Meter): Builtins {
  const namesIn = (v: Value | undefined): RegoSet | undefined => {
    if (isSet(v)) return v
    meter.spend(sizeOf(v) ?? 0)
    if (isArray(v)) return setFrom(v, meter)
    return isObject(v) ? setFrom(keysOf(v), meter) : undefined
  }
  const picked =
    (wanted: boolean): Builtin =>
    (object, names) => {
      const chosen = namesIn(names)
      if (!isObject(object) || chosen === undefined) return undefined
      meter.spend(sizeOf(object) ?? 0)
      return objectFrom(
        entriesOf(object).filter(([key]) => chosen.has(key) === wanted),
        meter,
      )
    }
  return {
    'object.get': (object, key, otherwise) => {
      if (!isObject(object)) return undefined
      const found = isArray(key)
        ? key.reduce((at: Value | undefined, name) => dot(at, name), object)
        : dot(object, key)
      return found === undefined ? otherwise : found
    },
    'object.keys': (object) => (isObject(object) ? namesIn(object) : undefined),
    'object.filter': picked(true),
    'object.remove': picked(false),
    'object.union': (a, b) => (isObject(a) && isObject(b) ? united(a, b, meter) : undefined),
    'object.union_n': (v) => {
      if (!isArray(v) || !v.every(isObject)) return undefined
      return v.reduce((left: Value, right) => united(left, right, meter), new RegoObject(meter))
    },
  }
}

/** The right one wins, but objects are united member by member. */
function united(a: Value, b: Value, meter: Meter): Value {
  if (!isObject(a) || !isObject(b)) return b
  meter.spend(sizeOfBoth(a, b))
  const result = objectFrom(entriesOf(a), meter)
  for (const [key, value] of entriesOf(b)) {
    const left = result.get(key)
    result.set(key, left === undefined ? value : united(left, value, meter))
  }
  return result
}

function sizeOfBoth(a: AnyObject, b: AnyObject): number {
  return (sizeOf(a) ?? 0) + (sizeOf(b) ?? 0)
}
