import type { HandleKind } from '../../../src/gateway/handle/seal.ts'
import {
  initializeParams,
  legacy,
  metaOfTasks,
  modern,
  type Reply,
  type TestClient,
} from './client.ts'
import { subscriptionId } from './listening.ts'
import { openSession, openStream, response, type OpenStream } from './session.ts'
import { answerBoth, sendJson, type Answer, type JsonMessage, type Stream } from './upstream.ts'
import type { World } from './world.ts'

/** Why a handle is not taken. */
export interface HandleRefusal {
  readonly status: number
  readonly why: string
}

export type Elsewhere = 'elsewhere' | 'at the door of all'

/** The door at which something is used that was given at that of `server`. */
export function doorOf(where: Elsewhere | undefined, server = 'files'): string {
  if (where === undefined) return `/mcp/${server}`
  return where === 'elsewhere' ? `/mcp/${server === 'files' ? 'web' : 'files'}` : '/mcp'
}

/** What one is called there. */
export function nameAt(where: Elsewhere | undefined, name: string, server = 'files'): string {
  return where === 'at the door of all' ? `${server}_${name}` : name
}

/** What a caller is given to hold, and what it is good for. One row a kind: the table below tries each in everybody else's hands. */
export interface HandleRow {
  /** Gets one for this caller. */
  readonly take: (agent: TestClient) => Promise<string>
  /** Uses it where it is meant to be used, at the door of another server, or at that of all. */
  readonly use: (agent: TestClient, handle: string, where?: Elsewhere) => Promise<Reply>
  readonly worked: (reply: Reply) => boolean
  /** No key here has sealed it. */
  readonly unknown: HandleRefusal
  /** Its owner is another. */
  readonly foreign: HandleRefusal
  /** It is of another door, list or target. */
  readonly elsewhere: HandleRefusal
  /** The second use by its owner. */
  readonly again: 'works' | HandleRefusal
  /** On a replica of the same keys, where that is of no use. */
  readonly atReplica?: HandleRefusal
  /** Where it is of no use to its owner either. */
  readonly own?: HandleRefusal
}

const stateUnknown = { status: 400, why: 'params.requestState is none of this call' }
const taskUnknown = { status: 200, why: 'Unknown task' }
const cursorUnknown = { status: 200, why: 'cursor is not known' }

const nobodyAsked = { code: 0, message: 'nobody is told' }

export type HeldKind = Exclude<HandleKind, 'approval' | 'place'> | 'legacy task'

/** A server that gives one of each is `files`, and `web` is another. */
export function handleRows({
  world,
  again,
}: {
  readonly world: () => World
  /** One more connection of whoever takes a handle. */
  readonly again: () => Promise<TestClient>
}): Readonly<Record<HeldKind, HandleRow>> {
  /** The session in which the last one was asked. */
  let askedIn = ''
  let asking: OpenStream | undefined

  /** How many answers the server has. */
  function answered(): number {
    const { received = [] } = world().upstreams['files'] ?? {}
    return received.filter(({ body }) => body.includes('"id":"theirs"')).length
  }

  return {
    session: {
      async take(agent) {
        const { body, headers } = legacy('initialize', initializeParams)
        const reply = await agent.post('/mcp/files', body, headers)
        return String(reply.headers['mcp-session-id'])
      },
      use(agent, session, where) {
        const { body, headers } = legacy('tools/list', {}, { session })
        return agent.post(doorOf(where), body, headers)
      },
      worked: ({ json }) => Array.isArray(json.result?.['tools']),
      unknown: { status: 404, why: 'session is not known' },
      foreign: { status: 403, why: 'session is of another identity' },
      elsewhere: { status: 400, why: 'session is of another door or version' },
      again: 'works',
    },
    cursor: {
      async take(agent) {
        const { body, headers } = modern('tools/list')
        const reply = await agent.post('/mcp/files', body, headers)
        return String(reply.json.result?.['nextCursor'])
      },
      use(agent, cursor, where) {
        const { body, headers } = modern('tools/list', { cursor })
        return agent.post(doorOf(where), body, headers)
      },
      worked: ({ json }) => JSON.stringify(json.result?.['tools'] ?? []).includes('"big"'),
      unknown: cursorUnknown,
      foreign: cursorUnknown,
      elsewhere: cursorUnknown,
      again: 'works',
    },
    requestState: {
      async take(agent) {
        const { body, headers } = modern('tools/call', { name: 'echo' })
        const reply = await agent.post('/mcp/files', body, headers)
        return String(reply.json.result?.['requestState'])
      },
      use(agent, requestState, where) {
        const { body, headers } = modern('tools/call', {
          name: nameAt(where, 'echo'),
          requestState,
        })
        return agent.post(doorOf(where), body, headers)
      },
      worked: ({ json }) => Array.isArray(json.result?.['content']),
      unknown: stateUnknown,
      foreign: stateUnknown,
      elsewhere: stateUnknown,
      // Whether it was of use before only its server knows.
      again: 'works',
    },
    ask: {
      async take(agent) {
        asking?.close()
        askedIn = await openSession(agent, '/mcp/files')
        const call = legacy('tools/call', { name: 'echo', arguments: {} }, { session: askedIn })
        const stream = await openStream(await again(), { path: '/mcp/files', ...call })
        asking = stream
        return String((await stream.message(1)).id)
      },
      async use(agent, id, where) {
        const before = answered()
        const { body, headers } = response(id, { session: askedIn })
        const reply = await agent.post(doorOf(where), body, headers)
        if (answered() > before) return { ...reply, json: { result: {} } }
        // A session that is not known is told of before what is answered in it; nothing else is ever told.
        const isNobodys = reply.status === 202 || reply.status === 404
        return isNobodys ? { ...reply, status: 202, json: { error: nobodyAsked } } : reply
      },
      worked: ({ json }) => json.result !== undefined,
      unknown: { status: 202, why: nobodyAsked.message },
      foreign: { status: 403, why: 'session is of another identity' },
      elsewhere: { status: 400, why: 'session is of another door or version' },
      again: { status: 202, why: nobodyAsked.message },
    },
    task: {
      async take(agent) {
        const { body, headers } = modern('tools/call', { name: 'big', _meta: metaOfTasks })
        const reply = await agent.post('/mcp/files', body, headers)
        return String(reply.json.result?.['taskId'])
      },
      use(agent, taskId, where) {
        const { body, headers } = modern('tasks/get', { taskId })
        return agent.post(doorOf(where), body, headers)
      },
      worked: ({ json }) => json.result?.['status'] === 'working',
      unknown: taskUnknown,
      foreign: taskUnknown,
      elsewhere: taskUnknown,
      again: 'works',
    },
    'legacy task': {
      async take(agent) {
        const session = await openSession(agent, '/mcp/files')
        const called = legacy('tools/call', { name: 'work', task: {} }, { session })
        const reply = await agent.post('/mcp/files', called.body, called.headers)
        const task = reply.json.result?.['task'] as { readonly taskId?: unknown } | undefined
        return String(task?.taskId)
      },
      async use(agent, taskId, where) {
        const path = doorOf(where)
        const session = await openSession(agent, path)
        const { body, headers } = legacy('tasks/result', { taskId }, { session })
        return agent.post(path, body, headers)
      },
      worked: ({ json }) => JSON.stringify(json.result?.['content']) === '["of the task"]',
      unknown: taskUnknown,
      foreign: taskUnknown,
      elsewhere: taskUnknown,
      again: 'works',
    },
  }
}

/** What a legacy server that has a task says. */
function resultOfTask({ method, params }: JsonMessage): object | undefined {
  if (method === 'initialize') {
    const capabilities = { tools: {}, tasks: { requests: { tools: { call: {} } } } }
    return { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'f', version: '1' } }
  }
  if (method === 'tools/list')
    return { tools: [taskTool, { name: 'echo', inputSchema: { type: 'object' } }] }
  if (method === 'tools/call' && params?.['name'] === 'work') {
    return { task: { taskId: 'task-1', status: 'working' } }
  }
  return method === 'tasks/result' ? { content: ['of the task'] } : undefined
}

const taskTool = {
  name: 'work',
  inputSchema: { type: 'object' },
  execution: { taskSupport: 'optional' },
}

/** A server asks its caller, and wants to be told how far that is. */
export function elicitationOf(id: string): string {
  const params = { message: '', requestedSchema: {}, _meta: { progressToken: 'their-token' } }
  return JSON.stringify({ jsonrpc: '2.0', id, method: 'elicitation/create', params })
}

/** Two pages of tools, by a cursor that anybody could guess; a call takes one more turn, a legacy one asks its caller something. */
export const handleAnswers: Answer = (message, response, request) => {
  const isModern = request.headers['mcp-protocol-version'] === '2026-07-28'
  const ofTask = isModern ? undefined : resultOfTask(message)
  if (ofTask !== undefined) {
    const headers = { 'mcp-session-id': 'session-of-files' }
    sendJson(response, JSON.stringify({ jsonrpc: '2.0', id: message.id, result: ofTask }), headers)
    return
  }
  if (message.method === 'tools/call' && !isModern) {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`id: their-place\ndata:\n\ndata: ${elicitationOf('theirs')}\n\n`)
    return
  }
  if (message.method === 'subscriptions/listen') {
    const { notifications } = message.params ?? {}
    const params = { notifications, _meta: { [subscriptionId]: message.id } }
    const told = { jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${JSON.stringify(told)}\n\n`)
    return
  }
  const { cursor, requestState, name, taskId } = (message.params ?? {}) as {
    readonly cursor?: unknown
    readonly requestState?: unknown
    readonly name?: unknown
    readonly taskId?: unknown
  }
  if (name === 'big' || taskId === 'task-1') {
    const type = message.method === 'tasks/get' ? 'complete' : 'task'
    const result = `{"resultType":"${type}","taskId":"task-1","status":"working"}`
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(`{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${result}}`)
    return
  }
  if (message.method === 'tools/call' && requestState !== 'its own') {
    const result = '{"resultType":"input_required","requestState":"its own"}'
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(`{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${result}}`)
    return
  }
  if (message.method !== 'tools/list' || !isModern) {
    answerBoth({ name: 'files' })(message, response, request)
    return
  }
  const [tool, next] = cursor === 'page-2' ? ['big', ''] : ['echo', ',"nextCursor":"page-2"']
  const tools = `[{"name":"${tool}","inputSchema":{"type":"object"}}]`
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(
    `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":{"resultType":"complete","tools":${tools}${next}}}`,
  )
}

/** The rest of the stream of such a call. */
export const restOfCall: Stream = (response, { headers }) => {
  const isKnown = headers['last-event-id'] === 'their-place'
  response.writeHead(isKnown ? 200 : 405, { 'content-type': 'text/event-stream' })
  response.end('data: {"jsonrpc":"2.0","id":1,"result":{"content":["the rest"]}}\n\n')
}
