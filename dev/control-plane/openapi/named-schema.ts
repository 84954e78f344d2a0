import { isJsonObject, objectsAt, textAt, type JsonObject } from '../json-object.ts'

/** A type of the API by its name in OpenAPI documents. */
export interface NamedSchema {
  readonly name: string
  readonly schema: JsonObject
}

export interface ApiKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

export function isOfKind(schema: JsonObject, { group, version, kind }: ApiKind): boolean {
  const kinds = objectsAt(schema, 'x-kubernetes-group-version-kind')
  const [only] = kinds
  if (kinds.length !== 1 || only === undefined) return false
  return only['group'] === group && only['version'] === version && only['kind'] === kind
}

/** Names of the types that a schema leans on. */
export function referencesOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(referencesOf)
  if (!isJsonObject(value)) return []
  const reference = referenceOf(value)
  const inner = Object.values(value).flatMap(referencesOf)
  return reference === undefined ? inner : [reference, ...inner]
}

/** The type that this schema is another name for. */
export function referenceOf(schema: JsonObject): string | undefined {
  const reference = textAt(schema, '$ref')
  return reference === '' ? undefined : reference.slice(reference.lastIndexOf('/') + 1)
}
