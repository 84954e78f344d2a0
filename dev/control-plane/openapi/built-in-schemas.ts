import { readFileSync } from 'node:fs'
import {
  isJsonObject,
  objectAt,
  objectsAt,
  textAt,
  textsAt,
  type JsonObject,
} from '../json-object.ts'
import type { Schema } from '../structural-schema.ts'
import { isOfKind, referenceOf, type ApiKind, type NamedSchema } from './named-schema.ts'

/**
 * The types of the built-in resources, one a line, as a real API server of this version describes them;
 * `test/cluster/openapi.test.ts` compares, and writes the file anew.
 */
export const schemasFile: URL = new URL('schemas.ndjson', import.meta.url)

export const objectMetaName = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'

/** OpenAPI schemas by name, and the same as the decoder reads them. */
export interface BuiltInSchemas {
  readonly named: ReadonlyMap<string, JsonObject>
  nameOf(kind: ApiKind): string | undefined
  /** Known members, their types and how lists merge; undefined for a kind that is not built in. */
  ofKind(kind: ApiKind): Schema | undefined
  ofName(name: string): Schema
}

export function readBuiltInSchemas(): BuiltInSchemas {
  const lines = readFileSync(schemasFile, 'utf8').trimEnd().split('\n')
  const entries = lines.map((line) => JSON.parse(line) as NamedSchema)
  const named = new Map(entries.map(({ name, schema }) => [name, schema]))
  const known = new Map<string, Schema>()

  /** Types can lean on themselves, so a schema is known before it is filled. */
  function ofName(name: string): Schema {
    const before = known.get(name)
    if (before !== undefined) return before
    const schema: Schema = {}
    known.set(name, schema)
    return Object.assign(schema, read(named.get(name) ?? {}, ofName))
  }

  function nameOf(kind: ApiKind): string | undefined {
    return entries.find(({ schema }) => isOfKind(schema, kind))?.name
  }
  return {
    named,
    nameOf,
    ofName,
    ofKind(kind) {
      const name = nameOf(kind)
      return name === undefined ? undefined : ofName(name)
    },
  }
}

const anything: Schema = { 'x-kubernetes-preserve-unknown-fields': true }

const types = ['object', 'array', 'string', 'integer', 'number', 'boolean'] as const

/**
 * Types only: defaults, required members and choices are what each resource's own rules are about, as in the API server,
 * whose decoder does not look at them either.
 */
function read(schema: JsonObject, ofName: (name: string) => Schema): Schema {
  const [alias = schema] = objectsAt(schema, 'allOf')
  const reference = referenceOf(alias)
  if (reference !== undefined) return ofName(reference)
  const format = textAt(schema, 'format')
  if (format === 'int-or-string') return { 'x-kubernetes-int-or-string': true }
  const type = types.find((name) => name === schema['type'])
  if (type === undefined) return anything
  const { items, additionalProperties } = schema
  const properties = Object.entries(objectAt(schema, 'properties')).map(
    ([name, inner]): [string, Schema] => [name, read(isJsonObject(inner) ? inner : {}, ofName)],
  )
  const isFree = type === 'object' && properties.length === 0 && !isJsonObject(additionalProperties)
  if (isFree) return { type, ...anything }
  return {
    type,
    ...(format === '' ? {} : { format }),
    ...(properties.length === 0 ? {} : { properties: Object.fromEntries(properties) }),
    ...(isJsonObject(items) ? { items: read(items, ofName) } : {}),
    ...(isJsonObject(additionalProperties)
      ? { additionalProperties: read(additionalProperties, ofName) }
      : {}),
    ...listRules(schema),
  }
}

function listRules(schema: JsonObject): Schema {
  const strategy = textAt(schema, 'x-kubernetes-patch-strategy')
  const mergeKey = textAt(schema, 'x-kubernetes-patch-merge-key')
  const listType = textAt(schema, 'x-kubernetes-list-type')
  const keys = textsAt(schema, 'x-kubernetes-list-map-keys')
  return {
    ...(strategy === '' ? {} : { 'x-kubernetes-patch-strategy': strategy }),
    ...(mergeKey === '' ? {} : { 'x-kubernetes-patch-merge-key': mergeKey }),
    ...(listType === '' ? {} : { 'x-kubernetes-list-type': listType }),
    ...(keys.length === 0 ? {} : { 'x-kubernetes-list-map-keys': keys }),
  }
}
