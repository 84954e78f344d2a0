/** A JSON object as it came off the wire; the readers below give the zero value for what is not there. */
export type JsonObject = { readonly [member: string]: unknown }

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function objectAt(value: JsonObject | undefined, member: string): JsonObject {
  const inner = value?.[member]
  return isJsonObject(inner) ? inner : {}
}

export function textAt(value: JsonObject | undefined, member: string): string {
  const inner = value?.[member]
  return typeof inner === 'string' ? inner : ''
}

export function listAt(value: JsonObject | undefined, member: string): readonly unknown[] {
  const inner = value?.[member]
  return Array.isArray(inner) ? inner : []
}

export function objectsAt(value: JsonObject | undefined, member: string): readonly JsonObject[] {
  return listAt(value, member).filter(isJsonObject)
}

export function textsAt(value: JsonObject | undefined, member: string): readonly string[] {
  return listAt(value, member).filter((item) => typeof item === 'string')
}

/** The API server's semantic equality: a missing member, null, "", [] and {} are the same nothing. */
export function semanticallyEqual(left: unknown, right: unknown): boolean {
  if (isNothing(left) || isNothing(right)) return isNothing(left) && isNothing(right)
  if (Array.isArray(left) && Array.isArray(right)) {
    return (
      left.length === right.length &&
      left.every((item, index) => semanticallyEqual(item, right[index]))
    )
  }
  if (isJsonObject(left) && isJsonObject(right)) {
    const members = new Set([...Object.keys(left), ...Object.keys(right)])
    return [...members].every((member) => semanticallyEqual(left[member], right[member]))
  }
  return left === right
}

function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true
  if (Array.isArray(value)) return value.length === 0
  return isJsonObject(value) && Object.values(value).every((inner) => inner === undefined)
}
