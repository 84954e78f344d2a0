import * as z from 'zod'
import { CountersignError, cut, quoted } from '../errors.ts'
import { nearestName } from '../nearest-name.ts'
import { faultInJson, quotedPointer, refusedData, type DataDocument } from './data-document.ts'

/** What the operator's data may hold. */
export interface DataSchemas {
  /** Throws `policy/data` with every fault of the document, each with its JSON pointer. */
  check(document: DataDocument): void
}

/** The parts of JSON Schema that lead to the members which a place may have. */
interface Schema {
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly required?: readonly string[]
  readonly definitions?: Readonly<Record<string, Schema>>
}

/** So many are told at once: a file that is altogether another one has thousands. */
const faultsMax = 5

/**
 * Reads `schemas.json` of a bundle: a JSON Schema (draft 7) for each root of data, the same that `opa check --schema` types the rules
 * with. A root without one is unknown. What a schema requires is not asked of a document: the bundle or another one may say it.
 * Throws `policy/bundle`.
 */
export function parseDataSchemas(text: string): DataSchemas {
  try {
    const schemas = JSON.parse(text) as Readonly<Record<string, Schema>>
    const fault = faultInJson(text)
    if (fault !== undefined) throw new TypeError(fault)
    const properties = Object.entries(schemas).map(([root, schema]) => {
      const { required: _, ...partial } = schema
      return [root, z.fromJSONSchema(partial as z.core.JSONSchema.JSONSchema).optional()] as const
    })
    const whole = z.strictObject(Object.fromEntries(properties))
    return { check: (document) => checkWith(whole, { properties: schemas }, document) }
  } catch (cause) {
    throw new CountersignError('policy/bundle', 'schemas.json holds no JSON Schemas', { cause })
  }
}

function checkWith(whole: z.ZodType, schema: Schema, { name, value }: DataDocument): void {
  // Nothing of a schema becomes code.
  const parsed = whole.safeParse(value, { jitless: true })
  if (parsed.success) return
  const faults = parsed.error.issues.flatMap((issue) => describe(issue, value, schema))
  const more = faults.length > faultsMax ? `; and ${faults.length - faultsMax} more` : ''
  throw refusedData(name, `${faults.slice(0, faultsMax).join('; ')}${more}`)
}

function describe(issue: z.core.$ZodIssue, value: unknown, schema: Schema): readonly string[] {
  const path = issue.path.map(String)
  if (issue.code !== 'unrecognized_keys')
    return [`${quotedPointer(path)}: ${faultOf(issue, valueAt(value, path))}`]
  const known = membersAt(schema, path)
  return issue.keys.map(
    (key) => `${quotedPointer([...path, key])}: no such member, ${instead(key, known)}`,
  )
}

function faultOf(issue: z.core.$ZodIssue, got: unknown): string {
  if (issue.code === 'invalid_type') return `want=${issue.expected} got=${kindOf(got)}`
  if (issue.code === 'invalid_key') return `want=a name that matches ${patternOf(issue.issues)}`
  if (issue.code === 'invalid_value') return `want=${issue.values.map(String).join('|')}`
  if (issue.code === 'invalid_union') {
    const wanted = issue.errors
      .flat()
      .map((inner) => (inner.code === 'invalid_type' ? inner.expected : inner.message))
    return `want=${wanted.join('|')} got=${kindOf(got)}`
  }
  return cut(`${issue.message.charAt(0).toLowerCase()}${issue.message.slice(1)}`, 200)
}

function patternOf(issues: readonly z.core.$ZodIssue[]): string {
  const [issue] = issues
  return issue?.code === 'invalid_format' ? String(issue.pattern) : 'its schema'
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, name) => (at as Readonly<Record<string, unknown>> | undefined)?.[name],
    value,
  )
}

/** The members that the schema knows at this place. */
function membersAt(root: Schema, path: readonly string[]): readonly string[] {
  let home = root
  let at: Schema | undefined = root
  for (const name of path) {
    at = at?.properties?.[name] ?? additionalIn(at) ?? at?.items
    // The roots are schemas of their own, each with its definitions.
    if (home === root && at !== undefined) home = at
    const reference: string | undefined = at?.$ref?.replace(/^#\/definitions\//, '')
    if (reference !== undefined) at = home.definitions?.[reference]
  }
  return Object.keys(at?.properties ?? {})
}

function additionalIn(schema: Schema | undefined): Schema | undefined {
  const additional = schema?.additionalProperties
  return typeof additional === 'object' ? additional : undefined
}

function instead(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known)
  return nearest === undefined
    ? `want=${known.join('|') || 'none'}`
    : `did you mean ${quoted(nearest)}`
}
