import { comparedTotalMax, comparedUnitsMax, foldCase, isPlainName } from './member-names.ts'
import type { JsonObject } from './scan.ts'
import { schemasMax, type ArgumentNames, type NamingSchema } from './schema-names.ts'

/** So many members and schemas are looked up for one call. */
const lookUpsMax = 250_000

/** A member of the arguments, and the name that it may be taken for. */
export interface Variant {
  readonly name: string
  readonly wanted: string
}

type Found = Variant | 'too many' | undefined

/** What may yet be looked at, and compared. */
interface Room {
  lookUps: number
  units: number
}

/**
 * A member that the tool does not name, but that a reader which ignores case takes for one that it does: to the rules that ask for the
 * named one it is not there, and to such a tool server it is (CVE-2026-27896). What is too much to be compared is `'too many'`.
 */
export function findVariant(names: ArgumentNames, args: JsonObject): Found {
  return findIn(names, args, { lookUps: lookUpsMax, units: comparedTotalMax })
}

function findIn(schemas: ArgumentNames, value: unknown, room: Room): Found {
  if (schemas.length === 0 || typeof value !== 'object' || value === null) return undefined
  if (!Array.isArray(value)) return findInObject(schemas, value as JsonObject, room)
  const elements = together(schemas, (schema) => schema.elements)
  if (elements.length === 0) return undefined
  for (const element of value as readonly unknown[]) {
    const found = findIn(elements, element, room)
    if (found !== undefined) return found
  }
  return undefined
}

function findInObject(schemas: ArgumentNames, object: JsonObject, room: Room): Found {
  for (const name in object) {
    const isNamed = schemas.some((schema) => schema.names(name))
    const found = isNamed ? undefined : findNamed(schemas, name, room)
    if (found !== undefined) return found
    const below = together(schemas, (schema) => schema.below(name))
    room.lookUps -= schemas.length * (1 + below.length)
    if (room.lookUps < 0) return 'too many'
    const deeper = findIn(below, object[name], room)
    if (deeper !== undefined) return deeper
  }
  return undefined
}

function findNamed(schemas: ArgumentNames, name: string, room: Room): Found {
  if (!isPlainName(name)) {
    if (name.length > comparedUnitsMax) return undefined
    room.units -= name.length
    if (room.units < 0) return 'too many'
  }
  const folded = foldCase(name)
  for (const schema of schemas) {
    const wanted = schema.folded.get(folded)
    if (wanted !== undefined) return { name, wanted }
  }
  return undefined
}

/** What several schemas say of one value below theirs, each schema once. */
function together(
  schemas: ArgumentNames,
  below: (schema: NamingSchema) => ArgumentNames,
): ArgumentNames {
  const [first] = schemas
  if (first !== undefined && schemas.length === 1) return below(first)
  return [...new Set(schemas.flatMap(below))].slice(0, schemasMax)
}
