import { RegoObject, RegoSet, isArray, sizeOf, sorted } from './values.ts'
import type { Plain, Value } from './values.ts'
import type { Meter } from './meter.ts'
import { Big, parseNumber, stepsOf } from './numbers.ts'

/**
 * Up to 15 digits without an exponent are no other number as a double: then none needs to be looked at by itself. A number stands behind
 * one of these; what is within a text, such as a digest, seldom does.
 */
const mayLoseDigits = /(?:^|[:,[\s])-?(?:\d[\d.]{15}|\d[\d.]*[eE])/

/** A surrogate that is written as an escape: it may be half of a pair without the other. */
const mayBeHalf = /\\u[dD][89a-fA-F]/

/**
 * Reads JSON with all digits of its numbers. Throws a `SyntaxError`, also for a number beyond all measure and for half a surrogate pair,
 * which no other reader takes in the same way (RFC 8259 §8.2).
 */
export function fromJson(text: string): Value {
  const value = (
    mayLoseDigits.test(text) ? JSON.parse(text, reviveNumber) : JSON.parse(text)
  ) as Value
  if (mayBeHalf.test(text) || !text.isWellFormed()) checkTexts(value)
  return value
}

function checkTexts(value: unknown): void {
  if (typeof value === 'string' && !value.isWellFormed()) {
    throw new SyntaxError('text has half a surrogate pair')
  }
  if (typeof value !== 'object' || value === null || value instanceof Big) return
  for (const [name, member] of Object.entries(value)) {
    checkTexts(name)
    checkTexts(member)
  }
}

function reviveNumber(
  _name: string,
  value: unknown,
  context?: { readonly source?: string },
): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value
  const number = parseNumber(context.source)
  if (number === undefined) throw new SyntaxError('number is beyond all measure')
  return number
}

/**
 * A value as its readers in JavaScript know it, and all its own, so that nobody changes data or input through it: sets are arrays in
 * order, keys are texts, numbers are doubles.
 */
export function toJson(v: Value, meter: Meter): unknown {
  if (typeof v !== 'object' || v === null) return v
  if (v instanceof Big) {
    meter.spend(stepsOf(v))
    return Number(v.toString())
  }
  meter.spend(1 + (sizeOf(v) ?? 0))
  if (isArray(v)) return v.map((member) => toJson(member, meter))
  if (v instanceof RegoSet) return v.sorted().map((member) => toJson(member, meter))
  const members: Record<string, unknown> = {}
  if (v instanceof RegoObject) {
    for (const [at, key] of v.keys.entries()) {
      setOwn(members, nameOf(key, meter), toJson(v.values[at] as Value, meter))
    }
  } else for (const key of Object.keys(v)) setOwn(members, key, toJson(v[key] as Value, meter))
  return members
}

/** Not by assignment alone: a member named __proto__ stays a member. */
function setOwn(members: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') members[name] = value
  else
    Object.defineProperty(members, name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    })
}

/** What JSON calls a key. */
export function nameOf(key: Value, meter: Meter): string {
  return typeof key === 'string' ? key : formatJson(key, meter)
}

/** A value as JSON, members in order, with all digits of its numbers. */
export function formatJson(v: Value, meter: Meter): string {
  if (typeof v === 'string') {
    meter.spendText(v.length)
    return JSON.stringify(v)
  }
  if (typeof v === 'number') return JSON.stringify(v)
  if (v instanceof Big) meter.spend(stepsOf(v))
  if (typeof v !== 'object' || v === null || v instanceof Big) return String(v)
  meter.spend(1 + (sizeOf(v) ?? 0))
  if (isArray(v)) return `[${v.map((member) => formatJson(member, meter)).join()}]`
  if (v instanceof RegoSet) {
    return `[${v
      .sorted()
      .map((member) => formatJson(member, meter))
      .join()}]`
  }
  const members = membersOf(v, meter).map(
    ([name, value]) => `${JSON.stringify(name)}:${formatJson(value, meter)}`,
  )
  return `{${members.join()}}`
}

/** Go writes members in the order of their names. */
function membersOf(
  object: Plain | RegoObject,
  meter: Meter,
): readonly (readonly [string, Value])[] {
  const entries =
    object instanceof RegoObject
      ? object.keys.map((key, at) => [nameOf(key, meter), object.values[at] as Value] as const)
      : Object.entries(object)
  return sorted(entries, ([name]) => name, meter)
}
