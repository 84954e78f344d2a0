import assert from 'node:assert/strict'
import { once } from 'node:events'
import { buildConnector, Client } from 'undici'
import type { Bundle } from '../../../src/pki/bundle.ts'
import type { Credential } from '../../../src/pki/credential.ts'

/** Why a reply refuses, without the id of the decision that its message ends with. */
export function whyOf({ json }: Reply): string | undefined {
  return json.error?.message.replace(/ \(decision [0-9a-f-]{36}\)$/, '')
}

export interface Reply {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly text: string
  readonly json: {
    readonly id?: unknown
    readonly result?: Record<string, unknown>
    readonly error?: {
      readonly code: number
      readonly message: string
      readonly data?: Record<string, unknown>
    }
  }
}

/** One kept-alive connection of one caller. */
export interface TestClient extends AsyncDisposable {
  post(path: string, body: string | Buffer, headers?: Record<string, string>): Promise<Reply>
  send(o: {
    method: string
    path: string
    body?: string | Buffer
    headers?: Record<string, string> | string[]
  }): Promise<Reply>
  readonly client: Client
  /** How many it has opened. */
  connections(): number
}

const accepting = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
}

/** An answer that is read as it comes. */
export interface OpenAnswer {
  readonly headers: Reply['headers']
  /** What has come of it. */
  readonly text: () => string
  /** All of it, when it has ended, and the error where it did not end in order. */
  readonly ended: Promise<{ readonly text: string; readonly error: unknown }>
}

/** Posts a message whose answer is a stream; resolves when the first of it is there. */
export async function openAnswer(
  { client }: Pick<TestClient, 'client'>,
  path: string,
  message: { readonly body: string; readonly headers: Record<string, string> },
): Promise<OpenAnswer> {
  const { body, headers, statusCode } = await client.request({
    method: 'POST',
    path,
    headers: { ...message.headers, ...accepting },
    body: message.body,
  })
  assert.equal(statusCode, 200)
  let text = ''
  body.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const ended = new Promise<{ text: string; error: unknown }>((resolve) => {
    body.once('end', () => resolve({ text, error: undefined }))
    body.once('error', (error) => resolve({ text, error }))
  })
  await once(body, 'data')
  return { headers, text: () => text, ended }
}

/** Connects to the gateway's port under the host name that it serves, whatever the address. */
export function gatewayConnector(o: {
  readonly port: number
  readonly credential: Credential | undefined
  readonly bundle: Bundle
}): buildConnector.connector {
  const connect = buildConnector({
    ...(o.credential === undefined
      ? {}
      : { cert: o.credential.chainPem, key: o.credential.privateKeyPem }),
    ca: o.bundle.pem,
    checkServerIdentity: () => undefined,
  })
  return (target, callback) =>
    connect({ ...target, hostname: '127.0.0.1', port: String(o.port) }, callback)
}

export function openClient(o: {
  readonly port: number
  readonly credential: Credential | undefined
  readonly bundle: Bundle
}): TestClient {
  const client = new Client('https://gateway.test', { connect: gatewayConnector(o) })
  let connections = 0
  client.on('connect', () => (connections += 1))
  const send: TestClient['send'] = async ({ method, path, body, headers = {} }) => {
    const answer = await client.request({
      method,
      path,
      headers,
      ...(body === undefined ? {} : { body }),
    })
    const text = await answer.body.text()
    let json: Reply['json'] = {}
    try {
      json = JSON.parse(text) as Reply['json']
    } catch {
      // An empty body, or events.
    }
    return { status: answer.statusCode, headers: answer.headers, text, json }
  }
  return {
    client,
    connections: () => connections,
    send,
    post: (path, body, headers = {}) =>
      send({
        method: 'POST',
        path,
        body,
        headers: {
          ...accepting,
          ...headers,
        },
      }),
    async [Symbol.asyncDispose]() {
      await client.destroy()
    },
  }
}

export const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
}

/** The same, of a client that knows tasks. */
export const metaOfTasks: Readonly<Record<string, unknown>> = {
  ...modernMeta,
  'io.modelcontextprotocol/clientCapabilities': {
    extensions: { 'io.modelcontextprotocol/tasks': {} },
  },
}

/** A modern request and the headers that mirror it; of a client that knows tasks, where it asks of one. */
export function modern(
  method: string,
  params: Record<string, unknown> = {},
  id: string | number = 1,
): { readonly body: string; readonly headers: Record<string, string> } {
  const name = params['name'] ?? params['uri'] ?? params['taskId']
  // Nobody else may ask of a task.
  const meta = method.startsWith('tasks/') ? metaOfTasks : modernMeta
  return {
    body: JSON.stringify({ jsonrpc: '2.0', id, method, params: { _meta: meta, ...params } }),
    headers: {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
    },
  }
}

export function legacy(
  method: string,
  params: Record<string, unknown> | undefined,
  o: { readonly session?: string; readonly id?: string | number; readonly version?: string } = {},
): { readonly body: string; readonly headers: Record<string, string> } {
  const { id = 1, version = '2025-11-25' } = o
  const isNotification = method.startsWith('notifications/')
  return {
    body: JSON.stringify({
      jsonrpc: '2.0',
      ...(isNotification ? {} : { id }),
      method,
      ...(params === undefined ? {} : { params }),
    }),
    headers: {
      ...(method === 'initialize' ? {} : { 'mcp-protocol-version': version }),
      ...(o.session === undefined ? {} : { 'mcp-session-id': o.session }),
    },
  }
}

export const initializeParams = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'test', version: '1' },
}
