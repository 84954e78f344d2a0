import { isJsonObject, listAt, type JsonObject } from './json-object.ts'
import { memberSchema, type Schema } from './structural-schema.ts'
import { badRequest } from './status.ts'

const orderPrefix = '$setElementOrder/'
const removalPrefix = '$deleteFromPrimitiveList/'
const retained = '$retainKeys'
const directive = '$patch'

/**
 * A strategic merge patch: lists that the schema calls lists of things with a key are merged by that key, others replaced.
 * The patch may also say what to delete, to replace, to keep and in which order.
 */
export function strategicMerge(target: unknown, patch: JsonObject, schema: Schema): unknown {
  const base = isJsonObject(target) ? target : {}
  if (patch[directive] === 'replace') return withoutDirectives(patch)
  if (patch[directive] === 'delete') return {}
  const kept = isRetaining(patch)
    ? Object.entries(base).filter(([name]) => listAt(patch, retained).includes(name))
    : Object.entries(base)
  const merged = new Map(kept)
  for (const [name, value] of Object.entries(patch)) {
    const member = name.startsWith(orderPrefix)
      ? name.slice(orderPrefix.length)
      : name.startsWith(removalPrefix)
        ? name.slice(removalPrefix.length)
        : name
    if (name === directive || name === retained) continue
    if (member === name && value === null) merged.delete(name)
    else if (member !== name && merged.get(member) === undefined) continue
    else {
      const inner = memberSchema(schema, member) ?? {}
      merged.set(member, mergedMember({ name, value, current: merged.get(member), patch, inner }))
    }
  }
  // Orders come last: they speak of what the list has become.
  for (const [name, order] of Object.entries(patch)) {
    const member = name.slice(orderPrefix.length)
    const list = merged.get(member)
    if (!name.startsWith(orderPrefix) || !Array.isArray(list) || !Array.isArray(order)) continue
    const keyOf = keyReader(memberSchema(schema, member) ?? {})
    merged.set(member, inOrder({ list, order, before: listAt(base, member), keyOf }))
  }
  return Object.fromEntries(merged)
}

function isRetaining(patch: JsonObject): boolean {
  return Array.isArray(patch[retained])
}

function mergedMember(change: {
  readonly name: string
  readonly value: unknown
  readonly current: unknown
  readonly patch: JsonObject
  readonly inner: Schema
}): unknown {
  const { name, value, current, inner } = change
  if (name.startsWith(orderPrefix)) return current
  if (name.startsWith(removalPrefix)) {
    const gone = new Set(Array.isArray(value) ? value : [])
    return Array.isArray(current) ? current.filter((item) => !gone.has(item)) : current
  }
  if (Array.isArray(value)) return mergedList(current, value, inner)
  if (isJsonObject(value)) return strategicMerge(current, value, inner)
  return value
}

function mergedList(current: unknown, patch: readonly unknown[], schema: Schema): unknown {
  const merges = schema['x-kubernetes-patch-strategy']?.split(',').includes('merge') === true
  if (!merges) return patch.map(withoutDirectives)
  const list: readonly unknown[] = Array.isArray(current) ? current : []
  const key = schema['x-kubernetes-patch-merge-key']
  if (key === undefined) return [...list, ...patch.filter((item) => !list.includes(item))]
  return patch.filter(isJsonObject).reduce((items, item) => {
    if (item[directive] === 'replace' && item[key] === undefined) {
      return patch.filter((other) => other !== item).map(withoutDirectives)
    }
    if (item[key] === undefined) {
      throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`)
    }
    return withItem({ items, item, key, schema: schema.items ?? {} })
  }, list)
}

function withItem(change: {
  readonly items: readonly unknown[]
  readonly item: JsonObject
  readonly key: string
  readonly schema: Schema
}): readonly unknown[] {
  const { items, item, key, schema } = change
  const at = items.findIndex((other) => isJsonObject(other) && other[key] === item[key])
  if (item[directive] === 'delete') return at < 0 ? items : items.toSpliced(at, 1)
  const merged = strategicMerge(items[at], item, schema)
  return at < 0 ? [...items, merged] : items.with(at, merged)
}

function keyReader(schema: Schema): (item: unknown) => unknown {
  const key = schema['x-kubernetes-patch-merge-key']
  return (item) => (key !== undefined && isJsonObject(item) ? item[key] : item)
}

/** Items that the order names stand in it; the others keep their place before those that came after them. */
function inOrder(options: {
  readonly list: readonly unknown[]
  readonly order: readonly unknown[]
  readonly before: readonly unknown[]
  readonly keyOf: (item: unknown) => unknown
}): readonly unknown[] {
  const { list, order, before, keyOf } = options
  const wanted = order.map(keyOf)
  const places = before.map(keyOf)
  const ordered = wanted.flatMap((key) => list.filter((item) => keyOf(item) === key))
  const others = list.filter((item) => !wanted.includes(keyOf(item)))
  const result: unknown[] = []
  for (const item of ordered) {
    const place = places.indexOf(keyOf(item))
    const later = others.findIndex((other) => places.indexOf(keyOf(other)) >= place)
    result.push(...others.splice(0, later < 0 ? others.length : later), item)
  }
  return [...result, ...others]
}

function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives)
  if (!isJsonObject(value)) return value
  const members = Object.entries(value).filter(
    ([name, inner]) => inner !== null && !name.startsWith('$'),
  )
  return Object.fromEntries(members.map(([name, inner]) => [name, withoutDirectives(inner)]))
}
