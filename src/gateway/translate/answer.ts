import { applyEdits, type Edit } from '../../mcp/edits.ts'
import { skipSpace } from '../../mcp/lex.ts'
import type { Span } from '../../mcp/levels.ts'
import { octet } from '../../mcp/lex.ts'
import type { Era } from '../../mcp/message.ts'
import { problemCodes } from '../../mcp/problem.ts'
import { membersOf } from '../../mcp/spans.ts'

/*
 * An answer in the form of the other era. Members that one era has and the other has not are left out or added; the octets of all others
 * are the server's. The answer has been judged before.
 */

/** To whom an answer is told. */
export interface Told {
  /** The era of the caller; the server has answered in the other one. */
  readonly era: Era
  readonly method: string
  /** The id of the request as its body writes it. */
  readonly rawId: string
  /** The name or URI that was asked for, as the caller knows it. */
  readonly name: string
  /** Whether the tool's output is described to the caller as wrapped: see `outputForLegacy`. */
  readonly wraps: boolean
}

export type Texts = Readonly<Record<string, string | Buffer>>

/** Cache fields and the type of a result are modern alone (MCP 2026-07-28 base protocol, results). */
const modernMembers: ReadonlySet<string> = new Set(['resultType', 'ttlMs', 'cacheScope'])

/** A whole answer; `result` is where its result stands, undefined for an error. */
export function translateAnswer(octets: Buffer, result: Span | undefined, told: Told): Buffer {
  if (result === undefined) return translateError(octets, told)
  const members = membersOf(octets, result) ?? new Map<string, Span>()
  return translateResult({ octets, members }, told, { texts: wrapped(octets, members, told) })
}

/** The members of a result, and where they stand. */
export interface ResultThere {
  readonly octets: Buffer
  readonly members: ReadonlyMap<string, Span>
}

/** The answer with these members of its result anew, and without those. */
export function translateResult(
  { octets, members }: ResultThere,
  { era, rawId }: Told,
  { texts = {}, without = [] }: { readonly texts?: Texts; readonly without?: readonly string[] },
): Buffer {
  const own: Texts = era === 'modern' ? { resultType: '"complete"', ...texts } : texts
  const parts: (string | Buffer)[] = [`{"jsonrpc":"2.0","id":${rawId},"result":{`]
  let isFirst = true
  const add = (name: string, text: string | Buffer): void => {
    parts.push(`${isFirst ? '' : ','}${JSON.stringify(name)}:`, text)
    isFirst = false
  }
  for (const [name, span] of members) {
    if (Object.hasOwn(own, name) || without.includes(name)) continue
    if (era === 'legacy' && modernMembers.has(name)) continue
    add(name, octets.subarray(span.start, span.end))
  }
  for (const [name, text] of Object.entries(own)) add(name, text)
  parts.push('}}')
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
}

/** A legacy result has an object there and nothing else (MCP 2025-11-25 schema, CallToolResult). */
function wrapped(octets: Buffer, members: ResultThere['members'], told: Told): Texts {
  const span = members.get('structuredContent')
  if (told.era !== 'legacy' || span === undefined) return {}
  if (!told.wraps && octets[span.start] === octet.objectOpen) return {}
  const value = octets.subarray(span.start, span.end)
  const text = Buffer.concat([Buffer.from('{"result":'), value, Buffer.from('}')])
  return { structuredContent: text }
}

/** MCP 2025-11-25 resources, error handling; a modern server says -32602 and names the URI. */
const resourceNotFound = -32002
/** MCP 2026-07-28, error codes of its own. */
const headerMismatch = problemCodes.headerMismatch
const capabilityMissing = -32021
const versionUnsupported = problemCodes.unsupportedProtocolVersion
const internalError = -32603
const methodNotFound = -32601

function translateError(octets: Buffer, told: Told): Buffer {
  const start = skipSpace(octets, 0)
  const error = membersOf(octets, { start, end: octets.length })?.get('error')
  const members = error && membersOf(octets, error)
  if (error === undefined || members === undefined) throw new TypeError('an error is an object')
  const edits = editsOfError(octets, members, told).map(({ start: from, end, text }) => ({
    start: from - error.start,
    end: end - error.start,
    text,
  }))
  const text = applyEdits(octets.subarray(error.start, error.end), edits)
  return Buffer.concat([
    Buffer.from(`{"jsonrpc":"2.0","id":${told.rawId},"error":`),
    text,
    Buffer.from('}'),
  ])
}

function editsOfError(
  octets: Buffer,
  members: ReadonlyMap<string, Span>,
  { era, method, name }: Told,
): readonly Edit[] {
  const span = members.get('code')
  if (span === undefined) throw new TypeError('an error has a code')
  const code = JSON.parse(octets.toString('utf8', span.start, span.end)) as number
  const data = members.get('data')
  const isRead = method === 'resources/read'
  if (era === 'modern') {
    if (!isRead || code !== resourceNotFound) return []
    const uri = `{"uri":${JSON.stringify(name)}}`
    const named: Edit =
      data === undefined
        ? { start: span.end, end: span.end, text: `,"data":${uri}` }
        : { ...data, text: uri }
    return [{ ...span, text: String(problemCodes.invalidParams) }, named]
  }
  const value = data === undefined ? undefined : valueIn(octets, data)
  if (isRead && code === problemCodes.invalidParams && isOfAUri(value)) {
    return [{ ...span, text: String(resourceNotFound) }]
  }
  if (code === headerMismatch) return [{ ...span, text: String(problemCodes.invalidParams) }]
  if (code === versionUnsupported) return [{ ...span, text: String(internalError) }]
  if (code !== capabilityMissing) return []
  const message = members.get('message')
  const text = `the tool server needs what is not carried from one era to the other${namesIn(value)}`
  return [
    { ...span, text: String(problemCodes.invalidParams) },
    ...(message === undefined ? [] : [{ ...message, text: JSON.stringify(text) }]),
  ]
}

/** The HTTP status of an error to a modern client (MCP 2026-07-28 transports): 404 is of a method that is not there. */
export function statusToModern(octets: Buffer): number {
  const { error } = JSON.parse(octets.toString('utf8')) as { readonly error: { code: unknown } }
  return error.code === methodNotFound ? 404 : 200
}

function valueIn(octets: Buffer, { start, end }: Span): unknown {
  return JSON.parse(octets.toString('utf8', start, end))
}

function isOfAUri(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'uri' in data
}

/** Names of capabilities are of the protocol; what else stands there is not passed on. */
const capabilityName = /^[a-z]{1,32}$/i

function namesIn(data: unknown): string {
  const { requiredCapabilities } = (data ?? {}) as { readonly requiredCapabilities?: unknown }
  if (typeof requiredCapabilities !== 'object' || requiredCapabilities === null) return ''
  const names = Object.keys(requiredCapabilities).filter((name) => capabilityName.test(name))
  return names.length === 0 ? '' : `: ${names.slice(0, 8).join(', ')}`
}
