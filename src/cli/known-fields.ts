import type { z } from 'zod'
import { nearestName } from '../nearest-name.ts'

/** Fields that had another name once. */
const formerNames: Readonly<Record<string, string>> = { extensionArc: 'identityExtensionOid' }

/** What may have been meant by a field that is none, as `, did you mean x`; empty where nothing is near. */
export function suggestField(
  schema: z.ZodType,
  path: readonly PropertyKey[],
  unknown: string,
): string {
  const here = fieldsAt(schema, path.map(String))
  const everywhere = pathsOf(schema)
  const meant =
    formerNames[unknown] ??
    nearestName(unknown, here) ??
    // The right name in the wrong place.
    everywhere.find((field) => field.endsWith(`.${unknown}`))
  return meant === undefined ? '' : `, did you mean ${meant}`
}

/** The parts of a schema that hold others, whatever kind of schema it is. */
interface Definition {
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly options?: readonly z.ZodType[]
  readonly innerType?: z.ZodType
  readonly in?: z.ZodType
  readonly element?: z.ZodType
}

/** A schema without what only wraps it; several where it is one of several. */
function unwrap(schema: z.ZodType): readonly Definition[] {
  const definition = schema.def as Definition
  const inner = definition.innerType ?? definition.in ?? definition.element
  if (inner !== undefined) return unwrap(inner)
  return definition.options?.flatMap(unwrap) ?? [definition]
}

function fieldsAt(schema: z.ZodType, path: readonly string[]): readonly string[] {
  const [first, ...rest] = path
  // The members of a list are no names.
  if (first !== undefined && /^\d+$/.test(first)) return fieldsAt(schema, rest)
  return unwrap(schema).flatMap(({ shape = {} }) => {
    if (first === undefined) return Object.keys(shape)
    const inner = shape[first]
    return inner === undefined ? [] : fieldsAt(inner, rest)
  })
}

/** Every field of the schema, as `admin.port`. */
function pathsOf(schema: z.ZodType): readonly string[] {
  return unwrap(schema).flatMap(({ shape = {} }) =>
    Object.entries(shape).flatMap(([name, inner]) => [
      name,
      ...pathsOf(inner).map((field) => `${name}.${field}`),
    ]),
  )
}
