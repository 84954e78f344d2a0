import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { createAsks } from '../../../src/gateway/serve/asks.ts'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import type { ResponseMessage } from '../../../src/mcp/message.ts'
import type { Authorizer } from '../../../src/policy/authorizer.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { legacy, openClient, type TestClient } from '../world/client.ts'
import { openSession, openStream, response, type OpenStream } from '../world/session.ts'
import { answerBoth, type Answer } from '../world/upstream.ts'
import { defaultScopes, openWorld, type World, type WorldOptions } from '../world/world.ts'

const asks = { elicitation: { form: true }, sampling: true, roots: true }
const grants = {
  tenants: {
    acme: {
      files: { tools: { echo: {} }, prefixes: {}, asks },
      web: { tools: {}, prefixes: { '': {} } },
    },
  },
  subjects: {},
}

const form =
  '{"message":"how many?","requestedSchema":{"type":"object","properties":{"n":{"default":1.50}}}}'

function elicitation(id: unknown, params: string = form): string {
  return `{"jsonrpc":"2.0", "id": ${JSON.stringify(id)}, "method":"elicitation/create","params":${params}}`
}

/** A server that asks on the stream of each call, and answers it when a test says so. */
function asking(
  say: (call: ServerResponse, id: unknown) => void,
  name = 'files',
  status = 202,
): Answer {
  const others = answerBoth({ name })
  return (message, response, request) => {
    if (message.method === undefined) response.writeHead(status).end()
    else if (message.method !== 'tools/call') others(message, response, request)
    else {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      say(response, message.id)
    }
  }
}

/** Two connections of one pod, as clients have that answer while a call is open. */
async function twoOf(
  world: World,
  podUid: string = crypto.randomUUID(),
): Promise<readonly [TestClient, TestClient]> {
  const pod = { podUid }
  return [await world.agent(pod), await world.agent(pod)]
}

function callAt(path: string): string {
  return path === '/mcp' ? 'files_echo' : 'echo'
}

function openCall(agent: TestClient, path: string, session: string): Promise<OpenStream> {
  const call = legacy('tools/call', { name: callAt(path), arguments: {} }, { session, id: 'c' })
  return openStream(agent, { path, ...call })
}

/** What the server has been answered, by the octets. */
function answersAt(world: World, server = 'files'): readonly string[] {
  return (world.upstreams[server]?.received ?? [])
    .filter(({ body }) => body !== '' && !body.includes('"method"'))
    .map(({ body }) => body)
}

function result(id: unknown): string {
  return `data: ${JSON.stringify({ jsonrpc: '2.0', id, result: { content: [] } })}\n\n`
}

type Asked = Awaited<ReturnType<typeof asked>>

/** A call that is open, with one request of its server. */
async function asked(path: string, options: WorldOptions = {}, status = 202) {
  const calls: (readonly [ServerResponse, unknown])[] = []
  const answer = asking(
    (call, id) => {
      calls.push([call, id])
      call.write(`data: ${elicitation('theirs')}\n\n`)
    },
    'files',
    status,
  )
  const world = await openWorld({
    grants,
    ...options,
    answers: { files: answer, web: answerBoth({ name: 'web' }) },
  })
  const podUid = crypto.randomUUID()
  const [agent, other] = await twoOf(world, podUid)
  const session = await openSession(agent, path)
  const stream = await openCall(agent, path, session)
  const { id } = await stream.message(1)
  const finish = (): void => calls.forEach(([call, each]) => call.end(result(each)))
  return {
    world,
    podUid,
    agent,
    other,
    session,
    stream,
    id,
    finish,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

for (const path of ['/mcp', '/mcp/files']) {
  test(`what a server asks on the stream of a call is asked of the caller, and its answer goes back, at ${path}`, async () => {
    requirement('gateway.asked-of-its-caller')
    await using open = await asked(path)
    const { world, other, session, stream, id } = open
    assert.match(stream.octets(), /"method":"elicitation\/create","params":/)
    assert.ok(stream.octets().includes(`"params":${form}}`), 'params are passed octet for octet')
    assert.match(String(id), /^[\w-]{100,}$/)
    const { body, headers } = response(id, { session })
    assert.equal((await other.post(path, body, headers)).status, 202)
    assert.deepEqual(answersAt(world), [
      '{"jsonrpc":"2.0","id":"theirs", "result":{"action":"accept","content":{"n":1.0}}}',
    ])
    const [answered] = (world.upstreams['files']?.received ?? []).slice(-1)
    assert.equal(answered?.headers['mcp-session-id'], 'session-of-files')
    open.finish()
    await eventually('the call goes on', () => stream.isOver())
    assert.match(stream.octets(), /"id":"c","result"/)
  })
}

/** What has a stream beside calls, as it is asked at the door of one server and at that of all. */
const besideCalls: Readonly<Record<string, readonly [one: object, all: object]>> = {
  'resources/read': [{ uri: 'repo://a' }, { uri: 'files+repo://a' }],
  'resources/subscribe': [{ uri: 'repo://a' }, { uri: 'files+repo://a' }],
  'prompts/get': [{ name: 'review' }, { name: 'files_review' }],
  'completion/complete': [completing('review'), completing('files_review')],
}

function completing(name: string): object {
  return { ref: { type: 'ref/prompt', name }, argument: { name: 'a', value: 'x' } }
}

for (const [method, [one, all]] of Object.entries(besideCalls)) {
  for (const [path, params] of [
    ['/mcp/files', one],
    ['/mcp', all],
  ] as const) {
    test(`what a server asks on the stream of ${method} is asked of the caller, too, at ${path}`, async () => {
      requirement('gateway.asked-of-its-caller')
      const answered = Promise.withResolvers<string>()
      const others = answerBoth({ name: 'files' })
      const files: Answer = (message, call, request) => {
        if (message.method === undefined) {
          answered.resolve(JSON.stringify(message))
          call.writeHead(202).end()
        } else if (message.method !== method) others(message, call, request)
        else {
          call.writeHead(200, { 'content-type': 'text/event-stream' })
          call.write(`data: ${elicitation('theirs')}\n\n`)
          const given = {
            contents: [{ uri: 'repo://a', text: 'read' }],
            completion: {},
            messages: [],
          }
          const told = JSON.stringify({ jsonrpc: '2.0', id: message.id, result: given })
          void answered.promise.then(() => call.end(`data: ${told}\n\n`))
        }
      }
      const prompts = { prefixes: { '': {} } }
      const resources = { uris: { 'repo://a': {} } }
      const granted = { tenants: { acme: { files: { prompts, resources, asks } } }, subjects: {} }
      await using world = await openWorld({ grants: granted, answers: { files } })
      const [agent, other] = await twoOf(world)
      const session = await openSession(agent, path)
      const asking = legacy(method, { ...params }, { session, id: 'r' })
      const stream = await openStream(agent, { path, ...asking })
      const { id, method: asked } = await stream.message(1)
      assert.equal(asked, 'elicitation/create')
      const { body, headers } = response(id, { session })
      assert.equal((await other.post(path, body, headers)).status, 202)
      assert.match(await answered.promise, /"id":"theirs"/)
      await eventually('it goes on', () => stream.isOver())
      assert.match(stream.octets(), /"id":"r","result"/)
      assert.equal(stream.messages.length, 2)
    })
  }
}

for (const status of [404, 500, 503]) {
  test(`a call whose server does not take the answer that it needs ends, and who has answered is told: ${status}`, async () => {
    requirement('gateway.asked-and-answered-once')
    await using open = await asked('/mcp/files', {}, status)
    const { other, session, stream, id } = open
    const { body, headers } = response(id, { session })
    const told = await other.post('/mcp/files', body, headers)
    assert.equal(told.status, 502, told.text)
    await eventually('the call is over', () => stream.isOver())
    assert.match(stream.octets(), /"id":"c","error":\{.*upstream gave no answer/)
  })
}

test('an answer says of no task and no subscription that it is of it', async () => {
  requirement('gateway.task-of-its-caller')
  await using open = await asked('/mcp/files')
  const { world, other, session, id } = open
  const meta =
    '"io.modelcontextprotocol/related-task":{"taskId":"t"},"x":1,"io.modelcontextprotocol/\\u0073ubscriptionId":2'
  const outcome = `"result":{"action":"decline","_meta":{${meta}}}`
  const { body, headers } = response(id, { session, outcome })
  await other.post('/mcp/files', body, headers)
  const [answer] = answersAt(world)
  assert.deepEqual((JSON.parse(answer ?? '') as { result: unknown }).result, {
    action: 'decline',
    _meta: { x: 1 },
  })
})

test('an answer that is an error goes back as one', async () => {
  await using open = await asked('/mcp/files')
  const { world, other, session, id } = open
  const outcome = '"error":{"code":-1,"message":"User rejected sampling request"}'
  const { body, headers } = response(id, { session, outcome })
  assert.equal((await other.post('/mcp/files', body, headers)).status, 202)
  assert.deepEqual(answersAt(world), [`{"jsonrpc":"2.0","id":"theirs", ${outcome}}`])
})

const thieves: Readonly<Record<string, (open: Asked) => Promise<number>>> = {
  async 'another pod, in a session of its own'({ world, id }) {
    const thief = await world.agent()
    const session = await openSession(thief, '/mcp/files')
    const { body, headers } = response(id, { session })
    return (await thief.post('/mcp/files', body, headers)).status
  },
  async 'another pod, in the session that it has seen'({ world, id, session }) {
    const { body, headers } = response(id, { session })
    return (await (await world.agent()).post('/mcp/files', body, headers)).status
  },
  async 'another session of the same pod'({ other, id }) {
    const session = await openSession(other, '/mcp/files')
    const { body, headers } = response(id, { session })
    return (await other.post('/mcp/files', body, headers)).status
  },
  async 'a session at another door'({ other, id }) {
    const session = await openSession(other, '/mcp')
    const { body, headers } = response(id, { session })
    return (await other.post('/mcp', body, headers)).status
  },
  async 'its session, at another door'({ other, id, session }) {
    const { body, headers } = response(id, { session })
    return (await other.post('/mcp', body, headers)).status
  },
  async "the server's own id"({ other, session }) {
    const { body, headers } = response('theirs', { session })
    return (await other.post('/mcp/files', body, headers)).status
  },
  async 'an id with one character changed'({ other, session, id }) {
    const changed = String(id).replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))
    const { body, headers } = response(changed, { session })
    return (await other.post('/mcp/files', body, headers)).status
  },
}

const statuses: Readonly<Record<string, number>> = {
  'another pod, in the session that it has seen': 403,
  'its session, at another door': 400,
}

for (const [who, steal] of Object.entries(thieves)) {
  test(`nobody else answers: ${who}`, async () => {
    requirement('gateway.asked-of-its-caller')
    await using open = await asked('/mcp/files')
    assert.equal(await steal(open), statuses[who] ?? 202)
    assert.deepEqual(answersAt(open.world), [])
    const { body, headers } = response(open.id, { session: open.session })
    assert.equal((await open.other.post('/mcp/files', body, headers)).status, 202)
    assert.equal(answersAt(open.world).length, 1, 'who was asked still may')
  })
}

test('one answer counts, and none after the call', async () => {
  requirement('gateway.asked-and-answered-once')
  await using open = await asked('/mcp/files')
  const { world, agent, other, session, id } = open
  const { body, headers } = response(id, { session })
  const twice = await Promise.all([
    other.post('/mcp/files', body, headers),
    other.post('/mcp/files', body, headers),
  ])
  assert.deepEqual(
    twice.map(({ status }) => status),
    [202, 202],
  )
  assert.equal(answersAt(world).length, 1)
  open.finish()
  await eventually('the call is over', () => open.stream.isOver())
  const next = await openCall(agent, '/mcp/files', session)
  const late = response((await next.message(1)).id, { session })
  open.finish()
  await eventually('the next is over too', () => next.isOver())
  assert.equal((await other.post('/mcp/files', late.body, late.headers)).status, 202)
  assert.equal(answersAt(world).length, 1)
})

test('another replica takes the answer, once', async () => {
  requirement('gateway.asked-and-answered-once')
  await using open = await asked('/mcp/files')
  const { world, session, id } = open
  const replica = await world.openReplica({})
  const { bundle } = world.identities
  const credential = world.identities.issue({ podUid: open.podUid, toolScopes: defaultScopes })
  await using elsewhere = openClient({ port: replica.port, credential, bundle })
  const { body, headers } = response(id, { session })
  for (let times = 0; times < 2; times += 1) {
    assert.equal((await elsewhere.post('/mcp/files', body, headers)).status, 202)
  }
  assert.equal(answersAt(world).length, 1)
})

/** A policy that is another one, and lets nothing be asked, as soon as a test says so. */
function changing(): {
  readonly policy: { digest: string; asks: boolean }
  readonly authorizer: (real: Authorizer) => Authorizer
} {
  const policy = { digest: 'first', asks: true }
  return {
    policy,
    authorizer: (real) => ({
      ...real,
      get digest() {
        return policy.digest
      },
      decide(texts) {
        const decided = real.decide(texts)
        const value = { allow: false, reasons: [], obligations: [] }
        const isDenied = texts.action === 'elicitation/create' && !policy.asks
        return isDenied ? { ...decided, value, result: value } : decided
      },
    }),
  }
}

for (const [what, isAsked, count] of [
  ['still lets it be asked', true, 1],
  ['does not let it be asked any more', false, 0],
] as const) {
  test(`an answer under another policy than it was asked under, which ${what}`, async () => {
    requirement('gateway.asked-and-answered-once')
    const { policy, authorizer } = changing()
    await using open = await asked('/mcp/files', { authorizer })
    const { world, other, session, id } = open
    policy.digest = 'second'
    policy.asks = isAsked
    const { body, headers } = response(id, { session })
    assert.equal((await other.post('/mcp/files', body, headers)).status, 202)
    assert.equal(answersAt(world).length, count)
  })
}

test('a replica that does not know what was asked takes no answer under another policy', async () => {
  requirement('gateway.asked-and-answered-once')
  const { policy, authorizer } = changing()
  await using open = await asked('/mcp/files', { authorizer })
  const { world, other, session, id } = open
  const replica = await world.openReplica({})
  const { bundle } = world.identities
  const credential = world.identities.issue({ podUid: open.podUid, toolScopes: defaultScopes })
  await using elsewhere = openClient({ port: replica.port, credential, bundle })
  policy.digest = 'second'
  const { body, headers } = response(id, { session })
  assert.equal((await elsewhere.post('/mcp/files', body, headers)).status, 202)
  assert.deepEqual(answersAt(world), [])
  assert.equal((await other.post('/mcp/files', body, headers)).status, 202)
  assert.equal(answersAt(world).length, 1, 'where it was carried it still may be')
})

test('an answer that is too large is none', async () => {
  await using open = await asked('/mcp/files', { limits: { bodyBytesMax: 4096 } })
  const { world, other, session, id } = open
  const outcome = `"result":{"action":"accept","content":{"n":"${'x'.repeat(4096)}"}}`
  const { body, headers } = response(id, { session, outcome })
  assert.equal((await other.post('/mcp/files', body, headers)).status, 413)
  assert.deepEqual(answersAt(world), [])
})

test('who does not answer in time is told so, as its server is, and the call goes on', async () => {
  await using open = await asked('/mcp/files', { limits: { askSecondsMax: 1 } })
  const { world, other, session, stream, id } = open
  const cancelled = await stream.message(2)
  assert.equal(cancelled.method, 'notifications/cancelled')
  assert.equal(cancelled.params?.['requestId'], id)
  await eventually('the server is told', () => answersAt(world).length === 1)
  assert.deepEqual(answersAt(world), [
    '{"jsonrpc":"2.0","id":"theirs","error":{"code":-32603,"message":"no answer in time"}}',
  ])
  const { body, headers } = response(id, { session })
  assert.equal((await other.post('/mcp/files', body, headers)).status, 202)
  assert.equal(answersAt(world).length, 1)
})

/** What becomes of one line of a server on the stream of a call: what its client gets beside the answer, and what the server does. */
async function said(
  line: string,
  o: {
    readonly options?: WorldOptions
    readonly capabilities?: object
    readonly session?: false
    /** How many its server has to have been told before the world ends. */
    readonly answers?: number
  } = {},
) {
  const answer = asking((call, id) => {
    call.write(`data: ${line}\n\n`)
    setTimeout(() => call.end(result(id)), 100)
  })
  const files: Answer = (message, response, request) => {
    if (message.method !== 'initialize' || o.session !== false)
      return answer(message, response, request)
    const serverInfo = { name: 'files', version: '1' }
    const initialized = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: initialized }))
  }
  await using world = await openWorld({ grants, ...o.options, answers: { files } })
  const agent = await world.agent({ toolScopes: 'files:*' })
  const session = await openSession(agent, '/mcp/files', o.capabilities)
  const stream = await openCall(agent, '/mcp/files', session)
  await eventually('the call is over', () => stream.isOver())
  await eventually('its server is answered', () => answersAt(world).length >= (o.answers ?? 0))
  const { events } = world
  return { octets: stream.octets(), answers: answersAt(world), decisions: events.length }
}

const notGranted = { tenants: { acme: { files: { tools: { echo: {} } } } }, subjects: {} }
const declined =
  '{"jsonrpc":"2.0","id":"theirs","error":{"code":-32601,"message":"Method not found"}}'
const sampling =
  '{"jsonrpc":"2.0","id":"theirs","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}'

for (const [what, line, o] of [
  ['it is not granted', elicitation('theirs'), { options: { grants: notGranted } }],
  ['its client has declared nothing', elicitation('theirs'), { capabilities: {} }],
  [
    'its client has declared another thing',
    sampling,
    { capabilities: { roots: {}, elicitation: {} } },
  ],
  [
    'it is to be a task',
    elicitation('theirs', '{"message":"","requestedSchema":{},"task":{"ttl":1}}'),
    {},
  ],
  [
    'it belongs to a task',
    elicitation(
      'theirs',
      '{"message":"","requestedSchema":{},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"}}}',
    ),
    {},
  ],
  [
    'it is of a host that is not granted',
    elicitation(
      'theirs',
      '{"mode":"url","message":"","url":"https://evil.example/","elicitationId":"1"}',
    ),
    {},
  ],
  ['it is no elicitation', elicitation('theirs', '{}'), {}],
  [
    'nobody knows the method',
    '{"jsonrpc":"2.0","id":"theirs","method":"tasks/get","params":{"taskId":"1"}}',
    {},
  ],
  ['its session is of nobody alone', elicitation('theirs'), { session: false }],
] as const) {
  test(`a server is answered in its caller's stead, and the call goes on: ${what}`, async () => {
    requirement('gateway.server-requests-reach-nobody')
    const { octets, answers } = await said(line, { ...o, answers: 1 })
    assert.equal(octets, result('c'))
    assert.deepEqual(answers, [declined])
  })
}

test('roots and samples are asked for as they are', async () => {
  const { octets } = await said(sampling)
  assert.match(
    octets,
    /"method":"sampling\/createMessage","params":\{"messages":\[\],"maxTokens":1\}\}/,
  )
  const roots = await said('{"jsonrpc":"2.0","id":"theirs","method":"roots/list"}')
  assert.match(roots.octets, /"method":"roots\/list"\}/)
})

test('a second request with the id of one that is open reaches nobody', async () => {
  const two = `${elicitation('theirs')}\n\ndata: ${elicitation('theirs')}`
  const { octets, answers } = await said(two)
  assert.equal(octets.match(/elicitation\/create/g)?.length, 1)
  assert.deepEqual(answers, [])
})

test('a flood of requests ends its call, and leaves nothing', async () => {
  requirement('gateway.asks-bounded')
  const flood = Array.from({ length: 40 }, (_, id) => elicitation(id)).join('\n\ndata: ')
  const { octets } = await said(flood)
  assert.equal(octets.match(/elicitation\/create/g)?.length, 16)
  assert.match(octets, /"id":"c","error":\{"code":-31403/)
})

test('what a server takes back is taken back at its caller, and what it never asked is not', async () => {
  const cancelled = (requestId: unknown): string =>
    `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${JSON.stringify(requestId)},"reason":"enough"}}`
  const { octets } = await said(
    [elicitation(7), cancelled('7'), cancelled(8), cancelled(7)].join('\n\ndata: '),
  )
  const id = /"id": ("[\w-]+"), "method":"elicitation/.exec(octets)?.[1]
  assert.ok(octets.includes(`"params":{"requestId":${id},"reason":"enough"}`), octets)
  assert.equal(octets.match(/notifications\/cancelled/g)?.length, 1)
})

test('progress of an answer goes to the server that has given its token, and nowhere else', async () => {
  const answer = asking((call) => {
    const params = `${form.slice(0, -1)},"_meta":{"progressToken":5}}`
    call.write(`data: ${elicitation('theirs', params)}\n\n`)
  })
  await using world = await openWorld({
    grants,
    answers: { files: answer, web: answerBoth({ name: 'web' }) },
  })
  const [agent, other] = await twoOf(world)
  const session = await openSession(agent, '/mcp')
  const stream = await openCall(agent, '/mcp', session)
  await stream.message(1)
  for (const progressToken of [5, '5', 6]) {
    const told = legacy('notifications/progress', { progressToken, progress: 1 }, { session })
    assert.equal((await other.post('/mcp', told.body, told.headers)).status, 202)
  }
  const told = (server: string): readonly string[] =>
    (world.upstreams[server]?.received ?? [])
      .map(({ body }) => body)
      .filter((body) => body.includes('/progress"'))
  assert.equal(told('files').length, 1)
  assert.match(told('files')[0] ?? '', /"progressToken":5,/)
  assert.deepEqual(told('web'), [])
})

for (const [what, leave] of [
  ['goes away', ({ stream }: Asked) => stream.close()],
  ['is no more', ({ world, podUid }: Asked) => world.gone.set(new Set([podUid]))],
] as const) {
  test(`a caller that ${what} has nothing open any more`, async () => {
    requirement('gateway.asks-bounded')
    const shares = {
      identitySharePercent: 100,
      namespaceSharePercent: 100,
      tenantSharePercent: 100,
    }
    await using open = await asked('/mcp/files', { limits: { asksMax: 1, ...shares } })
    const { world } = open
    /** Whether another one is asked. */
    const isAsked = async (): Promise<boolean> => {
      const agent = await world.agent()
      const stream = await openCall(agent, '/mcp/files', await openSession(agent, '/mcp/files'))
      const before = answersAt(world).length
      await eventually(
        'it is asked, or its server answered',
        () => stream.messages.length + answersAt(world).length > before,
      )
      const { length } = stream.messages
      stream.close()
      return length > 0
    }
    assert.equal(await isAsked(), false)
    leave(open)
    await eventually('it is gone', () => open.stream.isOver())
    await eventually('there is room for another', isAsked)
  })
}

test('a server that is no more while it asks is told nothing', async () => {
  await using open = await asked('/mcp/files')
  const { world, other, session, id } = open
  world.gone.set(new Set(world.podsOf('files')))
  await eventually('the call ends', () => open.stream.isOver())
  const { body, headers } = response(id, { session })
  assert.equal((await other.post('/mcp/files', body, headers)).status, 202)
  assert.deepEqual(answersAt(world), [])
})

test('what another process has carried counts once here, until nobody waits for it', () => {
  requirement('gateway.asked-and-answered-once')
  let now = 0
  const here = createAsks({ limits: defaultLimits, now: () => now })
  const there = { id: 's', version: '2025-11-25', spiffeId: 'x' }
  const ask = {
    by: 'another',
    number: 1,
    server: 'files',
    there,
    rawId: '1',
    policy: '',
    endsAt: 10,
  }
  const answer = {} as ResponseMessage
  assert.equal(here.take(ask, answer), true)
  assert.equal(here.take(ask, answer), false)
  assert.equal(here.take({ ...ask, number: 2 }, answer), true)
  now = 10
  assert.equal(here.take({ ...ask, number: 3 }, answer), false)
  assert.equal(here.take({ ...ask, by: here.by, endsAt: 20 }, answer), false)
})

for (const [count, isListed] of [
  [16, true],
  [17, false],
] as const) {
  test(`a server that asks before it lists is answered so often, and no more: ${count}`, async () => {
    requirement('gateway.server-requests-reach-nobody')
    const others = answerBoth({ name: 'files' })
    const files: Answer = (message, call, request) => {
      if (message.method !== 'tools/list') return others(message, call, request)
      call.writeHead(200, { 'content-type': 'text/event-stream' })
      for (let id = 0; id < count; id += 1) call.write(`data: ${elicitation(id)}\n\n`)
      call.end(
        `data: ${JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { tools: [] } })}\n\n`,
      )
    }
    await using world = await openWorld({ grants, answers: { files } })
    const agent = await world.agent({ toolScopes: 'files:*' })
    const session = await openSession(agent, '/mcp/files')
    const list = legacy('tools/list', {}, { session })
    const { text } = await agent.post('/mcp/files', list.body, list.headers)
    assert.doesNotMatch(text, /elicitation/)
    assert.equal(text.includes('"tools":[]'), isListed, text)
  })
}
