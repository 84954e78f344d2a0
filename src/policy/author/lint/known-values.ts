import type { Scalar } from './constraints.ts'

/** The values that a schema leaves for what is at a path in it; undefined where it does not list them. */
export function valuesAt(schema: unknown, path: readonly string[]): readonly Scalar[] | undefined {
  if (!isObject(schema)) return undefined
  const branches = schema['anyOf']
  if (Array.isArray(branches)) {
    const each = branches.map((branch) => valuesAt(branch, path))
    return each.every((values) => values !== undefined) ? each.flat() : undefined
  }
  const [name, ...rest] = path
  if (name === undefined) return listed(schema)
  const members = schema['properties']
  return isObject(members) && Object.hasOwn(members, name)
    ? valuesAt(members[name], rest)
    : undefined
}

function listed(schema: Readonly<Record<string, unknown>>): readonly Scalar[] | undefined {
  if (Object.hasOwn(schema, 'const')) return [schema['const']].filter(isScalar)
  const values = schema['enum']
  return Array.isArray(values) && values.every(isScalar) ? values : undefined
}

function isScalar(value: unknown): value is Scalar {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
