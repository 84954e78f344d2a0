import { hash } from 'node:crypto'
import { parseParamHeaders, type ParamHeader } from '../../mcp/param-headers.ts'
import type { Problem } from '../../mcp/problem.ts'
import { comparedTotalMax } from '../../mcp/member-names.ts'
import { skipSpace } from '../../mcp/lex.ts'
import { scanTool, type Span } from '../../mcp/scan.ts'
import { parseArgumentNames, type ArgumentNames } from '../../mcp/schema-names.ts'
import { membersOf } from '../../mcp/spans.ts'
import { formatInput } from '../../policy/input.ts'

/** A tool as its server describes it, at one moment. */
export interface Definition {
  readonly name: string
  /** The octets of the definition, as they came, and where its name stands in them. */
  readonly octets: Buffer
  readonly nameSpan: Span
  /** 64 hex digits: SHA-256 of the definition's canonical JSON, so that order and white space do not count. */
  readonly digest: string
  /** What the server says of the tool; nobody has proved it. */
  readonly annotations: object | undefined
  /** The arguments that callers repeat in headers, or why the tool cannot be offered over HTTP. */
  readonly paramHeaders: readonly ParamHeader[] | Problem
  /** The names of its arguments, read when it is called for the first time; undefined where its schema gives none. */
  readonly argumentNames: () => ArgumentNames | undefined
}

const scanLimits = { depthMax: 32, membersMax: 10_000 }
const definitionOctetsMax = 64 * 1024
/** Annotations are asked about with every call of the tool. */
const annotationsOctetsMax = 4096
/** MCP 2025-11-25 tools, tool names: at most 128 characters. */
export const toolNameCharactersMax = 128

/** How much of the names beyond ASCII is compared with known ones in one list: as much as in one message. */
export function oneList(): { left: number } {
  return { left: comparedTotalMax }
}

/**
 * The definition in these octets, or a sentence that says why they are none. What two readers read differently or what policy cannot
 * be asked about is none: one such tool must not spoil a list.
 */
export function parseDefinition(
  octets: Buffer,
  compared: { left: number } = oneList(),
): Definition | string {
  if (octets.length > definitionOctetsMax) return `it is too large, want=..${definitionOctetsMax}`
  const scanned = scanTool(octets, { ...scanLimits, compared })
  if ('rule' in scanned) return scanned.message
  const { name, annotations, inputSchema } = scanned.value as Readonly<Record<string, unknown>>
  if (typeof name !== 'string' || name === '') return 'it has no name'
  if (name.length > toolNameCharactersMax) {
    return `its name is too long, want=..${toolNameCharactersMax}`
  }
  const nameSpan = membersOf(octets, { start: skipSpace(octets, 0), end: octets.length })?.get(
    'name',
  )
  if (nameSpan === undefined) return 'it has no name'
  const told = isObject(annotations) ? annotations : undefined
  if (told !== undefined && !isFit(told)) return 'its annotations cannot be asked about'
  return {
    name,
    octets,
    nameSpan,
    digest: digestDefinition(octets.toString('utf8'), scanned.value),
    annotations: told,
    paramHeaders: parseParamHeaders(inputSchema),
    argumentNames: argumentNamesIn(octets),
  }
}

function argumentNamesIn(octets: Buffer): Definition['argumentNames'] {
  let read: { readonly names: ArgumentNames | undefined } | undefined
  return () => {
    if (read === undefined) {
      const { inputSchema } = JSON.parse(octets.toString('utf8')) as { inputSchema?: unknown }
      read = { names: parseArgumentNames(inputSchema) }
    }
    return read.names
  }
}

function isFit(annotations: object): boolean {
  try {
    formatInput(annotations, annotationsOctetsMax)
    return true
  } catch {
    return false
  }
}

/** SHA-256 of canonical JSON, hex: the digest to put into a pin. */
export function digestDefinition(text: string, parsed: unknown = JSON.parse(text)): string {
  return hash('sha256', canonicalJson(text, parsed), 'hex')
}

/** What every number has in it that a double may not hold, or that is written otherwise than ours; so may strings. */
const oddNumber = /[0-9][.eE]|[0-9]{16}/

/**
 * Members sorted, no white space (RFC 8785), except that a number which a double does not hold keeps its digits: two definitions
 * that differ only there must not have one digest.
 */
function canonicalJson(text: string, parsed: unknown): string {
  if (!oddNumber.test(text)) return write(parsed)
  return write(JSON.parse(text, exactNumber as (key: string, value: unknown) => unknown))
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
