import assert from 'node:assert/strict'
import type { Decision } from '../../../src/policy/decision.ts'
import { legacy, type Reply, type TestClient } from './client.ts'
import { openSession } from './session.ts'
import { answerBoth, type Answer, type JsonMessage, sendResult } from './upstream.ts'
import { openWorld, type World, type WorldOptions } from './world.ts'

/** What the server `files` says of itself and of its one task (MCP 2025-11-25 tasks). */
export interface ToldOfTasks {
  capabilities: object
  task: Record<string, unknown>
  result: object
  form: 'json' | 'events'
  /** Whether it makes a task of what was not asked for as one. */
  isTaskAlways: boolean
}

const tools = [
  '{"name":"work","inputSchema":{"type":"object"},"execution":{"taskSupport":"optional"}}',
  '{"name":"only","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}',
  '{"name":"echo","inputSchema":{"type":"object"}}',
]

const asks = { elicitation: { form: true } }
const all = { prefixes: { '': {} } }
const grants = { tenants: { acme: { files: { ...all, asks }, web: all } }, subjects: {} }

const related = 'io.modelcontextprotocol/related-task'
export const done: readonly object[] = [{ type: 'text', text: 'done' }]

/** A request for a task as the server has got it. */
interface AskedOfTask {
  readonly method: string
  readonly taskId: unknown
  readonly body: string
  readonly token: unknown
}

export interface TaskWorld {
  readonly world: World
  readonly told: ToldOfTasks
  /** Of each method that a test answers itself. */
  readonly answers: Record<string, Answer>
  /** Policy takes the tool away, and has another digest. */
  readonly policy: { digest: string; isTaken: boolean }
  /** What the server `files` was asked: of tasks, unless told. */
  readonly asked: (method?: string) => readonly AskedOfTask[]
}

/** A server whose calls become tasks where their clients ask for that, and one that has none. */
export async function openTasks(options: WorldOptions = {}): Promise<TaskWorld> {
  let made = 0
  const told: ToldOfTasks = {
    capabilities: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
    task: { status: 'working', ttl: 60_000 },
    result: { content: done },
    form: 'json',
    isTaskAlways: false,
  }
  const answers: Record<string, Answer> = {}
  const policy = { digest: 'first', isTaken: false }
  const results: Readonly<Record<string, (message: JsonMessage) => object | undefined>> = {
    'tools/call'({ params }) {
      if (params?.['task'] === undefined && !told.isTaskAlways) return undefined
      made += 1
      return { task: { ...told.task, taskId: `task-${made}` } }
    },
    'tasks/get': ({ params }) => ({ taskId: params?.['taskId'], ...told.task }),
    'tasks/cancel': ({ params }) => ({
      taskId: params?.['taskId'],
      ...told.task,
      status: 'cancelled',
    }),
    'tasks/result': ({ params }) => ({
      _meta: { [related]: { taskId: params?.['taskId'] } },
      ...told.result,
    }),
  }
  const files: Answer = (message, response, request) => {
    const own = answers[message.method]
    if (own !== undefined) {
      own(message, response, request)
      return
    }
    if (message.method === 'initialize') {
      const { protocolVersion } = (message.params ?? {}) as { protocolVersion?: unknown }
      const capabilities = { tools: {}, tasks: told.capabilities }
      const result = { protocolVersion, capabilities, serverInfo: { name: 'f', version: '1' } }
      response.writeHead(200, {
        'content-type': 'application/json',
        'mcp-session-id': `session-${crypto.randomUUID()}`,
      })
      response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))
      return
    }
    const result = results[message.method]?.(message)
    if (result === undefined) {
      answerBoth({ name: 'files', tools })(message, response, request)
      return
    }
    sendResult(response, { id: message.id, result, form: told.form })
  }
  const denied: Decision = { allow: false, reasons: [], obligations: [] }
  const world = await openWorld({
    grants,
    answers: { files, web: answerBoth({ name: 'web', tools }) },
    authorizer: (real) => ({
      ...real,
      get digest() {
        return policy.digest
      },
      decide(texts) {
        const evaluated = real.decide(texts)
        return policy.isTaken && texts.action.startsWith('tasks/') && texts.action !== 'tasks/list'
          ? { ...evaluated, value: denied, result: denied }
          : evaluated
      },
    }),
    ...options,
  })
  return {
    world,
    told,
    answers,
    policy,
    asked: (method = 'tasks/') =>
      (world.upstreams['files']?.received ?? [])
        .filter(({ body }) => body.includes(`"method":"${method}`))
        .map(({ body, headers }) => {
          const message = JSON.parse(body) as JsonMessage
          const taskId = message.params?.['taskId']
          return { method: message.method, taskId, body, token: headers['txn-token'] }
        }),
  }
}

/** One pod with a session at a door. */
export interface TaskClient extends TaskWorld {
  readonly agent: TestClient
  readonly podUid: string
  readonly session: string
  readonly ask: (method: string, params?: Record<string, unknown>) => Promise<Reply>
  /** Calls the tool `work` as a task, unless told. */
  readonly call: (params?: Record<string, unknown>) => Promise<Reply>
}

/** The certificate covers all tools. */
export const scopes = { toolScopes: 'files:*,web:*' }

export async function openTaskClient(
  options: WorldOptions = {},
  path = '/mcp/files',
): Promise<TaskClient> {
  const tasks = await openTasks(options)
  const podUid = crypto.randomUUID()
  const agent = await tasks.world.agent({ ...scopes, podUid })
  const session = await openSession(agent, path)
  const ask: TaskClient['ask'] = (method, params = {}) => {
    const { body, headers } = legacy(method, params, { session })
    return agent.post(path, body, headers)
  }
  const name = path === '/mcp' ? 'files_work' : 'work'
  const task = { ttl: 60_000 }
  return {
    ...tasks,
    agent,
    podUid,
    session,
    ask,
    call: (params = {}) => ask('tools/call', { name, arguments: {}, task, ...params }),
  }
}

/** The id that a caller was given. */
export function taskOf({ json, text }: Reply): string {
  const task = json.result?.['task'] as { readonly taskId?: unknown } | undefined
  assert.ok(typeof task?.taskId === 'string', text)
  return task.taskId
}
