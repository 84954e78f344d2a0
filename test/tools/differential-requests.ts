/** Requests of every kind that a gateway decides on, generated: what callers send, what servers ask and tell, and what stands in the data. */
import { eventually } from '../support/eventually.ts'
import {
  initializeParams,
  legacy,
  metaOfTasks,
  modern,
  type TestClient,
} from '../gateway/world/client.ts'
import type { Wanted } from '../gateway/world/identities.ts'
import { listenAs, listening } from '../gateway/world/listening.ts'
import { openSession, openStream } from '../gateway/world/session.ts'
import { answerBoth, sendJson, type Answer, type Stream } from '../gateway/world/upstream.ts'

const servers = ['files', 'web'] as const
const tools = ['echo', 'big', 'delete', 'secret', 'issues_open', 'issues_close', 'issues_admin_x']
const prompts = ['review', 'triage_new', 'quiet', 'hidden']
const uris = [
  'file:///srv/docs/a',
  'file:///srv/docs/b/c',
  'repo://a/readme',
  'https://a.example/x',
]
const templates = ['repo://{owner}/{name}', 'file:///srv/{path}', 'https://b.example/{x}']

const asks = { elicitation: { form: true, urlHosts: ['login.example'] }, roots: true }
const ofFiles = {
  asks,
  tools: {
    // What its server may ask in a call of it stands here in place of the server's.
    echo: { asks: { sampling: true } },
    big: { arguments: { n: [1, 2], path: ['a', 'é'] } },
    delete: { arguments: { what: ['draft'] } },
    issues_close: {},
  },
  prefixes: { issues_: { arguments: { repository: ['acme/website'] } }, issues_admin_: {} },
  prompts: { names: { review: {}, quiet: { arguments: { a: ['x'] } } }, prefixes: { triage_: {} } },
  resources: {
    uris: { 'repo://a/readme': {}, 'repo://{owner}/{name}': {} },
    prefixes: { 'file:///srv/docs/': {}, 'https://a.example/': {} },
  },
}
const ofWeb = { tools: {}, prefixes: { '': {} }, prompts: { names: {}, prefixes: { '': {} } } }
const janitor = 'spiffe://test.example/ns/agents/sa/janitor'
export const grants: object = {
  tenants: {
    acme: { files: ofFiles, web: ofWeb },
    zeta: { web: { tools: { big: {} }, prefixes: {} } },
  },
  subjects: { [janitor]: { files: { tools: { secret: {}, delete: {} }, prefixes: {} } } },
}

/** Limits that are met now and then, of calls and of other things. */
export const limits: object = {
  everybody: { per: ['identity', 'tool'], calls: 40, seconds: 600 },
  'of-acme': { per: ['tenant'], concurrent: 50, where: { tenant: ['acme'] } },
  issues: { per: ['server', 'tool'], calls: 60, seconds: 600, where: { tool: ['issues_*'] } },
  both: {
    per: ['namespace'],
    calls: 5000,
    seconds: 60,
    concurrent: 100,
    where: { server: ['web'] },
  },
}

/** A janitor approves; nobody approves their own. */
export const approvals: object = {
  deletions: { seconds: 600, approvers: [janitor], where: { server: ['files'], tool: ['delete'] } },
  secrets: {
    seconds: 600,
    approvers: [janitor, 'spiffe://test.example/ns/agents/sa/agent'],
    where: { tool: ['secret', 'big'], server: ['files'] },
  },
}

export const callers: readonly Wanted[] = [
  { toolScopes: 'files:*,web:*' },
  { toolScopes: 'files:echo,files:issues_*' },
  { toolScopes: 'web:*', tenant: 'zeta' },
  { toolScopes: 'files:*', serviceAccount: 'janitor' },
  { toolScopes: 'files:*,web:*', role: 'inference-worker' },
  { toolScopes: 'files:*,web:big', tenant: 'nobody' },
]

/** Mulberry32: the same numbers for the same seed. */
export function createChance(seed: number): {
  below(most: number): number
  of<T>(all: readonly T[]): T
} {
  let state = seed >>> 0
  const below = (most: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % most
  }
  return { below, of: (all) => all[below(all.length)] as (typeof all)[number] }
}

type Chance = ReturnType<typeof createChance>

const items = {
  'tools/list': ['tools', tools.map((name) => ({ name, inputSchema: { type: 'object' } }))],
  'prompts/list': ['prompts', prompts.map((name) => ({ name }))],
  'resources/list': ['resources', uris.map((uri) => ({ uri, name: uri }))],
  'resources/templates/list': [
    'resourceTemplates',
    templates.map((uriTemplate) => ({ uriTemplate, name: uriTemplate })),
  ],
} as const

/** What a server asks in a call: what the call says that it shall. */
const questions: Readonly<Record<string, object>> = {
  form: {
    method: 'elicitation/create',
    params: { message: '', requestedSchema: { type: 'object' } },
  },
  page: urlElicitation('https://login.example/x'),
  elsewhere: urlElicitation('https://evil.example/x'),
  sampling: { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } },
  tools: { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1, tools: [] } },
  roots: { method: 'roots/list', params: {} },
}

function urlElicitation(url: string): object {
  return {
    method: 'elicitation/create',
    params: { mode: 'url', message: '', url, elicitationId: 'e' },
  }
}

const { answer: listens } = listening()

/** Lists everything; asks and makes tasks of calls as they say; tells of changes. */
export const answer: Answer = (message, response, request) => {
  const isModern = request.headers['mcp-protocol-version'] === '2026-07-28'
  const more = isModern ? { resultType: 'complete' } : {}
  const reply = (result: object): void =>
    sendJson(response, JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))
  const [member, list] = items[message.method as keyof typeof items] ?? []
  if (member !== undefined) return reply({ ...more, [member]: list })
  if (message.method === 'subscriptions/listen') return listens(message, response, request)
  if (message.method?.startsWith('tasks/')) {
    return reply({ ...more, taskId: 'task', status: 'working' })
  }
  const { ask, task } = (message.params?.['arguments'] ?? {}) as Params
  const question = typeof ask === 'string' ? questions[ask] : undefined
  if (task === true && isModern) {
    return reply({ resultType: 'task', taskId: 'task', status: 'working', ttlMs: 60_000 })
  }
  if (question === undefined) return answerBoth()(message, response, request)
  if (isModern) return reply({ resultType: 'input_required', inputRequests: { one: question } })
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const said of [
    { id: 'asked', ...question },
    { id: message.id, result: { content: [] } },
  ]) {
    response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', ...said })}\n\n`)
  }
  response.end()
}

const changed = 'notifications/tools/list_changed'

/** On the stream of a session: a log line, a question and a change, and that is all. */
export const stream: Stream = (response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const log = { method: 'notifications/message', params: { level: 'error', data: 'x' } }
  for (const said of [log, { id: 'asked', ...questions['form'] }, { method: changed }]) {
    response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', ...said })}\n\n`)
  }
}

type Params = Record<string, unknown>
type Door = 'mcp' | `mcp/${string}`

/** What of a method is generated: its parameters, at a door. */
const generators: Readonly<Record<string, (chance: Chance, at: Naming) => Params>> = {
  'server/discover': () => ({}),
  initialize: () => initializeParams,
  ping: () => ({}),
  'tools/list': () => ({}),
  'prompts/list': () => ({}),
  'resources/list': () => ({}),
  'resources/templates/list': () => ({}),
  'tools/call': (chance, { named }) => ({
    name: named(chance.of([...tools, 'echo', 'echo'])),
    arguments: { ...argumentsBy(chance), ...chance.of(wishes(chance)) },
  }),
  'subscriptions/listen': (chance, { at }) => ({
    notifications: chance.of([
      { toolsListChanged: true },
      { promptsListChanged: true, resourceSubscriptions: uris.map((uri) => at(uri)) },
      { resourceSubscriptions: [at(chance.of(uris)), at('file:///etc/passwd')] },
    ]),
  }),
  'resources/subscribe': (chance, { at }) => ({ uri: at(chance.of(uris)) }),
  'resources/unsubscribe': (chance, { at }) => ({ uri: at(chance.of(uris)) }),
  'tasks/get': () => ({}),
  'tasks/update': () => ({ inputResponses: {} }),
  'tasks/cancel': () => ({}),
  'approvals/list': () => ({}),
  'approvals/approve': () => ({}),
  'approvals/deny': () => ({}),
  'notifications/initialized': () => ({}),
  'notifications/cancelled': () => ({ requestId: 'none' }),
  'notifications/progress': () => ({ progressToken: 'none', progress: 1 }),
  'notifications/roots/list_changed': () => ({}),
  // The stream of a session, on which its servers speak.
  GET: () => ({}),
  'prompts/get': (chance, { named }) => ({
    name: named(chance.of([...prompts, 'none'])),
    arguments: chance.of([{}, { a: 'x' }, { a: 'y' }]),
  }),
  'resources/read': (chance, { at }) => ({ uri: at(chance.of([...uris, 'file:///etc/passwd'])) }),
  'completion/complete': (chance, { named, at }) => ({
    ref: chance.of([
      { type: 'ref/prompt', name: named(chance.of(prompts)) },
      { type: 'ref/resource', uri: at(chance.of(templates)) },
    ]),
    argument: { name: 'a', value: 'x' },
  }),
  'logging/setLevel': (chance) => ({ level: chance.of(['debug', 'error']) }),
}

interface Naming {
  readonly named: (name: string) => string
  readonly at: (uri: string) => string
}

const modernOnly = new Set(['server/discover', 'subscriptions/listen'])
const legacyOnly = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'notifications/initialized',
  'notifications/progress',
  'notifications/roots/list_changed',
  'GET',
])

function isOfEra(method: string, era: 'modern' | 'legacy'): boolean {
  const isModern = modernOnly.has(method) || /^(tasks|approvals)\//.test(method)
  return era === 'modern' ? !legacyOnly.has(method) : !isModern
}

/** What a call may wish of its server. */
function wishes(chance: Chance): readonly Params[] {
  const asking = { ask: chance.of(Object.keys(questions)) }
  return [{}, {}, { task: true }, asking, asking]
}

function argumentsBy(chance: Chance): Params {
  const names = ['n', 'path', 'what', 'repository', 'other']
  const values = [
    1,
    2,
    3,
    -0.5,
    'a',
    'é',
    'draft',
    'acme/website',
    true,
    null,
    [],
    {},
    [1, 'a'],
    { x: { y: [] } },
  ]
  const count = chance.below(4)
  return Object.fromEntries(
    Array.from({ length: count }, () => [chance.of(names), chance.of(values)]),
  )
}

function namingAt(door: Door, server: string): Naming {
  return door === 'mcp'
    ? { named: (name) => `${server}_${name}`, at: (uri) => `${server}+${uri}` }
    : { named: (name) => name, at: (uri) => uri }
}

const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} }
const declared = [capabilities, capabilities, { elicitation: {} }, {}]
const metas = declared.map((each) => ({
  ...metaOfTasks,
  'io.modelcontextprotocol/clientCapabilities': {
    ...each,
    extensions: { 'io.modelcontextprotocol/tasks': {} },
  },
}))

interface Sender {
  readonly chance: Chance
  readonly agents: readonly TestClient[]
  /** Of calls that wait for approval. */
  readonly tickets: string[]
  /** Calls that have become tasks: whose, at which door. */
  readonly tasks: { readonly agent: TestClient; readonly door: Door; readonly taskId: string }[]
}

export function createSender(chance: Chance, agents: readonly TestClient[]): Sender {
  return { chance, agents, tickets: [], tasks: [] }
}

/** Sends one request of some caller, and gives its method. */
export async function sendOne(sender: Sender): Promise<string> {
  const { chance, agents } = sender
  const server = chance.of(servers)
  const request = { agent: chance.of(agents), door: chance.of<Door>(['mcp', `mcp/${server}`]) }
  // A third of them are calls of tools, which have most to be decided on.
  const method = chance.below(3) === 0 ? 'tools/call' : chance.of(Object.keys(generators))
  const params = generators[method]?.(chance, namingAt(request.door, server)) ?? {}
  const isLegacy =
    isOfEra(method, 'legacy') && (!isOfEra(method, 'modern') || chance.below(2) === 0)
  await (isLegacy
    ? sendLegacy(sender, { ...request, method, params })
    : sendModern(sender, { ...request, method, params }))
  return method
}

interface Made {
  readonly agent: TestClient
  readonly door: Door
  readonly method: string
  readonly params: Params
}

async function sendModern(sender: Sender, made: Made): Promise<void> {
  const { chance, tickets, tasks } = sender
  const { method } = made
  let { agent, door, params } = made
  if (method.startsWith('approvals/')) {
    door = 'mcp'
    if (method !== 'approvals/list') params = { ticket: chance.of([...tickets.slice(-4), 'none']) }
  }
  if (method.startsWith('tasks/')) {
    const task = chance.of([...tasks.slice(-8), { agent, door, taskId: 'none' }])
    params = { ...params, taskId: task.taskId }
    if (chance.below(4) > 0) ({ agent, door } = task)
  }
  if (method === 'subscriptions/listen') {
    const opened = await listenAs(agent, `/${door}`, params['notifications'])
    await opened.until(1)
    opened.close()
    return
  }
  const { body, headers } = modern(method, { ...params, _meta: chance.of(metas) })
  const isNotification = method.startsWith('notifications/')
  const text = isNotification ? body.replace('"id":1,', '') : body
  const { json } = await agent.post(`/${door}`, text, headers)
  const ticket = json.error?.data?.['ticket']
  if (typeof ticket === 'string') tickets.push(ticket)
  const taskId = json.result?.['taskId']
  if (method === 'tools/call' && typeof taskId === 'string') tasks.push({ agent, door, taskId })
}

async function sendLegacy({ chance, tickets }: Sender, made: Made): Promise<void> {
  const { agent, door, method, params } = made
  const given = { ...initializeParams, capabilities: chance.of(declared) }
  const session = await openSession(agent, `/${door}`, given.capabilities)
  if (method === 'GET') {
    const headers = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }
    const opened = await openStream(agent, { method, path: `/${door}`, headers })
    if (opened.status === 200) {
      await eventually('what the server tells', () => opened.octets().includes(changed))
    }
    opened.close()
    return
  }
  const of = method === 'initialize' ? {} : { session }
  const { body, headers } = legacy(method, method === 'initialize' ? given : params, of)
  const { json } = await agent.post(`/${door}`, body, headers)
  const ticket = json.error?.data?.['ticket']
  if (typeof ticket === 'string') tickets.push(ticket)
}

/** All that is generated. */
export const methods: readonly string[] = Object.keys(generators)
