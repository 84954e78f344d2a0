import type { ServerResponse } from 'node:http'
import { sendJson, type Answer, type JsonMessage, type Stream } from '../gateway/world/upstream.ts'
import { markIn, whats } from './ledger.ts'

/** A tool server of every method, in the era of whoever asks, which answers with the mark of the request and with nothing else. */
export interface FullServer {
  readonly answer: Answer
  readonly stream: Stream
  /** Tells everybody who listens what has changed: something that policy lets be read, and something that it never does. */
  tell(): void
  /** Streams that somebody listens on, and calls that wait for what somebody says. */
  readonly open: number
}

type Result = Readonly<Record<string, unknown>>

const subscriptionId = 'io.modelcontextprotocol/subscriptionId'
const versionMember = 'io.modelcontextprotocol/protocolVersion'
const form = {
  message: 'how many?',
  requestedSchema: { type: 'object', properties: { n: { type: 'integer' } } },
}
/** What a task says of itself, with the name that each era has for how long it is kept. */
const working = { status: 'working', ttlMs: 60_000, ttl: 60_000, createdAt: '2026-07-28T12:00:00Z' }

export const liveUri = 'test://other/live'

export function createFullServer(name: string): FullServer {
  const listeners = new Set<(method: string, params: object) => void>()
  /** Calls that wait for what their client says, by what they have asked. */
  const waiting = new Map<string, (answer: string) => void>()
  let made = 0

  function listen(response: ServerResponse, id?: JsonMessage['id']): void {
    const meta = id === undefined ? {} : { _meta: { [subscriptionId]: id } }
    const tell = (method: string, params: object): void =>
      void response.write(event({ method, params: { ...params, ...meta } }))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    listeners.add(tell)
    response.once('close', () => listeners.delete(tell))
  }
  /** A legacy server asks in the stream of its answer, and goes on when it is answered (MCP 2025-11-25 elicitation). */
  function askLegacy(message: JsonMessage, response: ServerResponse): void {
    const key = `ask-${name}-${(made += 1)}`
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(event({ id: key, method: 'elicitation/create', params: form }))
    waiting.set(key, () => response.end(event({ id: message.id, result: said(message) })))
    response.once('close', () => waiting.delete(key))
  }
  const answer: Answer = (message, response) => {
    const { id, method, params = {} } = message
    if (method === undefined || id === undefined) {
      response.writeHead(202).end()
      if (method === undefined) waiting.get(String(id))?.('')
      return
    }
    const isModern = (params['_meta'] as Result | undefined)?.[versionMember] !== undefined
    if (method === 'subscriptions/listen') {
      listen(response, id)
      const { notifications } = params
      const acknowledged = { notifications, _meta: { [subscriptionId]: id } }
      const told = 'notifications/subscriptions/acknowledged'
      response.write(event({ method: told, params: acknowledged }))
      return
    }
    if (!isModern && params['name'] === 'ask') {
      askLegacy(message, response)
      return
    }
    const headers = method === 'initialize' ? { 'mcp-session-id': `s-${(made += 1)}` } : {}
    const result = {
      ...(isModern ? { resultType: 'complete' } : {}),
      ...resultOf(message, isModern),
    }
    sendJson(response, JSON.stringify({ jsonrpc: '2.0', id, result }), headers)
  }
  return {
    answer,
    stream: (response) => listen(response),
    get open() {
      return listeners.size + waiting.size
    },
    tell() {
      for (const tell of listeners) {
        for (const uri of [liveUri, 'test://never/live'])
          tell('notifications/resources/updated', { uri })
        tell('notifications/tools/list_changed', {})
      }
    },
  }

  function resultOf(message: JsonMessage, isModern: boolean): Result {
    const { method, params = {} } = message
    switch (method) {
      case 'initialize':
      case 'server/discover':
        return isModern ? discovered : { ...discovered, protocolVersion: params['protocolVersion'] }
      case 'tools/call':
        return called(message, isModern)
      case 'completion/complete':
        return { completion: { values: [markIn(JSON.stringify(params))] } }
      case 'prompts/get':
        return {
          messages: [
            { role: 'user', content: { type: 'text', text: markIn(JSON.stringify(params)) } },
          ],
        }
      case 'resources/read':
        return {
          contents: [{ uri: params['uri'], text: markIn(JSON.stringify(params)) }],
          ...fresh,
        }
      case 'tasks/get':
        return { ...working, taskId: params['taskId'] }
      case 'tasks/cancel':
        return isModern ? {} : { ...working, taskId: params['taskId'], status: 'cancelled' }
      case 'tasks/result':
        return said(message)
      default:
        return lists[method] ?? {}
    }
  }
}

function called(message: JsonMessage, isModern: boolean): Result {
  const { params = {} } = message
  const mark = markIn(JSON.stringify(params)) ?? ''
  const { task, inputResponses } = params
  if (params['name'] === 'work' && isModern)
    return { ...working, resultType: 'task', taskId: `task-${mark}` }
  if (params['name'] === 'work' && task !== undefined)
    return { task: { ...working, taskId: `task-${mark}` } }
  if (params['name'] === 'ask' && inputResponses === undefined)
    return {
      resultType: 'input_required',
      inputRequests: { n: { method: 'elicitation/create', params: form } },
    }
  return said(message)
}

function said({ params = {} }: JsonMessage): Result {
  return { content: [{ type: 'text', text: markIn(JSON.stringify(params)) ?? '' }] }
}

function event(message: object): string {
  return `data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`
}

const discovered: Result = {
  supportedVersions: ['2026-07-28'],
  capabilities: {
    tools: { listChanged: true },
    prompts: {},
    resources: { subscribe: true },
    completions: {},
    logging: {},
    tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
    extensions: { 'io.modelcontextprotocol/tasks': {} },
  },
  serverInfo: { name: 'soak', version: '1' },
  ttlMs: 60_000,
  cacheScope: 'private',
}
const fresh = { ttlMs: 1000, cacheScope: 'private' }

/** Of each kind as many as there are policies of it. */
export const toolTexts: readonly string[] = [
  ...[...whats, 'ask', 'hold'].map((name) =>
    JSON.stringify({ name, inputSchema: { type: 'object' } }),
  ),
  JSON.stringify({
    name: 'work',
    inputSchema: { type: 'object' },
    execution: { taskSupport: 'optional' },
  }),
]

const lists: Readonly<Record<string, Result>> = {
  'tools/list': { tools: toolTexts.map((text) => JSON.parse(text) as unknown), ...fresh },
  'prompts/list': { prompts: whats.map((name) => ({ name })), ...fresh },
  'resources/list': {
    resources: whats.map((name) => ({ name, uri: `test://${name}/live` })),
    ...fresh,
  },
  'resources/templates/list': {
    resourceTemplates: whats.map((name) => ({ name, uriTemplate: `test://${name}/{id}` })),
    ...fresh,
  },
}
