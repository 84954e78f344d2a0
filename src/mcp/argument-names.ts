import { isJsonObject } from './envelope.ts'
import { comparedTotalMax, comparedUnitsMax, foldCase, isPlainName } from './member-names.ts'
import type { JsonObject } from './scan.ts'

/** The names that a tool's inputSchema gives to arguments, and below each those of its own members. */
export interface ArgumentNames {
  readonly named: ReadonlyMap<string, ArgumentNames | undefined>
  /** The names as a reader has them that ignores case. */
  readonly folded: ReadonlyMap<string, string>
}

/** Deeper members are not told apart: a definition is no deeper than this where it is read at all. */
const depthMax = 32

/** The names along `properties`; undefined where the schema gives none. */
export function parseArgumentNames(inputSchema: unknown, depth = 0): ArgumentNames | undefined {
  const properties = isJsonObject(inputSchema) ? inputSchema['properties'] : undefined
  if (!isJsonObject(properties) || depth > depthMax) return undefined
  const named = new Map<string, ArgumentNames | undefined>()
  const folded = new Map<string, string>()
  for (const [name, schema] of Object.entries(properties)) {
    named.set(name, parseArgumentNames(schema, depth + 1))
    if (isPlainName(name) || name.length <= comparedUnitsMax) folded.set(foldCase(name), name)
  }
  return named.size === 0 ? undefined : { named, folded }
}

/** A member of the arguments, and the name that it may be taken for. */
export interface Variant {
  readonly name: string
  readonly wanted: string
}

/**
 * A member that the tool does not name, but that a reader which ignores case takes for one that it does: to the rules that ask for the
 * named one it is not there, and to such a tool server it is (CVE-2026-27896). What is too much to be compared is `'too many'`.
 */
export function findVariant(
  names: ArgumentNames,
  args: JsonObject,
): Variant | 'too many' | undefined {
  return findBelow(names, args, { left: comparedTotalMax })
}

function findBelow(
  { named, folded }: ArgumentNames,
  args: JsonObject,
  units: { left: number },
): Variant | 'too many' | undefined {
  for (const name in args) {
    if (named.has(name)) {
      const below = named.get(name)
      const value = args[name]
      const found = below && isJsonObject(value) ? findBelow(below, value, units) : undefined
      if (found !== undefined) return found
      continue
    }
    if (!isPlainName(name)) {
      if (name.length > comparedUnitsMax) continue
      units.left -= name.length
      if (units.left < 0) return 'too many'
    }
    const wanted = folded.get(foldCase(name))
    if (wanted !== undefined) return { name, wanted }
  }
  return undefined
}
