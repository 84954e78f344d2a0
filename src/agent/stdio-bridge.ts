import { createInterface } from 'node:readline'
import type { CountersignFetch } from './countersign-fetch.ts'

interface JsonRpcMessage {
  readonly id?: string | number
  readonly method?: string
  readonly params?: { readonly [member: string]: unknown }
}

/** What a legacy session has told us, for the headers of the requests after it. */
interface LegacySession {
  version?: string
  id?: string
}

/**
 * MCP over standard input and output on one side (one JSON-RPC message a line), the gateway on the other: for clients
 * that cannot show a certificate. It adds the headers that the transport asks for and changes no message.
 * Ends with the input. Source: MCP 2026-07-28 and 2025-11-25, transports.
 */
export async function runStdioBridge(options: {
  readonly input: NodeJS.ReadableStream
  readonly write: (line: string) => void
  readonly fetch: CountersignFetch['fetch']
  readonly url: string
}): Promise<void> {
  const { input, write, fetch, url } = options
  const session: LegacySession = {}
  for await (const line of createInterface({ input })) {
    if (line.trim() === '') continue
    const message = parseLine(line)
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: headersOf(message, session),
        body: line,
      })
      await forwardAnswer({ response, message, session, write })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (message.id !== undefined) write(errorLine(message.id, reason))
    }
  }
}

function parseLine(line: string): JsonRpcMessage {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    // The gateway answers what cannot be read; the bridge only needs no headers for it.
    return {}
  }
}

function headersOf(message: JsonRpcMessage, session: LegacySession): Record<string, string> {
  const common = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  const meta = message.params?.['_meta'] as Readonly<Record<string, unknown>> | undefined
  const claimed = meta?.['io.modelcontextprotocol/protocolVersion']
  if (typeof claimed === 'string') {
    const name = message.params?.['name'] ?? message.params?.['uri']
    return {
      ...common,
      'mcp-protocol-version': claimed,
      'mcp-method': message.method ?? '',
      ...(typeof name === 'string' ? { 'mcp-name': headerValue(name) } : {}),
    }
  }
  return {
    ...common,
    ...(session.version === undefined ? {} : { 'mcp-protocol-version': session.version }),
    ...(session.id === undefined ? {} : { 'mcp-session-id': session.id }),
  }
}

/** MCP 2026-07-28 transports, value encoding: visible ASCII as it is, all else in the Base64 sentinel. */
function headerValue(value: string): string {
  const plain = /^[!-~]([ -~]*[!-~])?$/.test(value) && !value.startsWith('=?base64?')
  return plain ? value : `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`
}

async function forwardAnswer(options: {
  readonly response: Response
  readonly message: JsonRpcMessage
  readonly session: LegacySession
  readonly write: (line: string) => void
}): Promise<void> {
  const { response, message, session, write } = options
  const id = response.headers.get('mcp-session-id')
  if (id !== null) session.id = id
  const text = await response.text()
  const streamed = response.headers.get('content-type')?.startsWith('text/event-stream') === true
  const messages = streamed ? eventsOf(text) : [text].filter((body) => body.trim() !== '')
  for (const body of messages) {
    const answer = parseLine(body) as { jsonrpc?: unknown; result?: { protocolVersion?: unknown } }
    if (answer.jsonrpc !== '2.0') {
      if (message.id !== undefined) write(errorLine(message.id, `HTTP ${response.status}: ${body}`))
      continue
    }
    const version = answer.result?.protocolVersion
    if (message.method === 'initialize' && typeof version === 'string') session.version = version
    write(JSON.stringify(JSON.parse(body)))
  }
}

/** The data of server-sent events (WHATWG HTML §9.2.6), each one JSON-RPC message. */
function eventsOf(text: string): readonly string[] {
  return text
    .split(/(?:\r\n|\r|\n){2,}/)
    .map((event) =>
      event
        .split(/\r\n|\r|\n/)
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).replace(/^ /, ''))
        .join('\n'),
    )
    .filter((data) => data !== '')
}

function errorLine(id: string | number, reason: string): string {
  return JSON.stringify({
    jsonrpc: '2.0',
    id,
    error: { code: -32603, message: reason.slice(0, 500) },
  })
}
