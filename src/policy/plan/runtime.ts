import { conflict, exhausted, Meter } from './meter.ts'
import { Recall } from './recall.ts'
import {
  dot,
  entriesOf,
  equal,
  isArray,
  isObject,
  isSet,
  objectFrom,
  RegoObject,
  RegoSet,
  sizeOf,
  sortedEntries,
} from './values.ts'
import type { Value } from './values.ts'

/** What a program may use: nothing else is in its reach but its tables. */
export interface Runtime {
  readonly meter: Meter
  readonly recall: Recall
  readonly exhausted: () => never
  readonly conflict: () => never
  readonly dot: typeof dot
  readonly sizeOf: typeof sizeOf
  readonly isArray: typeof isArray
  readonly isObject: typeof isObject
  readonly isSet: typeof isSet
  readonly newObject: () => RegoObject
  readonly newSet: () => RegoSet
  readonly differ: (a: Value | undefined, b: Value | undefined) => boolean
  readonly insertOnce: (object: RegoObject, key: Value, value: Value) => void
  readonly merge: (a: Value | undefined, b: Value | undefined) => Value | undefined
  readonly upsert: (target: Value | undefined, path: readonly string[], value: Value) => Value
  readonly scan: (source: Value | undefined) => readonly Value[]
  readonly scanInOrder: (source: Value | undefined) => readonly Value[]
  readonly pathOf: (path: readonly Value[]) => string
  /** What is remembered of a rule that was undefined. */
  readonly none: symbol
}

export function createRuntime(meter: Meter): Runtime {
  function insertOnce(object: RegoObject, key: Value, value: Value): void {
    const present = object.get(key)
    if (present === undefined) object.set(key, value)
    else if (!equal(present, value, meter)) conflict()
  }

  /** As OPA merges base and virtual documents: the left one wins where the two are not both objects. */
  function merge(a: Value | undefined, b: Value | undefined): Value | undefined {
    if (a === undefined) return b
    if (!isObject(a) || !isObject(b)) return a
    meter.spend((sizeOf(a) ?? 0) + (sizeOf(b) ?? 0))
    const merged = objectFrom(entriesOf(a), meter)
    for (const [key, value] of entriesOf(b)) merged.set(key, merge(dot(a, key), value) as Value)
    return merged
  }

  /** A value put at a path into a copy, as `with` does. */
  function upsert(target: Value | undefined, path: readonly string[], value: Value): Value {
    const [name, ...rest] = path
    if (name === undefined) return value
    meter.spend(1 + (sizeOf(target) ?? 0))
    const copy = objectFrom(isObject(target) ? entriesOf(target) : [], meter)
    copy.set(name, upsert(copy.get(name), rest, value))
    return copy
  }

  return {
    meter,
    recall: new Recall(meter),
    exhausted,
    conflict,
    dot,
    sizeOf,
    isArray,
    isObject,
    isSet,
    newObject: () => new RegoObject(meter),
    newSet: () => new RegoSet(meter),
    differ: (a, b) => !equal(a, b, meter),
    insertOnce,
    merge,
    upsert,
    ...scans(meter),
    pathOf,
    none: Symbol('none'),
  }
}

/** The name of a function that is looked up by its path: no other list of values has this text. */
export function pathOf(path: readonly Value[]): string {
  return JSON.stringify(path)
}

const nothing: readonly never[] = []

/** What a loop runs over: an array itself; of the rest keys and values in turn, a member of a set being both. */
function scans(meter: Meter): Pick<Runtime, 'scan' | 'scanInOrder'> {
  function listOf(
    source: Value | undefined,
    membersOf: (set: RegoSet) => readonly Value[],
    pairsOf: (object: Parameters<typeof entriesOf>[0]) => ReturnType<typeof entriesOf>,
  ): readonly Value[] {
    if (typeof source !== 'object' || source === null) return nothing
    if (isArray(source)) return source
    // The copy is paid for before it is made, its turns one by one.
    meter.spend((sizeOf(source) ?? 0) >>> 2)
    const list: Value[] = []
    if (source instanceof RegoSet) for (const member of membersOf(source)) list.push(member, member)
    else if (isObject(source)) for (const [key, value] of pairsOf(source)) list.push(key, value)
    return list
  }
  return {
    scan: (source) => listOf(source, (set) => set.members, entriesOf),
    scanInOrder: (source) =>
      listOf(
        source,
        (set) => set.sorted(),
        (object) => sortedEntries(object, meter),
      ),
  }
}
