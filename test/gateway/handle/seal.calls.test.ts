import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  createHandleKey,
  oneHandleKey,
  orderHandleKeys,
  type HandleKey,
  type HandleKeySource,
} from '../../../src/gateway/handle/keys.ts'
import type { HandleKind } from '../../../src/gateway/handle/seal.ts'
import {
  initializeParams,
  legacy,
  metaOfTasks,
  modern,
  openClient,
  whyOf,
} from '../world/client.ts'
import type { Reply, TestClient } from '../world/client.ts'
import { openSession, openStream, response } from '../world/session.ts'
import type { Wanted } from '../world/identities.ts'
import type { Answer } from '../world/upstream.ts'
import { answerBoth } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'
import { requirement } from '../../requirements.ts'

/** Why a handle is not taken. */
interface Refusal {
  readonly status: number
  readonly why: string
}

/** What a caller is given to hold, and what it is good for. One row a kind: the table below tries each in everybody else's hands. */
interface Kind {
  /** Gets one for this caller. */
  readonly take: (agent: TestClient) => Promise<string>
  /** Uses it where it is meant to be used, or elsewhere. */
  readonly use: (agent: TestClient, handle: string, where?: 'elsewhere') => Promise<Reply>
  readonly worked: (reply: Reply) => boolean
  /** No key here has sealed it. */
  readonly unknown: Refusal
  /** Its owner is another. */
  readonly foreign: Refusal
  /** It is of another door, list or target. */
  readonly elsewhere: Refusal
  /** The second use by its owner. */
  readonly again: 'works' | Refusal
}

const stateUnknown = { status: 400, why: 'params.requestState is none of this call' }
const taskUnknown = { status: 200, why: 'Unknown task' }
const cursorUnknown = { status: 200, why: 'cursor is not known' }

const nobodyAsked = { code: 0, message: 'nobody is told' }

/** The session in which the last one was asked. */
let askedIn = ''

const kinds: Readonly<Record<Exclude<HandleKind, 'approval'>, Kind>> = {
  session: {
    async take(agent) {
      const { body, headers } = legacy('initialize', initializeParams)
      const reply = await agent.post('/mcp/files', body, headers)
      return String(reply.headers['mcp-session-id'])
    },
    use(agent, session, where) {
      const { body, headers } = legacy('tools/list', {}, { session })
      return agent.post(where === 'elsewhere' ? '/mcp/web' : '/mcp/files', body, headers)
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
      return agent.post(where === 'elsewhere' ? '/mcp/web' : '/mcp/files', body, headers)
    },
    worked: ({ json }) => JSON.stringify(json.result?.['tools']).includes('"big"'),
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
      const { body, headers } = modern('tools/call', { name: 'echo', requestState })
      return agent.post(where === 'elsewhere' ? '/mcp/web' : '/mcp/files', body, headers)
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
      askedIn = await openSession(agent, '/mcp/files')
      const call = legacy('tools/call', { name: 'echo', arguments: {} }, { session: askedIn })
      const stream = await openStream(await agentOf(own), { path: '/mcp/files', ...call })
      return String((await stream.message(1)).id)
    },
    async use(agent, id, where) {
      const before = answered()
      const { body, headers } = response(id, { session: askedIn })
      const reply = await agent.post(
        where === 'elsewhere' ? '/mcp/web' : '/mcp/files',
        body,
        headers,
      )
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
      return agent.post(where === 'elsewhere' ? '/mcp/web' : '/mcp/files', body, headers)
    },
    worked: ({ json }) => json.result?.['status'] === 'working',
    unknown: taskUnknown,
    foreign: taskUnknown,
    elsewhere: taskUnknown,
    again: 'works',
  },
}

/** How many answers the server has. */
function answered(): number {
  const { received = [] } = world.upstreams['files'] ?? {}
  return received.filter(({ body }) => body.includes('"id":"theirs"')).length
}

/** Two pages of tools, by a cursor that anybody could guess; a call takes one more turn, a legacy one asks its caller something. */
const answers: Answer = (message, response, request) => {
  const isModern = request.headers['mcp-protocol-version'] === '2026-07-28'
  if (message.method === 'tools/call' && !isModern) {
    const params = { message: '', requestedSchema: {} }
    const asked = { jsonrpc: '2.0', id: 'theirs', method: 'elicitation/create', params }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${JSON.stringify(asked)}\n\n`)
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

const [first, second] = [1, 2].map((each) => createHandleKey(Buffer.alloc(32, each)))
assert.ok(first && second)

/** Keys that have been here for ever. */
function keysOf(...keys: readonly [HandleKey, ...HandleKey[]]): HandleKeySource {
  const [oldest, ...rest] = keys.map((key) => ({ key, since: 0 }))
  assert.ok(oldest)
  return orderHandleKeys([oldest, ...rest], Date.now)
}

let world: World
let keys: HandleKeySource = keysOf(first)
const opened = new AsyncDisposableStack()

before(async () => {
  const handleKeys = { current: () => keys.current() }
  const asks = { elicitation: { form: true } }
  const grants = {
    tenants: { acme: { files: { tools: { echo: {}, big: {} }, asks } } },
    subjects: {},
  }
  const both = { files: answers, web: answers }
  world = opened.use(await openWorld({ handleKeys, grants, answers: both }))
})

after(() => opened.disposeAsync())

/** The pod at another gateway with these keys. */
async function atReplica(wanted: Wanted, handleKeys: HandleKeySource): Promise<TestClient> {
  const { port } = await world.openReplica({ handleKeys })
  const credential = world.identities.issue(wanted)
  return opened.use(openClient({ port, credential, bundle: world.identities.bundle }))
}

const own = { podUid: '6c9bde4d-0d4c-4a57-8f5d-9d3a3d6c1a00' }
const scopes = { toolScopes: 'files:*,web:*' }

interface Held {
  readonly kind: Kind
  readonly agent: TestClient
  readonly handle: string
}

type Outcome = 'works' | Refusal

/** What becomes of a handle, whatever its kind. */
const circumstances: Readonly<Record<string, (held: Held) => Promise<readonly [Reply, Outcome]>>> =
  {
    'its owner': async ({ kind, agent, handle }) => [await kind.use(agent, handle), 'works'],
    'its owner, on another connection': async ({ kind, handle }) => [
      await kind.use(await agentOf(own), handle),
      'works',
    ],
    'another pod of its service account': async ({ kind, handle }) => [
      await kind.use(await agentOf({}), handle),
      kind.foreign,
    ],
    'another service account': async ({ kind, handle }) => [
      await kind.use(await agentOf({ serviceAccount: 'thief' }), handle),
      kind.foreign,
    ],
    'another tenant': async ({ kind, handle }) => [
      await kind.use(await agentOf({ tenant: 'zeta', namespace: 'elsewhere' }), handle),
      kind.foreign,
    ],
    'its owner, after its revocation': async ({ kind, handle }) => {
      world.revocations.set([{ name: 'r', reason: '', podUid: own.podUid }])
      const late = await agentOf(own)
      const reply = await kind.use(late, handle).finally(() => world.revocations.set([]))
      return [reply, { status: 403, why: 'certificate is revoked' }]
    },
    'its owner, when a newer key seals': async ({ kind, agent, handle }) => {
      keys = keysOf(first, second)
      return [await kind.use(agent, handle).finally(() => (keys = keysOf(first))), 'works']
    },
    'its owner, when its key was removed': async ({ kind, agent, handle }) => {
      keys = keysOf(second)
      return [await kind.use(agent, handle).finally(() => (keys = keysOf(first))), kind.unknown]
    },
    'its owner, on another replica': async ({ kind, handle }) => [
      await kind.use(await atReplica({ ...own, ...scopes }, keysOf(first)), handle),
      'works',
    ],
    'its owner, on a replica of other keys': async ({ kind, handle }) => [
      await kind.use(await atReplica({ ...own, ...scopes }, oneHandleKey()), handle),
      kind.unknown,
    ],
    'its owner, elsewhere than it was given': async ({ kind, agent, handle }) => [
      await kind.use(agent, handle, 'elsewhere'),
      kind.elsewhere,
    ],
    'its owner, without its last characters': async ({ kind, agent, handle }) => [
      await kind.use(agent, handle.slice(0, -4)),
      kind.unknown,
    ],
    'its owner, without its first characters': async ({ kind, agent, handle }) => [
      await kind.use(agent, handle.slice(4)),
      kind.unknown,
    ],
    'its owner, a second time': async ({ kind, agent, handle }) => {
      await kind.use(agent, handle)
      return [await kind.use(agent, handle), kind.again]
    },
  }

function agentOf(wanted: Wanted): Promise<TestClient> {
  return world.agent({ ...scopes, ...wanted })
}

for (const [name, kind] of Object.entries(kinds)) {
  for (const [who, happens] of Object.entries(circumstances)) {
    test(`a ${name} in the hands of ${who}`, async () => {
      requirement('attack.handles-taken-over')
      requirement('gateway.handle-keys-rotate')
      const agent = await agentOf(own)
      const handle = await kind.take(agent)
      const [reply, outcome] = await happens({ kind, agent, handle })
      if (outcome === 'works') assert.ok(kind.worked(reply), reply.text)
      else assert.deepEqual({ status: reply.status, why: whyOf(reply) }, outcome)
    })
  }

  test(`a ${name} that is given as another kind is none`, async () => {
    requirement('attack.handles-taken-over')
    const agent = await agentOf(own)
    for (const other of Object.values(kinds)) {
      if (other === kind) continue
      const reply = await kind.use(agent, await other.take(agent))
      assert.deepEqual({ status: reply.status, why: whyOf(reply) }, kind.unknown)
    }
  })
}
