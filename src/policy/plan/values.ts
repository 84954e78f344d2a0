import type { Meter } from './meter.ts'
import { Big, compareNumbers, stepsOf } from './numbers.ts'

/**
 * A Rego value, as plain as it can be: null, booleans, strings, numbers and arrays are JavaScript's own, and an object out of JSON stays
 * a plain object that is only ever read by its own members. What rules make is a `RegoObject` or a `RegoSet`, where any value may be a
 * key. Undefined is no value. Nothing changes a value once rules have given it.
 */
export type Value =
  null | boolean | string | number | Big | readonly Value[] | Plain | RegoObject | RegoSet

/** An object out of JSON. */
export interface Plain {
  readonly [name: string]: Value
}

export type AnyObject = Plain | RegoObject

type Primitive = null | boolean | string | number

function isPrimitive(v: Value): v is Primitive {
  return typeof v !== 'object' || v === null
}

/** Up to so many keys are looked for one by one: that is faster than a table, and most have no more. */
const fewMax = 8

/** Values, none twice, and where each stands. */
class Keys {
  readonly list: Value[] = []
  readonly #meter: Meter
  #primitives: Map<Primitive, number> | undefined
  /** By the one text that all equal values have. */
  #composites: Map<string, number> | undefined

  constructor(meter: Meter) {
    this.#meter = meter
  }

  /** -1: it is not there. */
  indexOf(key: Value): number {
    if (this.#primitives === undefined) return this.#search(key)
    if (isPrimitive(key)) return this.#primitives.get(key) ?? -1
    return this.#composites?.get(textOf(key, this.#meter)) ?? -1
  }

  /** Of a key that is not there. */
  push(key: Value): void {
    const at = this.list.push(key) - 1
    if (this.#primitives !== undefined) this.#enter(key, at)
    else if (at === fewMax) {
      this.#primitives = new Map()
      for (const [index, present] of this.list.entries()) this.#enter(present, index)
    }
  }

  #search(key: Value): number {
    const { list } = this
    if (isPrimitive(key)) {
      for (let at = 0; at < list.length; at += 1) if (list[at] === key) return at
      return -1
    }
    return list.findIndex((present) => equal(present, key, this.#meter))
  }

  #enter(key: Value, at: number): void {
    if (isPrimitive(key)) this.#primitives?.set(key, at)
    else (this.#composites ??= new Map()).set(textOf(key, this.#meter), at)
  }
}

/** An object that rules made. */
export class RegoObject {
  readonly values: Value[] = []
  readonly #keys: Keys

  constructor(meter: Meter) {
    this.#keys = new Keys(meter)
  }
  get keys(): readonly Value[] {
    return this.#keys.list
  }
  get size(): number {
    return this.values.length
  }
  get(key: Value): Value | undefined {
    const at = this.#keys.indexOf(key)
    return at < 0 ? undefined : this.values[at]
  }
  set(key: Value, value: Value): void {
    const at = this.#keys.indexOf(key)
    if (at >= 0) this.values[at] = value
    else {
      this.#keys.push(key)
      this.values.push(value)
    }
  }
}

export class RegoSet {
  readonly #keys: Keys
  readonly #meter: Meter
  #sorted: { readonly members: readonly Value[]; readonly steps: number } | undefined

  constructor(meter: Meter) {
    this.#keys = new Keys(meter)
    this.#meter = meter
  }
  /** In the order in which they came. */
  get members(): readonly Value[] {
    return this.#keys.list
  }
  get size(): number {
    return this.members.length
  }
  has(value: Value): boolean {
    return this.#keys.indexOf(value) >= 0
  }
  add(value: Value): void {
    if (this.has(value)) return
    this.#sorted = undefined
    this.#keys.push(value)
  }
  /** In Rego's order. It costs the same each time, though it is made once. */
  sorted(): readonly Value[] {
    if (this.size < 2) return this.members
    if (this.#sorted === undefined) {
      const before = this.#meter.left
      const members = sorted(this.members, (member) => member, this.#meter)
      this.#sorted = { members, steps: before - this.#meter.left }
    } else this.#meter.spend(this.#sorted.steps)
    return this.#sorted.members
  }
}

/** A copy in the order of the keys. Throws before the work when there is no fuel for it. */
export function sorted<T>(
  list: readonly T[],
  keyOf: (member: T) => Value,
  meter: Meter,
): readonly T[] {
  meter.spend(list.length * (32 - Math.clz32(list.length)))
  return list.toSorted((a, b) => compare(keyOf(a), keyOf(b), meter))
}

export function isArray(v: Value | undefined): v is readonly Value[] {
  return Array.isArray(v)
}

export function isSet(v: Value | undefined): v is RegoSet {
  return v instanceof RegoSet
}

export function isObject(v: Value | undefined): v is AnyObject {
  if (typeof v !== 'object' || v === null || Array.isArray(v)) return false
  return !(v instanceof RegoSet) && !(v instanceof Big)
}

const plainPrototype: unknown = Object.prototype

/** A reference `source[key]`. `constructor` and what a polluted prototype holds are nothing to rules. */
export function dot(source: Value | undefined, key: Value): Value | undefined {
  if (typeof source !== 'object' || source === null) return undefined
  // The most frequent case first.
  if (Object.getPrototypeOf(source) === plainPrototype) return own(source as Plain, key)
  if (source instanceof RegoObject) return source.get(key)
  if (source instanceof RegoSet) return source.has(key) ? key : undefined
  if (isArray(source)) return typeof key === 'number' ? source[key] : undefined
  return source instanceof Big ? undefined : own(source, key)
}

function own(object: Plain, key: Value): Value | undefined {
  return typeof key === 'string' && Object.hasOwn(object, key) ? object[key] : undefined
}

export function keysOf(object: AnyObject): readonly Value[] {
  return object instanceof RegoObject ? object.keys : Object.keys(object)
}

/** Keys with their values, in no order that a rule may notice. */
export function entriesOf(object: AnyObject): readonly (readonly [Value, Value])[] {
  if (!(object instanceof RegoObject)) return Object.entries(object)
  return object.keys.map((key, at) => [key, object.values[at] as Value] as const)
}

export function sortedEntries(
  object: AnyObject,
  meter: Meter,
): readonly (readonly [Value, Value])[] {
  return sorted(entriesOf(object), ([key]) => key, meter)
}

/** As `count` has it; undefined of what has no members. */
export function sizeOf(v: Value | undefined): number | undefined {
  if (typeof v === 'string') return codePoints(v)
  if (typeof v !== 'object' || v === null || v instanceof Big) return undefined
  if (isArray(v)) return v.length
  if (v instanceof RegoObject || v instanceof RegoSet) return v.size
  return Object.keys(v).length
}

/** Go counts a text by code points. */
export function codePoints(text: string): number {
  let count = text.length
  for (let at = 1; at < text.length; at += 1) {
    // Texts are well formed: each low surrogate is the second half of one.
    if ((text.charCodeAt(at) & 0xfc00) === 0xdc00) count -= 1
  }
  return count
}

/** One text for each value, whatever it was made of: equal values have equal texts, and others have others. */
export function textOf(v: Value, meter: Meter): string {
  if (typeof v === 'string') {
    meter.spendText(v.length)
    return JSON.stringify(v)
  }
  if (typeof v === 'number') return v === 0 ? '0' : String(v)
  if (v instanceof Big) meter.spend(stepsOf(v))
  if (typeof v !== 'object' || v === null || v instanceof Big) return String(v)
  const parts = partsOf(v, meter)
  meter.spend(1 + parts.length)
  if (isArray(v)) return `[${parts.map((part) => textOf(part, meter)).join()}]`
  if (v instanceof RegoSet) return `<${parts.map((part) => textOf(part, meter)).join()}>`
  return `{${parts.map((part) => textOf(part, meter)).join()}}`
}

/** The parts of a composite value in order; of an object keys and values in turn. */
function partsOf(v: Exclude<Value, Primitive | Big>, meter: Meter): readonly Value[] {
  if (isArray(v)) return v
  return v instanceof RegoSet ? v.sorted() : sortedEntries(v, meter).flatMap((entry) => entry)
}

/** Rego's order of types. */
function rank(v: Value): number {
  if (v === null) return 0
  if (typeof v === 'boolean') return 1
  if (typeof v === 'number' || v instanceof Big) return 2
  if (typeof v === 'string') return 3
  if (Array.isArray(v)) return 4
  return v instanceof RegoSet ? 6 : 5
}

/** Rego's order of all values. */
export function compare(a: Value, b: Value, meter: Meter): number {
  if (a === b) return 0
  const kind = rank(a)
  const difference = kind - rank(b)
  if (difference !== 0) return difference
  if (kind === 1) return a === false ? -1 : 1
  if (kind === 2) return comparePaid(a as number | Big, b as number | Big, meter)
  if (kind === 3) return compareTexts(a as string, b as string)
  return compareParts(a as readonly Value[], b as readonly Value[], meter)
}

function comparePaid(a: number | Big, b: number | Big, meter: Meter): number {
  if (typeof a !== 'number' || typeof b !== 'number') meter.spend(stepsOf(a) + stepsOf(b))
  return compareNumbers(a, b)
}

function compareParts(
  a: Exclude<Value, Primitive | Big>,
  b: Exclude<Value, Primitive | Big>,
  meter: Meter,
): number {
  const [p, q] = [partsOf(a, meter), partsOf(b, meter)]
  const length = Math.min(p.length, q.length)
  meter.spend(1)
  for (let at = 0; at < length; at += 1) {
    meter.spend(1)
    const order = compare(p[at] as Value, q[at] as Value, meter)
    if (order !== 0) return order
  }
  return p.length - q.length
}

/** Go compares the octets of UTF-8, which is the order of code points. */
function compareTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at += 1) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)]
    if (x === y) continue
    const isHigh = (x & 0xf800) === 0xd800
    // A surrogate belongs to a code point above all that stand alone.
    if (isHigh !== ((y & 0xf800) === 0xd800)) return isHigh ? 1 : -1
    return x - y
  }
  return a.length - b.length
}

export function equal(a: Value | undefined, b: Value | undefined, meter: Meter): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Big || b instanceof Big) return isSameBig(a, b)
  meter.spend(1 + ((sizeOf(a) ?? 0) >>> 3))
  if (isArray(a)) {
    return (
      isArray(b) && a.length === b.length && a.every((member, at) => equal(member, b[at], meter))
    )
  }
  if (isArray(b) || sizeOf(a) !== sizeOf(b)) return false
  if (a instanceof RegoSet || b instanceof RegoSet) {
    if (!(a instanceof RegoSet && b instanceof RegoSet)) return false
    meter.spend(a.size)
    return a.members.every((member) => b.has(member))
  }
  return entriesOf(a).every(([key, value]) => equal(value, dot(b, key), meter))
}

function isSameBig(a: object, b: object): boolean {
  if (!(a instanceof Big && b instanceof Big)) return false
  return a.coefficient === b.coefficient && a.exponent === b.exponent
}

/** A copy that may be added to. */
export function objectFrom(entries: Iterable<readonly [Value, Value]>, meter: Meter): RegoObject {
  const object = new RegoObject(meter)
  for (const [key, value] of entries) object.set(key, value)
  return object
}

export function setFrom(values: Iterable<Value>, meter: Meter): RegoSet {
  const set = new RegoSet(meter)
  for (const value of values) set.add(value)
  return set
}
