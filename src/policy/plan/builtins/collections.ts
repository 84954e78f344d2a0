import type { Meter } from '../meter.ts'
import { fromInteger, integerOf, isNumber, stepsOf } from '../numbers.ts'
import {
  dot,
  entriesOf,
  equal,
  isArray,
  isObject,
  isSet,
  RegoSet,
  setFrom,
  sizeOf,
  sorted,
  sortedEntries,
} from '../values.ts'
import type { Value } from '../values.ts'
import { listOf, listOfAll } from './signature.ts'
import type { Builtin, Builtins } from './signature.ts'

export function collectionBuiltins(meter: Meter): Builtins {
  return { ...arrays(meter), ...sets(meter), ...members(meter), ...graphs(meter) }
}

function arrays(meter: Meter): Builtins {
  return {
    count: (v) => sizeOf(v),
    sort: (v) => {
      if (isSet(v)) return v.sorted()
      return isArray(v) ? sorted(v, (member) => member, meter) : undefined
    },
    'array.concat': (a, b) => {
      if (!isArray(a) || !isArray(b)) return undefined
      meter.spend(a.length + b.length)
      return [...a, ...b]
    },
    'array.reverse': (a) => {
      if (!isArray(a)) return undefined
      meter.spend(a.length)
      return a.toReversed()
    },
    'array.slice': (a, from, to) => {
      if (!isArray(a) || !isIndex(from) || !isIndex(to)) return undefined
      const start = Math.max(from, 0)
      if (to < start) return []
      meter.spend(Math.min(to, a.length) - Math.min(start, a.length))
      return a.slice(start, to)
    },
    'numbers.range': (a, b) => {
      const [from, to] = [integer(a, meter), integer(b, meter)]
      if (from === undefined || to === undefined) return undefined
      const step = from <= to ? 1n : -1n
      const length = Number((to - from) * step + 1n)
      meter.spend(length)
      return Array.from({ length }, (_, index) => fromInteger(from + step * BigInt(index)))
    },
  }
}

function isIndex(v: Value | undefined): v is number {
  return typeof v === 'number' && Number.isInteger(v)
}

function integer(v: Value | undefined, meter: Meter): bigint | undefined {
  if (!isNumber(v)) return undefined
  if (!Number.isSafeInteger(v)) meter.spend(stepsOf(v))
  return integerOf(v)
}

function sets(meter: Meter): Builtins {
  /** A set of sets, paid for by all their members. */
  const setsIn = (v: Value | undefined): readonly RegoSet[] | undefined => {
    const found = isSet(v) ? listOfAll(v, isSet) : undefined
    if (found !== undefined) meter.spend(found.reduce((total, set) => total + set.size, 0))
    return found
  }
  return {
    and: (a, b) => {
      if (!isSet(a) || !isSet(b)) return undefined
      const [small, large] = a.size < b.size ? [a, b] : [b, a]
      meter.spend(small.size)
      return setFrom(
        small.members.filter((member) => large.has(member)),
        meter,
      )
    },
    or: (a, b) => {
      if (!isSet(a) || !isSet(b)) return undefined
      meter.spend(a.size + b.size)
      return setFrom([...a.members, ...b.members], meter)
    },
    intersection: (v) => {
      const [first, ...rest] = setsIn(v) ?? []
      if (!isSet(v)) return undefined
      if (first === undefined) return v.size === 0 ? new RegoSet(meter) : undefined
      return setFrom(
        first.members.filter((member) => rest.every((set) => set.has(member))),
        meter,
      )
    },
    union: (v) => {
      const found = setsIn(v)
      if (found === undefined) return undefined
      return setFrom(
        found.flatMap((set) => set.members),
        meter,
      )
    },
  }
}

/** The operator `in`, with one operand before it and with two. */
function members(meter: Meter): Builtins {
  return {
    'internal.member_2': (v, all) => {
      if (isSet(all)) return all.has(v)
      meter.spend((sizeOf(all) ?? 0) >>> 2)
      if (isArray(all)) return all.some((member) => equal(member, v, meter))
      return isObject(all) && entriesOf(all).some(([, member]) => equal(member, v, meter))
    },
    'internal.member_3': (key, v, all) => {
      if (isSet(all)) return equal(key, v, meter) && all.has(v)
      return (isArray(all) || isObject(all)) && equal(dot(all, key), v, meter)
    },
  }
}

function graphs(meter: Meter): Builtins {
  const walk = (v: Value, path: readonly Value[], found: Value[]): void => {
    meter.spend(1 + path.length)
    found.push([path, v])
    for (const [key, member] of childrenOf(v)) walk(member, [...path, key], found)
  }
  const childrenOf = (v: Value): Iterable<readonly [Value, Value]> => {
    if (isArray(v)) return v.entries()
    if (isSet(v)) return v.sorted().map((member) => [member, member] as const)
    return isObject(v) ? sortedEntries(v, meter) : []
  }
  const reachable: Builtin = (graph, initial) => {
    const queue = listOf(initial)?.slice()
    if (!isObject(graph) || queue === undefined) return undefined
    const reached = new RegoSet(meter)
    for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
      meter.spend(1)
      const edges = dot(graph, node)
      if (edges === undefined || reached.has(node)) continue
      reached.add(node)
      for (const next of listOf(edges) ?? []) queue.push(next)
    }
    return reached
  }
  return {
    walk: (v) => {
      const found: Value[] = []
      walk(v, [], found)
      return found
    },
    'graph.reachable': reachable,
  }
}
