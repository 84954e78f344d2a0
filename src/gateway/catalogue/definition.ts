import { isUtf8 } from 'node:buffer'
import { paramAnnotation, parseParamHeaders, type ParamHeader } from '../../mcp/param-headers.ts'
import type { Problem } from '../../mcp/problem.ts'
import { comparedTotalMax, isKnownMember, isVariantOfKnownMember } from '../../mcp/member-names.ts'
import { skipSpace } from '../../mcp/lex.ts'
import type { Span } from '../../mcp/levels.ts'
import { scanTool } from '../../mcp/scan.ts'
import { parseArgumentNames, type ArgumentNames } from '../../mcp/schema-names.ts'
import { skipValue, type Room } from '../../mcp/skip.ts'
import { membersOf } from '../../mcp/spans.ts'
import { valueOf } from '../../policy/document.ts'
import { formatInput, type InputText } from '../../policy/input.ts'
import type { Value } from '../../policy/plan/values.ts'
import { canonicalize, type Canonical } from './canonical.ts'
import { tellTool, type ResourceText } from './resource-text.ts'

/** A tool as its server describes it, at one moment. */
export interface Definition {
  readonly name: string
  /** The octets of the definition, as they came. */
  readonly octets: Buffer
  /** Where its name stands in them. */
  nameSpan(): Span
  /** 64 hex digits: SHA-256 of the definition's canonical JSON, so that order and white space do not count. */
  readonly digest: string
  /** What the server says of the tool, which nobody has proved, and nobody can change. */
  readonly annotations: Value | undefined
  /** The same as text. */
  readonly annotationsText: InputText | undefined
  /** The arguments that callers repeat in headers, or why the tool cannot be offered over HTTP. */
  readonly paramHeaders: readonly ParamHeader[] | Problem
  /** The names of its arguments, read when it is called for the first time; undefined where its schema gives none. */
  argumentNames(): ArgumentNames | undefined
  /** What policy is told of it: made when it is wanted for the first time. It is of one server. */
  told(server: string): ResourceText
}

const scanLimits = { depthMax: 32, membersMax: 10_000 }
const definitionOctetsMax = 64 * 1024
/** Annotations are asked about with every call of the tool. */
const annotationsOctetsMax = 4096
/** MCP 2025-11-25 tools, tool names: at most 128 characters. */
export const toolNameCharactersMax = 128

/** How much of the names beyond ASCII is compared with known ones in one list: as much as in one message. */
export function oneList(): Room {
  return { left: comparedTotalMax }
}

/** What is known of octets before they are read as a definition. */
export interface Reading {
  /** How much of names beyond ASCII may still be compared. */
  readonly compared?: Room
  /** How many members and elements are in them, where they have been passed over before: then they are JSON. */
  readonly values?: number | undefined
  /** The definition of this name. Where it has these very octets it is the one in them. */
  readonly known?: (name: string) => Definition | undefined
}

/**
 * The definition in these octets, or a sentence that says why they are none. What two readers read differently or what policy cannot
 * be asked about is none: one such tool must not spoil a list.
 */
export function parseDefinition(octets: Buffer, reading: Reading = {}): Definition | string {
  if (octets.length > definitionOctetsMax) return `it is too large, want=..${definitionOctetsMax}`
  const parsed = parse(octets, reading)
  const known = parsed && knownOf(parsed.value, reading)
  if (known?.octets.equals(octets) === true) return known
  const read = (parsed && readPlain(parsed)) ?? readOdd(octets, reading)
  if (typeof read === 'string') return read
  const { value, canonical, mayDeclare } = read
  const { name, inputSchema } = value
  if (typeof name !== 'string' || name === '') return 'it has no name'
  if (name.length > toolNameCharactersMax) {
    return `its name is too long, want=..${toolNameCharactersMax}`
  }
  const annotations = annotationsOf(value, known)
  if (annotations === undefined) return 'its annotations cannot be asked about'
  const { digest } = canonical
  const paramHeaders = mayDeclare ? parseParamHeaders(inputSchema) : noHeaders
  return new OfOctets({ name, octets, digest, paramHeaders, ...annotations })
}

const noHeaders: readonly never[] = []

/** A definition that was read. A list has hundreds, and each is kept: what is made later has no place of its own. */
class OfOctets implements Definition {
  readonly name: string
  readonly octets: Buffer
  readonly digest: string
  readonly annotations: Value | undefined
  readonly annotationsText: InputText | undefined
  readonly paramHeaders: Definition['paramHeaders']
  #nameSpan: Span | undefined
  #argumentNames: { readonly names: ArgumentNames | undefined } | undefined
  #told: { readonly server: string; readonly text: ResourceText } | undefined

  constructor(read: Omit<Definition, 'nameSpan' | 'argumentNames' | 'told'>) {
    this.name = read.name
    // A copy: they are a part of a whole list, which nobody needs any more.
    this.octets = Buffer.from(read.octets)
    this.digest = read.digest
    this.annotations = read.annotations
    this.annotationsText = read.annotationsText
    this.paramHeaders = read.paramHeaders
  }

  nameSpan(): Span {
    return (this.#nameSpan ??= nameSpanIn(this.octets))
  }

  argumentNames(): ArgumentNames | undefined {
    this.#argumentNames ??= { names: parseArgumentNames(schemaIn(this.octets)) }
    return this.#argumentNames.names
  }

  told(server: string): ResourceText {
    if (this.#told?.server !== server) this.#told = { server, text: tellTool(server, this) }
    return this.#told.text
  }
}

interface Parsed {
  readonly text: string
  readonly value: unknown
  /** The members and elements that were passed over. */
  readonly values: number
}

/** Nothing is parsed before it was found to be JSON, and bounded. */
function parse(octets: Buffer, reading: Reading): Parsed | undefined {
  const values = reading.values ?? valuesIn(octets)
  if (values === undefined || values > scanLimits.membersMax) return undefined
  const text = octets.toString('utf8')
  return { text, value: JSON.parse(text) as unknown, values }
}

function knownOf(value: unknown, { known }: Reading): Definition | undefined {
  const name = isObject(value) ? value['name'] : undefined
  return typeof name === 'string' ? known?.(name) : undefined
}

interface Read {
  readonly value: Readonly<Record<string, unknown>>
  readonly canonical: Canonical
  /** Whether its schema may ask for headers. */
  readonly mayDeclare: boolean
}

/**
 * Reads what the scanner would find nothing in, at a third of its price; undefined where only that can tell. An escape by number is the
 * one way to write half a surrogate pair or a plain letter in two ways. A member that is named twice is one less in what was parsed than in
 * what was passed over.
 */
function readPlain({ text, value, values }: Parsed): Read | undefined {
  if (text.includes('\\u')) return undefined
  if (!isObject(value) || !Object.keys(value).every(isPlainMember)) return undefined
  const canonical = canonicalize(text, value)
  const isOdd =
    canonical.values !== values || canonical.depth > scanLimits.depthMax || canonical.hasProto
  const mayDeclare = text.includes(paramAnnotation)
  return isOdd ? undefined : { value, canonical, mayDeclare }
}

/** The members and elements of what is one JSON text in UTF-8; undefined where it is not, or has too many. */
function valuesIn(octets: Buffer): number | undefined {
  if (!isUtf8(octets)) return undefined
  const room = { left: scanLimits.membersMax }
  const end = skipValue(octets, skipSpace(octets, 0), room)
  if (end < 0 || skipSpace(octets, end) !== octets.length) return undefined
  return scanLimits.membersMax - room.left
}

/** None of these is written with an escape unless by number. */
const plainName = /^[ !#-.0-[\]-~]*$/

function isPlainMember(name: string): boolean {
  if (isKnownMember('tool', name)) return true
  return plainName.test(name) && !isVariantOfKnownMember('tool', name)
}

function readOdd(octets: Buffer, { compared = oneList() }: Reading): Read | string {
  const scanned = scanTool(octets, { ...scanLimits, compared })
  if ('rule' in scanned) return scanned.message
  const { value } = scanned
  return { value, canonical: canonicalize(octets.toString('utf8'), value), mayDeclare: true }
}

function nameSpanIn(octets: Buffer): Span {
  const whole = { start: skipSpace(octets, 0), end: octets.length }
  const span = membersOf(octets, whole)?.get('name')
  if (span === undefined) throw new TypeError('a definition has a name')
  return span
}

function schemaIn(octets: Buffer): unknown {
  return (JSON.parse(octets.toString('utf8')) as { readonly inputSchema?: unknown }).inputSchema
}

/** Undefined: they cannot be asked about. Those of the definition before are the same most often. */
function annotationsOf(
  { annotations: said }: Readonly<Record<string, unknown>>,
  before: Definition | undefined,
): Pick<Definition, 'annotations' | 'annotationsText'> | undefined {
  if (!isObject(said)) return { annotations: undefined, annotationsText: undefined }
  try {
    const annotationsText = formatInput(said, annotationsOctetsMax)
    if (annotationsText === before?.annotationsText) return before
    return { annotations: valueOf(annotationsText), annotationsText }
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
