import { problemCodes, type Problem } from './problem.ts'

/** Node's `rawHeaders`: name, value, name, value, as they came, so that a duplicate is seen. */
export type ReadonlyHeaders = readonly string[]

/** The headers that judge a message, by their lower-case name; absent where the request has none. */
export interface MessageHeaders {
  accept?: string
  'content-type'?: string
  'content-encoding'?: string
  'mcp-protocol-version'?: string
  'mcp-method'?: string
  'mcp-name'?: string
  'mcp-session-id'?: string
}

const mirrors = ['mcp-protocol-version', 'mcp-method', 'mcp-name', 'mcp-session-id']
const read = new Set(['accept', 'content-type', 'content-encoding', ...mirrors])

/**
 * Node keeps the first of some duplicates and joins others, so a second line of any header that is read is refused. Only `accept` is a
 * list, which may come in several lines and means the same in one (RFC 9110 §5.3).
 */
export function parseHeaders(raw: ReadonlyHeaders): MessageHeaders | Problem {
  const headers: MessageHeaders = {}
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]?.toLowerCase() ?? ''
    if (!read.has(name)) continue
    const key = name as keyof MessageHeaders
    const value = stripped(raw[index + 1] ?? '')
    const before = headers[key]
    if (before === undefined) headers[key] = value
    else if (key === 'accept') headers[key] = `${before}, ${value}`
    else return duplicateHeader(name)
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
