import { createEventParser } from '../../../src/mcp/events.ts'
import { eventually } from '../../support/eventually.ts'
import { initializeParams, legacy, type TestClient } from './client.ts'
import type { JsonMessage } from './upstream.ts'

/** Opens a legacy session of a client that answers whatever a server may ask. */
export async function openSession(
  agent: TestClient,
  path: string,
  capabilities: object = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} },
  protocolVersion: string = initializeParams.protocolVersion,
): Promise<string> {
  const params = { ...initializeParams, protocolVersion, capabilities }
  const { body, headers } = legacy('initialize', params)
  const opened = await agent.post(path, body, headers)
  return String(opened.headers['mcp-session-id'])
}

export interface OpenStream {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  /** What has come so far. */
  readonly messages: readonly (JsonMessage & {
    readonly result?: unknown
    readonly error?: unknown
  })[]
  readonly octets: () => string
  /** Waits until so many messages are there, and gives the last of them. */
  message(number: number): Promise<JsonMessage>
  readonly isOver: () => boolean
  close(): void
}

/** Sends a request, and reads what comes in answer as it comes. */
export async function openStream(
  agent: TestClient,
  {
    method = 'POST',
    path,
    body,
    headers = {},
  }: {
    readonly method?: string
    readonly path: string
    readonly body?: string
    readonly headers?: Record<string, string>
  },
): Promise<OpenStream> {
  const closing = new AbortController()
  const json = method === 'POST' ? { 'content-type': 'application/json' } : {}
  const answer = await agent.client.request({
    method,
    path,
    headers: { accept: 'application/json, text/event-stream', ...json, ...headers },
    ...(body === undefined ? {} : { body }),
    signal: closing.signal,
  })
  const messages: JsonMessage[] = []
  let octets = ''
  let isOver = false
  const parser = createEventParser((data) => {
    if (data !== undefined) messages.push(JSON.parse(data.toString('utf8')) as JsonMessage)
  })
  answer.body.on('data', (chunk: Buffer) => {
    octets += chunk.toString('utf8')
    parser.push(chunk)
  })
  answer.body.on('error', () => (isOver = true)).on('end', () => (isOver = true))
  return {
    status: answer.statusCode,
    headers: answer.headers,
    messages,
    octets: () => octets,
    async message(number) {
      await eventually(`message ${number}`, () => messages.length >= number || isOver)
      const message = messages[number - 1]
      if (message === undefined) throw new Error(`stream ended after ${octets}`)
      return message
    },
    isOver: () => isOver,
    close: () => closing.abort(),
  }
}

/** The answer of a client to what a server has asked. */
export function response(
  id: unknown,
  o: { readonly session: string; readonly outcome?: string; readonly version?: string },
): { readonly body: string; readonly headers: Record<string, string> } {
  const {
    session,
    outcome = '"result":{"action":"accept","content":{"n":1.0}}',
    version = '2025-11-25',
  } = o
  return {
    body: `{"jsonrpc":"2.0","id":${JSON.stringify(id)}, ${outcome}}`,
    headers: { 'mcp-protocol-version': version, 'mcp-session-id': session },
  }
}

/** Reads the stream of a legacy session. */
export function listen(
  agent: TestClient,
  path: string,
  session: string,
  headers: Record<string, string> = {},
): Promise<OpenStream> {
  const own = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }
  return openStream(agent, { method: 'GET', path, headers: { ...own, ...headers } })
}
