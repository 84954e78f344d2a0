import type { Reading } from './numbers.ts'
import { badRequest, problemCodes, type Problem } from './problem.ts'
import { isIntegerId } from './readable-id.ts'
import type { Offsets } from './levels.ts'
import { scan, type JsonObject, type ScanLimits, type ScanRule } from './scan.ts'

export interface MessageId {
  /** The id as the body writes it. */
  readonly raw: string
  readonly value: string | number
}

export interface Call {
  readonly kind: 'request' | 'notification'
  /** Requests have one, notifications none (JSON-RPC 2.0 §4.1). */
  readonly id: MessageId | undefined
  readonly method: string
  /** `{}` where the body has none. */
  readonly params: JsonObject
  readonly offsets: Offsets
  /** The reading of the number in `params.arguments` on which parsers agree least. */
  readonly argumentNumbers: Reading
}

export interface Reply {
  readonly kind: 'response'
  readonly id: MessageId
  readonly outcome: 'result' | 'error'
  readonly offsets: Offsets
}

/** One JSON-RPC 2.0 message of the shape that MCP allows, whatever its era: no batch, no null id, params an object. */
export function parseEnvelope(body: Buffer, limits: ScanLimits): Call | Reply | Problem {
  const scanned = scan(body, limits)
  if ('rule' in scanned) {
    return badRequest(scanCode(scanned.rule), scanned.message)
  }
  const { value, offsets, argumentNumbers } = scanned
  const id = parseId(body, value, offsets)
  if (id === 'invalid') return invalid('id must be a string or an integer')
  const fault = envelopeFault(value)
  if (fault !== undefined) return invalid(fault)
  const params = value['params'] as JsonObject | undefined
  if (typeof value['method'] === 'string') {
    const kind = id === undefined ? 'notification' : 'request'
    return { kind, id, method: value['method'], params: params ?? {}, offsets, argumentNumbers }
  }
  if (id === undefined) return invalid('a response must have an id')
  return { kind: 'response', id, outcome: 'result' in value ? 'result' : 'error', offsets }
}

function invalid(message: string): Problem {
  return badRequest(problemCodes.invalidRequest, message)
}

function scanCode(rule: ScanRule): number {
  const isNotJson = rule === 'utf8' || rule === 'malformed'
  return isNotJson ? problemCodes.parseError : problemCodes.invalidRequest
}

function parseId(
  body: Buffer,
  value: JsonObject,
  offsets: Offsets,
): MessageId | undefined | 'invalid' {
  if (offsets.id === undefined) return undefined
  const id = value['id']
  const raw = body.toString('utf8', offsets.id.start, offsets.id.end)
  if (typeof id === 'string') return { raw, value: id }
  return typeof id === 'number' && isIntegerId(raw) ? { raw, value: id } : 'invalid'
}

const callMembers = new Set(['jsonrpc', 'id', 'method', 'params'])
const replyMembers = new Set(['jsonrpc', 'id', 'result', 'error'])

/** What makes the object no JSON-RPC message, if anything does. */
function envelopeFault(value: JsonObject): string | undefined {
  if (value['jsonrpc'] !== '2.0') return 'jsonrpc must be "2.0"'
  const isCall = 'method' in value
  const members = isCall ? callMembers : replyMembers
  for (const name in value) {
    if (!members.has(name)) return 'an unknown member beside the JSON-RPC ones'
  }
  return isCall ? callFault(value) : replyFault(value)
}

function callFault(value: JsonObject): string | undefined {
  if (typeof value['method'] !== 'string' || value['method'] === '') return 'method must be a name'
  if (!('params' in value)) return undefined
  const params = value['params']
  if (!isJsonObject(params)) return 'params must be an object'
  if ('_meta' in params && !isJsonObject(params['_meta'])) return 'params._meta must be an object'
  return undefined
}

function replyFault(value: JsonObject): string | undefined {
  if ('result' in value === 'error' in value) return 'want a method, a result or an error'
  const outcome = value['result'] ?? value['error']
  return isJsonObject(outcome) ? undefined : 'a result or an error must be an object'
}

/** An object of JSON: no array, no null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
