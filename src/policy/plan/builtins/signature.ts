import { isArray, isSet } from '../values.ts'
import type { Value } from '../values.ts'

/** Undefined: OPA has an error there, which makes the expression undefined. */
export type Builtin = (...args: readonly Value[]) => Value | undefined

/** The time of the decision that is being made, in nanoseconds since 1970. */
export type Now = () => Value | undefined

export type Builtins = Readonly<Record<string, Builtin>>

export function isText(v: Value | undefined): v is string {
  return typeof v === 'string'
}

/** Members of an array or a set, in order. */
export function listOf(v: Value | undefined): readonly Value[] | undefined {
  if (isArray(v)) return v
  return isSet(v) ? v.sorted() : undefined
}

/** The same, if all are of one type. */
export function listOfAll<T extends Value>(
  v: Value | undefined,
  is: (member: Value) => member is T,
): readonly T[] | undefined {
  const members = listOf(v)
  return members?.every(is) === true ? members : undefined
}
