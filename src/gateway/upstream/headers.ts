import { encodeHeaderValue } from '../../mcp/header-value.ts'
import type { Era } from '../../mcp/message.ts'
import { modernVersions } from '../../mcp/revisions.ts'
import { tasksExtension } from '../../mcp/task.ts'
import { gatewayInfo } from '../self.ts'

/**
 * What passes from a caller to an upstream, by name: a list of what is known, because identity headers have no closed list
 * (`authorization`, `cookie`, `forwarded`, `x-forwarded-*`, `client-cert`, `txn-token` and every proxy's own), and passing a
 * caller's token on is forbidden (MCP 2026-07-28 security best practices, token passthrough).
 */
const inbound = new Set([
  'mcp-method',
  'user-agent',
  // W3C Trace Context and Baggage.
  'traceparent',
  'tracestate',
  'baggage',
])

/**
 * What passes from an upstream to a caller. Lengths, framing, cookies, challenges and server names are not of the message; its type is
 * said by us, because what was judged is UTF-8 whatever charset the upstream names.
 */
const outbound = ['cache-control', 'retry-after'] as const

const paramPrefix = 'mcp-param-'

export interface UpstreamHeaders {
  readonly raw: readonly string[]
  readonly era: Era
  /** The protocol revision to name; none with `initialize`, which is what agrees on one. */
  readonly version: string | undefined
  /** What the request is about, as the upstream knows it; where a header repeats that. */
  readonly named?: string | undefined
  readonly sessionId?: string | null | undefined
  readonly transactionToken?: string | undefined
  /** Of a request that was translated: the header lines of the server's era, in the place of the caller's. */
  readonly translated?: readonly string[] | undefined
  /** Header lines of our own span, in the place of the caller's; none where the call is not traced here. */
  readonly trace?: readonly string[] | undefined
}

/** What the gateway reads and writes, whatever the caller's client takes: no coding, so that what was judged is what is passed on. */
export const ownHeaders: readonly string[] = [
  'accept',
  'application/json, text/event-stream',
  'accept-encoding',
  'identity',
  'content-type',
  'application/json',
]

const [modernVersion = ''] = modernVersions

/** `params._meta` of what the gateway asks for itself, as a modern client that can do nothing. */
export const ownModernMeta: Readonly<Record<string, unknown>> = {
  'io.modelcontextprotocol/protocolVersion': modernVersion,
  'io.modelcontextprotocol/clientInfo': gatewayInfo,
  'io.modelcontextprotocol/clientCapabilities': {},
}

/** The same of one that knows tasks, and answers nothing that they ask: whoever has the task does. */
export const ownModernMetaOfTasks: Readonly<Record<string, unknown>> = {
  ...ownModernMeta,
  'io.modelcontextprotocol/clientCapabilities': { extensions: { [tasksExtension]: {} } },
}

/** The headers of a modern request of the gateway's own. */
export function ownModernHeaders(method: string): string[] {
  return [...ownHeaders, 'mcp-protocol-version', modernVersion, 'mcp-method', method]
}

/** The headers of the request to the upstream: name, value, name, value. */
export function upstreamHeaders(o: UpstreamHeaders): string[] {
  const { raw, era, named, sessionId, transactionToken, translated, trace = [] } = o
  const headers: string[] = [...ownHeaders, ...trace, ...(translated ?? [])]
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]?.toLowerCase() ?? ''
    if (trace.length > 0 && (name === 'traceparent' || name === 'tracestate')) continue
    if (translated !== undefined && name.startsWith('mcp-')) continue
    // An unrecognised Mcp-Param header must reach the server untouched (MCP 2026-07-28 transports, custom headers).
    if (inbound.has(name) || (era === 'modern' && name.startsWith(paramPrefix))) {
      headers.push(name, raw[index + 1] ?? '')
    }
  }
  if (o.version !== undefined) headers.push('mcp-protocol-version', o.version)
  if (named !== undefined && era === 'modern') headers.push('mcp-name', encodeHeaderValue(named))
  if (typeof sessionId === 'string') headers.push('mcp-session-id', sessionId)
  if (transactionToken !== undefined) headers.push('txn-token', transactionToken)
  return headers
}

/** The headers of an upstream's answer that its caller sees. */
export function callerHeaders(received: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of outbound) {
    const value = received[name]
    if (value !== undefined) headers[name] = value
  }
  return headers
}

const kept: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'content-type',
  'mcp-protocol-version',
  'mcp-session-id',
])

/** Of the request that is being answered, what says which session this is. */
export function sessionHeaders(headers: readonly string[]): string[] {
  return headers.filter((_, at) => kept.has(headers[at - (at % 2)] ?? ''))
}
