import { quoted } from '../errors.ts'
import { isJsonObject } from './envelope.ts'
import { decodeHeaderValue } from './header-value.ts'
import { duplicateHeader, stripped, type ReadonlyHeaders } from './headers.ts'
import { badRequest, problemCodes, type Problem } from './problem.ts'
import type { JsonObject } from './scan.ts'

/** An argument that the client repeats in `Mcp-Param-<name>`. */
export interface ParamHeader {
  /** Lower case, with its prefix. */
  readonly header: string
  /** The member names that lead to the argument. */
  readonly path: readonly string[]
  readonly type: 'string' | 'integer' | 'boolean'
}

/** The member of a schema that asks for a header. */
export const paramAnnotation = 'x-mcp-header'
const headerPrefix = 'mcp-param-'
const schemaDepthMax = 64
// RFC 9110 §5.6.2
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/**
 * The arguments that a tool's inputSchema asks clients to mirror, or why the tool is not usable over HTTP and must not be
 * listed (MCP 2026-07-28 transports, custom headers from tool parameters).
 */
export function parseParamHeaders(inputSchema: unknown): readonly ParamHeader[] | Problem {
  const found = new Map<string, ParamHeader>()
  const fault = collect(inputSchema, [], { found, isReachable: true, depth: 0 })
  if (fault === undefined) return [...found.values()]
  return badRequest(problemCodes.invalidParams, `the tool's inputSchema: ${fault}`)
}

interface Walk {
  /** By the name of the header. */
  readonly found: Map<string, ParamHeader>
  /** Whether only `properties` led here; an annotation anywhere else makes the definition invalid. */
  readonly isReachable: boolean
  readonly depth: number
}

function collect(schema: unknown, path: readonly string[], walk: Walk): string | undefined {
  if (typeof schema !== 'object' || schema === null) return undefined
  if (walk.depth > schemaDepthMax) return `nesting too deep, want=..${schemaDepthMax}`
  const below = { ...walk, depth: walk.depth + 1 }
  if (Array.isArray(schema)) return first(schema, (one) => collect(one, path, hidden(below)))
  const keywords = schema as JsonObject
  if (Object.hasOwn(keywords, paramAnnotation)) {
    const fault = collectHeader(keywords, path, walk)
    if (fault !== undefined) return fault
  }
  return first(Object.entries(keywords), ([keyword, value]) => {
    if (isLiteral.has(keyword)) return undefined
    if (keyword !== 'properties' || !isJsonObject(value)) {
      return collect(value, path, hidden(below))
    }
    return first(Object.entries(value), ([name, one]) => collect(one, [...path, name], below))
  })
}

// Their values are data and no schema: what they hold declares nothing (JSON Schema 2020-12 validation §6.1, §9).
const isLiteral = new Set(['const', 'enum', 'default', 'examples', 'required', paramAnnotation])

function hidden(walk: Walk): Walk {
  return { ...walk, isReachable: false }
}

function first<T>(items: readonly T[], judge: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const fault = judge(item)
    if (fault !== undefined) return fault
  }
  return undefined
}

function collectHeader(
  schema: JsonObject,
  path: readonly string[],
  walk: Walk,
): string | undefined {
  if (!walk.isReachable || path.length === 0)
    return `${paramAnnotation} where no property can be read`
  const name = schema[paramAnnotation]
  if (typeof name !== 'string' || !token.test(name))
    return `${paramAnnotation} is not a header name`
  const type = schema['type']
  if (type !== 'string' && type !== 'integer' && type !== 'boolean') {
    return `${paramAnnotation} on a property that is no string, integer or boolean`
  }
  const header = `${headerPrefix}${name.toLowerCase()}`
  if (walk.found.has(header)) return `${paramAnnotation} ${quoted(name)} twice`
  walk.found.set(header, { header, path, type })
  return undefined
}

/** Whether every `Mcp-Param-*` header that the tool's schema asks for says what the arguments say. */
export function compareParamHeaders(
  declared: readonly ParamHeader[],
  args: JsonObject | undefined,
  headers: ReadonlyHeaders,
): Problem | undefined {
  if (declared.length === 0) return undefined
  const sent = paramHeadersOf(headers)
  for (const { header, path, type } of declared) {
    const [value, ...more] = sent.get(header) ?? []
    if (more.length > 0) return duplicateHeader(header)
    const fault = mirrorFault(argumentAt(args, path), value, type)
    if (fault !== undefined) {
      return badRequest(problemCodes.headerMismatch, `header ${header} ${fault}`)
    }
  }
  return undefined
}

/** The headers that say what the arguments say, each with its text before it is encoded. An argument of another type has none. */
export function formatParamHeaders(
  declared: readonly ParamHeader[],
  args: JsonObject | undefined,
): readonly (readonly [header: string, text: string])[] {
  return declared.flatMap(({ header, path, type }) => {
    const argument = argumentAt(args, path)
    return isOfType(argument, type) ? [[header, String(argument)] as const] : []
  })
}

/** One walk for all that are declared: a tool may declare many, and a caller send many. */
function paramHeadersOf(headers: ReadonlyHeaders): ReadonlyMap<string, readonly string[]> {
  const sent = new Map<string, string[]>()
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index]?.toLowerCase() ?? ''
    if (!name.startsWith(headerPrefix)) continue
    const value = stripped(headers[index + 1] ?? '')
    const values = sent.get(name)
    if (values === undefined) sent.set(name, [value])
    else values.push(value)
  }
  return sent
}

function argumentAt(args: JsonObject | undefined, path: readonly string[]): unknown {
  let value: unknown = args
  for (const name of path) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

// Integers are compared as numbers, so 42 is 42.0; any other fraction could round to the argument.
const integer = /^-?(?:0|[1-9]\d*)(?:\.0+)?$/

function mirrorFault(
  argument: unknown,
  sent: string | undefined,
  type: ParamHeader['type'],
): string | undefined {
  if (argument === undefined || argument === null) {
    return sent === undefined ? undefined : 'without an argument to mirror'
  }
  if (sent === undefined) return 'is missing'
  const text = decodeHeaderValue(sent)
  if (text === undefined) return 'is neither plain ASCII nor base64'
  if (!isOfType(argument, type)) return `mirrors an argument that is no ${type}`
  const equal =
    type === 'integer' ? integer.test(text) && Number(text) === argument : text === String(argument)
  return equal ? undefined : 'differs from the argument'
}

function isOfType(
  argument: unknown,
  type: ParamHeader['type'],
): argument is string | number | boolean {
  return type === 'integer' ? Number.isSafeInteger(argument) : typeof argument === type
}
