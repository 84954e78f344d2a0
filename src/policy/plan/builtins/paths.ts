import { nameOf } from '../json.ts'
import type { Meter } from '../meter.ts'
import {
  entriesOf,
  isArray,
  isObject,
  isSet,
  objectFrom,
  RegoObject,
  setFrom,
  sizeOf,
} from '../values.ts'
import type { Value } from '../values.ts'
import { isText, listOf } from './signature.ts'
import type { Builtin, Builtins } from './signature.ts'

/** Paths put together: what is below each name. One that ends here takes in all below, and has no more. */
type Tree = Map<string, Tree | undefined>

/** `json.filter` and `json.remove`. */
export function pathBuiltins(meter: Meter): Builtins {
  const cut =
    (change: (v: Value, tree: Tree, meter: Meter) => Value | undefined): Builtin =>
    (object, v) => {
      const paths = listOf(v)?.map(parsePath)
      if (!isObject(object) || paths === undefined || paths.includes(undefined)) return undefined
      meter.spend(paths.reduce((total, path) => total + 1 + (path?.length ?? 0), 0))
      const tree = treeOf(paths as readonly (readonly Value[])[], meter)
      return change(object, tree, meter) ?? new RegoObject(meter)
    }
  return { 'json.filter': cut(filtered), 'json.remove': cut(removed) }
}

/** `a/b` with the escapes of RFC 6901, or an array. */
function parsePath(path: Value): readonly Value[] | undefined {
  if (isArray(path)) return path
  if (!isText(path)) return undefined
  if (path === '') return []
  const names = path.replace(/^\//, '').split('/')
  return names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function treeOf(paths: readonly (readonly Value[])[], meter: Meter): Tree {
  const root: Tree = new Map()
  for (const path of paths) {
    let at = root
    for (const [index, key] of path.entries()) {
      const name = nameOf(key, meter)
      const isLast = index === path.length - 1
      if (isLast || !at.has(name)) at.set(name, isLast ? undefined : new Map())
      const below = at.get(name)
      if (below === undefined) break
      at = below
    }
  }
  return root
}

/** What the paths lead to. */
function filtered(v: Value, tree: Tree, meter: Meter): Value | undefined {
  const kept = (key: Value, value: Value): Value | undefined => {
    const name = nameOf(key, meter)
    if (!tree.has(name)) return undefined
    const below = tree.get(name)
    return below === undefined ? value : filtered(value, below, meter)
  }
  return isComposite(v) ? mapped(v, kept, meter) : undefined
}

/** All but what the paths lead to. */
function removed(v: Value, tree: Tree, meter: Meter): Value | undefined {
  const kept = (key: Value, value: Value): Value | undefined => {
    const name = nameOf(key, meter)
    if (!tree.has(name)) return value
    const below = tree.get(name)
    return below === undefined ? undefined : removed(value, below, meter)
  }
  return tree.size > 0 && isComposite(v) ? mapped(v, kept, meter) : v
}

function isComposite(v: Value): boolean {
  return isArray(v) || isSet(v) || isObject(v)
}

/** A copy with other members, or without them. */
function mapped(
  v: Value,
  change: (key: Value, value: Value) => Value | undefined,
  meter: Meter,
): Value {
  meter.spend(1 + (sizeOf(v) ?? 0))
  if (isArray(v)) return v.map((member, at) => change(at, member)).filter(isDefined)
  if (isSet(v)) {
    return setFrom(v.members.map((member) => change(member, member)).filter(isDefined), meter)
  }
  const entries = isObject(v) ? entriesOf(v) : []
  const changed = entries.flatMap(([key, value]) => {
    const kept = change(key, value)
    return kept === undefined ? [] : [[key, kept] as const]
  })
  return objectFrom(changed, meter)
}

function isDefined(v: Value | undefined): v is Value {
  return v !== undefined
}
