import { quoted } from '../errors.ts'
import { problemCodes, type Problem } from './problem.ts'

/** Node's `rawHeaders`: name, value, name, value, as they came, so that a duplicate is seen. */
export type ReadonlyHeaders = readonly string[]

/** The headers that judge a message, by their lower-case name; absent where the request has none. */
export interface MessageHeaders {
  accept?: string
  'content-type'?: string
  'mcp-protocol-version'?: string
  'mcp-method'?: string
  'mcp-name'?: string
  'mcp-session-id'?: string
}

const mirrors = ['mcp-protocol-version', 'mcp-method', 'mcp-name', 'mcp-session-id']
const read = new Set(['accept', 'content-type', ...mirrors])

/** Node keeps the first of some duplicates and joins others, so a second line of any header that is read is refused. */
export function parseHeaders(raw: ReadonlyHeaders): MessageHeaders | Problem {
  const headers: MessageHeaders = {}
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]?.toLowerCase() ?? ''
    if (!read.has(name)) continue
    const key = name as keyof MessageHeaders
    if (headers[key] !== undefined) return duplicateHeader(name)
    headers[key] = stripped(raw[index + 1] ?? '')
  }
  return headers
}

export function duplicateHeader(name: string): Problem {
  const code = name.startsWith('mcp-') ? problemCodes.headerMismatch : problemCodes.invalidRequest
  return { status: 400, code, message: `header ${name} more than once` }
}

/** Without the SP and HTAB around it (MCP 2026-07-28 transports, header validation); a loop, as a pattern would backtrack. */
export function stripped(value: string): string {
  let start = 0
  let end = value.length
  while (start < end && isBlank(value.charCodeAt(start))) start++
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--
  return value.slice(start, end)
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || unit === 0x09
}

const sentinel = /^=\?base64\?(.*)\?=$/s
const visible = /^[\x20-\x7e\t]*$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The text that a mirroring header stands for: plain ASCII, or UTF-8 in base64 between exact markers. Undefined where it
 * is neither (MCP 2026-07-28 transports, value encoding).
 */
export function decodeHeaderValue(value: string): string | undefined {
  const encoded = sentinel.exec(value)?.[1]
  if (encoded === undefined) return visible.test(value) ? value : undefined
  const octets = Buffer.from(encoded, 'base64')
  if (octets.toString('base64') !== encoded) return undefined
  try {
    return utf8.decode(octets)
  } catch {
    return undefined
  }
}

/** 415 unless the body is declared as JSON, and in UTF-8 where a charset is named (RFC 8259 §8.1). */
export function checkContentType(value: string | undefined): Problem | undefined {
  const [essence, ...parameters] = (value ?? '').toLowerCase().split(';').map(stripped)
  const isJson = essence === 'application/json'
  const isUtf8 = parameters.every((one) => one === 'charset=utf-8' || one === 'charset="utf-8"')
  if (isJson && isUtf8) return undefined
  const message = `content-type not served: want=application/json got=${quoted(value ?? '')}`
  return { status: 415, code: problemCodes.invalidRequest, message }
}

/** 406 unless the client takes both forms of an answer: which one comes is the server's choice. */
export function checkAccept(value: string | undefined): Problem | undefined {
  const accepted = new Set((value ?? '').toLowerCase().split(',').flatMap(acceptedType))
  if (accepted.has('application/json') && accepted.has('text/event-stream')) return undefined
  const want = 'application/json, text/event-stream'
  const message = `accept lacks a type: want=${quoted(want)} got=${quoted(value ?? '')}`
  return { status: 406, code: problemCodes.invalidRequest, message }
}

// RFC 9110 §12.4.2: a weight of 0 is "not acceptable".
const refusedWeight = /^q=0(\.0{0,3})?$/

function acceptedType(range: string): string[] {
  const [type = '', ...parameters] = range.split(';').map(stripped)
  return parameters.some((parameter) => refusedWeight.test(parameter)) ? [] : [type]
}
