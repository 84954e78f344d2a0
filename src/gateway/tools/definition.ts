import { createHash } from 'node:crypto'
import { parseParamHeaders, type ParamHeader } from '../../mcp/param-headers.ts'
import type { Problem } from '../../mcp/problem.ts'

/** A tool as its server describes it, at one moment. */
export interface Definition {
  readonly name: string
  /** The octets of the definition, as they came. */
  readonly octets: Buffer
  /** 64 hex digits: SHA-256 of the definition's canonical JSON, so that order and white space do not count. */
  readonly digest: string
  /** What the server says of the tool; nobody has proved it. */
  readonly annotations: object | undefined
  /** The arguments that callers repeat in headers, or why the tool cannot be offered over HTTP. */
  readonly paramHeaders: readonly ParamHeader[] | Problem
}

/** The definition in these octets, or undefined when they describe no tool. */
export function parseDefinition(octets: Buffer): Definition | undefined {
  const text = octets.toString('utf8')
  const value: unknown = JSON.parse(text)
  if (!isObject(value) || typeof value['name'] !== 'string' || value['name'] === '')
    return undefined
  const annotations = value['annotations']
  return {
    name: value['name'],
    octets,
    digest: digestDefinition(text),
    annotations: isObject(annotations) ? annotations : undefined,
    paramHeaders: parseParamHeaders(value['inputSchema']),
  }
}

/** SHA-256 of canonical JSON, hex: the digest to put into a pin. */
export function digestDefinition(text: string): string {
  return createHash('sha256').update(canonicalJson(text)).digest('hex')
}

/**
 * Members sorted, no white space (RFC 8785), except that a number which a double does not hold keeps its digits: two definitions
 * that differ only there must not have one digest.
 */
function canonicalJson(text: string): string {
  const parsed: unknown = JSON.parse(text, exactNumber as (key: string, value: unknown) => unknown)
  return write(parsed)
}

class ExactNumber {
  readonly #source: string
  constructor(source: string) {
    this.#source = source
  }
  toString(): string {
    return this.#source
  }
}

function exactNumber(_: string, value: unknown, context: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  return context.source === undefined || String(value) === context.source
    ? value
    : new ExactNumber(context.source)
}

function write(value: unknown): string {
  if (value instanceof ExactNumber) return value.toString()
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  if (!isObject(value)) return JSON.stringify(value)
  const members = Object.keys(value).toSorted()
  return `{${members.map((name) => `${JSON.stringify(name)}:${write(value[name])}`).join(',')}}`
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
