/** A JSON Schema that OPA’s type checker reads; an empty one is of any type. */
export type TypeSchema = Readonly<Record<string, unknown>>

const any: TypeSchema = {}
const anyObject: TypeSchema = { type: 'object' }

/** Deeper is no rule's concern. */
const depthMax = 32
/** References may name one definition again and again, each time a little deeper: what is read is counted each time, by its size. */
const readMax = 20_000

/** What may bring members that `properties` does not list. */
const openers = [
  'patternProperties',
  'if',
  'then',
  'else',
  'dependencies',
  'dependentSchemas',
  'unevaluatedProperties',
  '$dynamicRef',
  '$recursiveRef',
]

type Json = Readonly<Record<string, unknown>>

interface Reading {
  readonly root: unknown
  /** References on the way here: one that comes again never ends. */
  readonly within: readonly string[]
  readonly depth: number
  readonly budget: { left: number }
}

/**
 * The types of a tool's arguments, for OPA's checker, of the `inputSchema` that its server gives. It is wider where the checker knows less
 * than JSON Schema does, and never narrower: what a call may have is no error. The checker takes a member that `properties` does not list
 * for a mistake always, so an object that may have others is of any members; recursion, which ends the checker, is cut.
 */
export function typeSchemaOf(inputSchema: unknown): TypeSchema {
  const reading = { root: inputSchema, within: [], depth: 0, budget: { left: readMax } }
  return read(inputSchema, reading)
}

function read(schema: unknown, reading: Reading): TypeSchema {
  const { depth, budget } = reading
  if (!isObject(schema) || depth > depthMax || budget.left <= 0) return any
  budget.left -= sizeOf(schema)
  const inner = { ...reading, depth: depth + 1 }
  const reference = own(schema, '$ref')
  if (reference !== undefined) return readReference(reference, schema, inner)
  const branches = branchesOf(schema)
  if (branches.length > 0) return readBranches(schema, branches, inner)
  const all = own(schema, 'allOf')
  if (all !== undefined) return readAll(schema, Array.isArray(all) ? all : [], inner)
  return readPlain(schema, inner)
}

/** Of itself, its members, and what they list; a reference by its length. */
function sizeOf(schema: Json): number {
  const lengths = Object.entries(schema).map(([name, value]) =>
    Array.isArray(value) || (name === '$ref' && typeof value === 'string') ? value.length : 1,
  )
  return lengths.reduce((sum, length) => sum + length, 1)
}

/** Within the document alone, and nowhere twice on one way. What stands beside a reference and brings no members narrows it, which is nothing to lose. */
function readReference(reference: unknown, schema: Json, reading: Reading): TypeSchema {
  const { $ref: _, ...beside } = schema
  if (typeof reference !== 'string' || !/^#(\/|$)/.test(reference)) return any
  if (reading.within.includes(reference) || mayBring(beside)) return any
  const target = reference
    .slice(1)
    .split('/')
    .slice(1)
    .map(segment)
    .reduce<unknown>((at, name) => (isObject(at) ? own(at, name) : undefined), reading.root)
  return read(target, { ...reading, within: [...reading.within, reference] })
}

/** RFC 6901 in a fragment. */
function segment(text: string): string {
  try {
    return decodeURIComponent(text).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    return text
  }
}

/** The checker does not read `oneOf`, which is an `anyOf` to it: one of the types. */
function branchesOf(schema: Json): readonly unknown[] {
  return ['anyOf', 'oneOf'].flatMap((name) => {
    const branches = own(schema, name)
    return Array.isArray(branches) ? branches : []
  })
}

function readBranches(schema: Json, branches: readonly unknown[], reading: Reading): TypeSchema {
  if (own(schema, 'allOf') !== undefined) return widened(schema)
  const isBare = ['type', 'properties'].every((name) => own(schema, name) === undefined)
  // Beside types of its own they say which members go together, or bring members of theirs.
  if (!isBare) {
    const bring = branches.some((branch) => !isObject(branch) || mayBring(branch))
    return bring ? widened(schema) : readPlain(schema, reading)
  }
  return unionOf(branches.map((branch) => read(branch, reading)))
}

function unionOf(each: readonly TypeSchema[]): TypeSchema {
  return each.some((one) => Object.keys(one).length === 0) ? any : { anyOf: each }
}

function mayBring(branch: Json): boolean {
  const names = ['properties', '$ref', 'anyOf', 'oneOf', 'allOf', ...openers]
  return names.some((name) => own(branch, name) !== undefined)
}

/** Objects that are all of them have the members of each. */
function readAll(schema: Json, parts: readonly unknown[], reading: Reading): TypeSchema {
  const { allOf: _, ...rest } = schema
  const each = [rest, ...parts].map((part) => read(part, reading))
  const isUnknown = each.some((one, at) => {
    const part = at === 0 ? rest : parts[at - 1]
    return Object.keys(one).length === 0 && isObject(part) && mayBring(part)
  })
  if (isUnknown) return widened(schema)
  const told = each.filter((one) => Object.keys(one).length > 0)
  const members = told.map(({ properties }) => properties)
  if (!members.every(isObject)) return told.length === 1 ? (told[0] as TypeSchema) : widened(schema)
  const names = members.flatMap((one) => Object.keys(one))
  const counts = Map.groupBy(names, (name) => name)
  const isTwice = (name: string): boolean => counts.get(name)?.length !== 1
  const merged = members.flatMap((one) =>
    Object.entries(one).map(([name, type]) => [name, isTwice(name) ? any : type] as const),
  )
  return told.length === 0 ? any : { type: 'object', properties: Object.fromEntries(merged) }
}

/** Of any members, where it is an object at all. */
function widened(schema: Json): TypeSchema {
  return own(schema, 'type') === 'object' || isObject(own(schema, 'properties')) ? anyObject : any
}

const types = new Set(['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'])

function readPlain(schema: Json, reading: Reading): TypeSchema {
  const type = own(schema, 'type') ?? typeOfValues(schema)
  if (Array.isArray(type)) {
    const each = [...new Set<unknown>(type)]
    if (!each.every(isType)) return any
    return unionOf(each.map((one) => readPlain({ ...schema, type: one }, reading)))
  }
  if (type === undefined && isObject(own(schema, 'properties'))) return readMembers(schema, reading)
  if (!isType(type)) return any
  if (type === 'object') return readMembers(schema, reading)
  return type === 'array' ? readItems(schema, reading) : { type, ...listedOf(schema, type) }
}

/** The values that are listed, for the lint alone: the checker takes any value of the type. One of another type cannot be meant. */
function listedOf(schema: Json, type: string): { readonly enum?: readonly unknown[] } {
  const listed = Object.hasOwn(schema, 'const') ? [own(schema, 'const')] : own(schema, 'enum')
  if (!Array.isArray(listed)) return {}
  const values = [...new Set<unknown>(listed)].filter((value) => isOf(value, type))
  return values.length > 0 ? { enum: values } : {}
}

function isOf(value: unknown, type: string): boolean {
  if (value === null) return type === 'null'
  return typeof value === (type === 'integer' ? 'number' : type)
}

function isType(type: unknown): type is string {
  return typeof type === 'string' && types.has(type)
}

/** Of values that are all of one type, it. */
function typeOfValues(schema: Json): string | undefined {
  const values = own(schema, 'enum') ?? [own(schema, 'const')]
  if (!Array.isArray(values)) return undefined
  const [first, ...more] = new Set(values.map((value) => typeof value))
  const isPlain = first === 'string' || first === 'number' || first === 'boolean'
  return isPlain && more.length === 0 ? first : undefined
}

function readMembers(schema: Json, reading: Reading): TypeSchema {
  const members = own(schema, 'properties')
  const more = own(schema, 'additionalProperties')
  const isOpen = openers.some((name) => own(schema, name) !== undefined)
  if (isOpen || (more !== undefined && more !== false)) return anyObject
  // Without `properties` it says nothing of members.
  if (!isObject(members)) return anyObject
  const entries = Object.entries(members).map(
    ([name, member]) => [name, read(member, reading)] as const,
  )
  return { type: 'object', properties: Object.fromEntries(entries) }
}

function readItems(schema: Json, reading: Reading): TypeSchema {
  const items = own(schema, 'items')
  const isList = isObject(items) && own(schema, 'prefixItems') === undefined
  return isList ? { type: 'array', items: read(items, reading) } : { type: 'array' }
}

function own(schema: Json, name: string): unknown {
  return Object.hasOwn(schema, name) ? schema[name] : undefined
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
