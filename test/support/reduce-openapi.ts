import { isJsonObject, objectAt, type JsonObject } from '../../dev/control-plane/json-object.ts'
import {
  isOfKind,
  referencesOf,
  type ApiKind,
  type NamedSchema,
} from '../../dev/control-plane/openapi/named-schema.ts'

/**
 * Of an API server's OpenAPI documents what is served of them here: the types of these kinds and all below
 * them, sorted by name, without descriptions.
 */
export function reduceDocuments(
  documents: readonly JsonObject[],
  kinds: readonly ApiKind[],
): readonly NamedSchema[] {
  const all = new Map(
    documents.flatMap((document) =>
      Object.entries(objectAt(objectAt(document, 'components'), 'schemas')),
    ),
  )
  const kept = new Map<string, JsonObject>()
  const keep = (name: string): void => {
    const schema = all.get(name)
    if (kept.has(name) || !isJsonObject(schema)) return
    kept.set(name, withoutDescriptions(schema) as JsonObject)
    for (const inner of referencesOf(schema)) keep(inner)
  }
  for (const [name, schema] of all) {
    if (isJsonObject(schema) && kinds.some((kind) => isOfKind(schema, kind))) keep(name)
  }
  return [...kept]
    .map(([name, schema]) => ({ name, schema }))
    .toSorted((left, right) => (left.name < right.name ? -1 : 1))
}

function withoutDescriptions(value: unknown, isNames = false): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutDescriptions(item))
  if (!isJsonObject(value)) return value
  // A member that is called so is a member.
  const members = Object.entries(value).filter(([name]) => isNames || name !== 'description')
  return Object.fromEntries(
    members.map(([name, inner]) => [
      name,
      withoutDescriptions(inner, !isNames && name === 'properties'),
    ]),
  )
}
