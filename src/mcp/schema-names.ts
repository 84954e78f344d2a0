import { isJsonObject } from './envelope.ts'
import { comparedUnitsMax, foldCase, isPlainName } from './member-names.ts'
import type { JsonObject } from './scan.ts'

/** The schemas that apply to the arguments of a tool, as far as they name anything. */
export type ArgumentNames = readonly NamingSchema[]

/** So many schemas are followed for one value; those beyond name nothing. */
export const schemasMax = 128

/**
 * The names that a schema gives to arguments, wherever it gives them: through local references, combined schemas, lists and maps.
 * Undefined where it gives none.
 */
export function parseArgumentNames(inputSchema: unknown): ArgumentNames | undefined {
  if (!isJsonObject(inputSchema)) return undefined
  const names = follow([inputSchema], { root: inputSchema, known: new Map() })
  return names.length === 0 ? undefined : names
}

interface Document {
  /** What local references point into. */
  readonly root: JsonObject
  /** A schema is read once, however it is come to: what refers to itself has an end. */
  readonly known: Map<JsonObject, NamingSchema>
}

/** These schemas and all that apply to the same value with them (JSON Schema 2020-12 core §8.2.3, §10.2). */
function follow(schemas: readonly JsonObject[], document: Document): ArgumentNames {
  const all = new Set<JsonObject>()
  const add = (found: readonly JsonObject[]): void => {
    for (const schema of found) {
      if (all.size >= schemasMax) return
      all.add(schema)
    }
  }
  add(schemas)
  // What is added meanwhile has its turn too.
  for (const schema of all) add(read(schema, document).beside)
  return [...all].map((schema) => read(schema, document)).filter(({ isSilent }) => !isSilent)
}

function besides(schema: JsonObject, root: JsonObject): readonly JsonObject[] {
  const { $ref, allOf, anyOf, oneOf, dependentSchemas } = schema
  const combined = [allOf, anyOf, oneOf, dependentSchemas].flatMap(valuesOf)
  const target = typeof $ref === 'string' ? resolve($ref, root) : undefined
  return [target, schema['if'], schema['then'], schema['else'], ...combined].filter(isJsonObject)
}

/** What a local reference points at (RFC 6901 §6); undefined for any other. */
function resolve(reference: string, root: JsonObject): unknown {
  if (reference === '#') return root
  if (!reference.startsWith('#/')) return undefined
  let value: unknown = root
  for (const step of unescapeFragment(reference.slice(2)).split('/')) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as JsonObject)[name]
  }
  return value
}

function unescapeFragment(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function read(schema: JsonObject, document: Document): NamingSchema {
  const known = document.known.get(schema)
  if (known !== undefined) return known
  const made = new NamingSchema(schema, document)
  document.known.set(schema, made)
  return made
}

/** What one schema says of the members and elements of a value; those below it are read when they are asked for. */
export class NamingSchema {
  /** The names as a reader has them that ignores case. */
  readonly folded: ReadonlyMap<string, string>
  /** What applies to the same value. */
  readonly beside: readonly JsonObject[]
  readonly isSilent: boolean
  readonly #document: Document
  readonly #properties: JsonObject
  readonly #patterned: readonly JsonObject[]
  readonly #others: readonly JsonObject[]
  readonly #items: readonly JsonObject[]
  readonly #below = new Map<string, ArgumentNames>()
  #otherwise: ArgumentNames | undefined
  #elements: ArgumentNames | undefined

  constructor(schema: JsonObject, document: Document) {
    const { properties, patternProperties, additionalProperties, unevaluatedProperties } = schema
    const { items, prefixItems, additionalItems, unevaluatedItems, contains } = schema
    this.#document = document
    this.#properties = isJsonObject(properties) ? properties : {}
    this.#patterned = valuesOf(patternProperties).filter(isJsonObject)
    this.#others = [additionalProperties, unevaluatedProperties].filter(isJsonObject)
    // Before 2020-12 `items` may be what is `prefixItems` since.
    const listed = Array.isArray(items) ? (items as unknown[]) : [items]
    const more = [...valuesOf(prefixItems), additionalItems, unevaluatedItems, contains]
    this.#items = [...listed, ...more].filter(isJsonObject)
    const names = Object.keys(this.#properties)
    this.folded = foldNames(names)
    this.beside = besides(schema, document.root)
    const below = [this.#patterned, this.#others, this.#items]
    this.isSilent = names.length === 0 && below.every(({ length }) => length === 0)
  }

  names(name: string): boolean {
    return Object.hasOwn(this.#properties, name)
  }

  /** What applies to the value of a member. */
  below(name: string): ArgumentNames {
    if (!this.names(name)) {
      return (this.#otherwise ??= follow([...this.#patterned, ...this.#others], this.#document))
    }
    const known = this.#below.get(name)
    if (known !== undefined) return known
    const made = follow(
      [...[this.#properties[name]].filter(isJsonObject), ...this.#patterned],
      this.#document,
    )
    this.#below.set(name, made)
    return made
  }

  /** What applies to any element. */
  get elements(): ArgumentNames {
    return (this.#elements ??= follow(this.#items, this.#document))
  }
}

function foldNames(names: readonly string[]): ReadonlyMap<string, string> {
  const compared = names.filter((name) => isPlainName(name) || name.length <= comparedUnitsMax)
  return new Map(compared.map((name) => [foldCase(name), name]))
}

function valuesOf(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : []
}
