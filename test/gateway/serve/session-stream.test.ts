import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { legacy } from '../world/client.ts'
import { listen, openSession, response } from '../world/session.ts'
import { speaking } from '../world/speaking.ts'
import { answerBoth, type Answer, type Stream } from '../world/upstream.ts'
import { openWorld, type World, type WorldOptions } from '../world/world.ts'

const asks = { elicitation: { form: true }, sampling: true, roots: true }
const grants = {
  tenants: {
    acme: {
      files: {
        tools: { echo: {} },
        resources: { uris: { 'file:///a': {}, 'file:///c': {} } },
        asks,
      },
      web: { prefixes: { '': {} } },
    },
  },
  subjects: {},
}

/** A session of an agent that listens, with both servers speaking. */
async function listening(path: string, options: WorldOptions = {}) {
  const [files, web] = [speaking(), speaking()]
  const streams = { files: files.stream, web: web.stream }
  const world = await openWorld({ grants, streams, ...options })
  const podUid = crypto.randomUUID()
  const [agent, other] = [await world.agent({ podUid }), await world.agent({ podUid })]
  const session = await openSession(other, path)
  const stream = await listen(agent, path, session)
  await eventually('it listens', () => files.open.length === 1)
  return {
    world,
    files,
    web,
    agent,
    other,
    podUid,
    session,
    stream,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

type Listening = Awaited<ReturnType<typeof listening>>

const elicitation =
  '{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"","requestedSchema":{}}}'

function changed(kind: string): string {
  return `{"jsonrpc":"2.0","method":"notifications/${kind}/list_changed"}`
}

function updated(uri: string): string {
  return JSON.stringify({
    jsonrpc: '2.0',
    method: 'notifications/resources/updated',
    params: { uri },
  })
}

const logged =
  '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}'

for (const path of ['/mcp', '/mcp/files']) {
  test(`what a server asks outside of a call is asked on the stream of its session, at ${path}`, async () => {
    requirement('gateway.asked-of-its-caller')
    await using open = await listening(path)
    open.files.say(elicitation)
    const { id, method } = await open.stream.message(1)
    assert.equal(method, 'elicitation/create')
    const { body, headers } = response(id, { session: open.session })
    assert.equal((await open.other.post(path, body, headers)).status, 202)
    const [last] = (open.world.upstreams['files']?.received ?? []).slice(-1)
    assert.match(last?.body ?? '', /^\{"jsonrpc":"2.0","id":1, "result"/)
    assert.equal(last?.headers['mcp-session-id'], 'session-of-files')
  })

  test(`what has changed is told on the stream of its session, at ${path}`, async () => {
    await using open = await listening(path)
    open.files.say(
      changed('tools'),
      changed('prompts'),
      changed('resources'),
      changed('tools'),
      logged,
    )
    await open.stream.message(4)
    assert.deepEqual(open.stream.messages.map(({ method }) => method).toSorted(), [
      'notifications/message',
      'notifications/prompts/list_changed',
      'notifications/resources/list_changed',
      'notifications/tools/list_changed',
    ])
  })

  test(`a resource that has changed is told to who may read it and has asked for it, under its name, at ${path}`, async () => {
    requirement('gateway.changes-decided')
    await using open = await listening(path)
    const uri = path === '/mcp' ? 'files+file:///a' : 'file:///a'
    for (const method of ['resources/subscribe', 'resources/unsubscribe', 'resources/subscribe']) {
      const { body, headers } = legacy(method, { uri }, { session: open.session })
      assert.equal((await open.other.post(path, body, headers)).status, 200)
    }
    open.files.say(
      updated('file:///c'),
      updated('file:///b'),
      updated('file:///a'),
      updated('file:///a'),
      updated('no uri'),
      logged,
    )
    await open.stream.message(2)
    const uris = open.stream.messages.flatMap(({ params }) => params?.['uri'] ?? [])
    assert.deepEqual(uris, [path === '/mcp' ? 'files+file:///a' : 'file:///a'])
  })

  test(`no octet of a server's stream is passed on that is no message, at ${path}`, async () => {
    await using open = await listening(path)
    open.files.say(logged)
    await open.stream.message(1)
    assert.equal(open.stream.octets(), `data: ${logged}\n\n`)
  })

  test(`what is no message of a stream reaches nobody, at ${path}`, async () => {
    await using open = await listening(path)
    open.files.say(
      '{"jsonrpc":"2.0","id":1,"result":{}}',
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}',
      '{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"1"}}',
      '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"}}}}',
      '{"jsonrpc":"2.0","method":"notifications/x"}',
      logged,
    )
    await open.stream.message(1)
    assert.equal(open.stream.octets(), `data: ${logged}\n\n`)
  })

  test(`a stream is of its owner, at ${path}`, async () => {
    requirement('gateway.stream-of-its-owner')
    await using open = await listening(path)
    const thief = await open.world.agent()
    assert.equal((await listen(thief, path, open.session)).status, 403)
    const elsewhere = path === '/mcp' ? '/mcp/files' : '/mcp'
    assert.equal((await listen(open.other, elsewhere, open.session)).status, 400)
    assert.equal((await listen(open.other, path, 'made-up')).status, 404)
    const version = { 'mcp-protocol-version': '2025-06-18' }
    assert.equal((await listen(open.other, path, open.session, version)).status, 400)
    assert.equal(
      (await listen(open.other, path, open.session, { accept: 'application/json' })).status,
      406,
    )
    assert.equal(open.files.open.length, 1)
  })

  const ends: Readonly<Record<string, (open: Listening) => unknown>> = {
    'its pod is no more': ({ world, podUid }) => world.gone.set(new Set([podUid])),
    'its session is ended': ({ other, session }) =>
      other.send({ method: 'DELETE', path, headers: { 'mcp-session-id': session } }),
    'its caller goes away': ({ stream }) => stream.close(),
    'its gateway closes': ({ world }) => void world.gateway.close(),
  }
  for (const [why, end] of Object.entries(ends)) {
    test(`a stream ends at both sides when ${why}, at ${path}`, async () => {
      requirement('gateway.stream-of-its-owner')
      await using open = await listening(path)
      await end(open)
      await eventually('the caller is told', () => open.stream.isOver())
      await eventually('the servers are', () => open.files.open.length + open.web.open.length === 0)
    })
  }

  test(`a stream ends when its time is over, at ${path}`, async () => {
    requirement('gateway.stream-of-its-owner')
    await using open = await listening(path, { limits: { streamSecondsMax: 1 } })
    await eventually('the caller is told', () => open.stream.isOver())
    await eventually('the server is', () => open.files.open.length === 0)
  })

  test(`a server that sends what is no message is heard no more, at ${path}`, async () => {
    requirement('gateway.answers-judged')
    await using open = await listening(path)
    const [first] = open.files.open
    first?.write('data: {"jsonrpc":"2.0","method":"notifications/message","method":"x"}\n\n')
    await eventually('it is hung up on', () => open.files.open[0] !== first)
    assert.equal(open.stream.octets(), '')
  })

  test(`a server that asks without end is heard no more, at ${path}`, async () => {
    requirement('gateway.asks-bounded')
    await using open = await listening(path)
    const [first] = open.files.open
    for (let id = 0; id < 100; id += 1)
      first?.write(`data: ${elicitation.replace('"id":1', `"id":${id}`)}\n\n`)
    await eventually('it is hung up on', () => open.files.open[0] !== first)
    assert.equal(open.stream.messages.length, 16)
  })
}

test('at the door of all what changes in several servers at once is told once', async () => {
  await using open = await listening('/mcp')
  await eventually('both are listened to', () => open.web.open.length === 1)
  for (const each of [open.files, open.web]) each.say(changed('tools'))
  open.files.say(logged)
  await open.stream.message(2)
  open.files.say(logged)
  await open.stream.message(3)
  assert.equal(open.stream.octets().match(/tools\/list_changed/g)?.length, 1)
})

test('a change is told to nobody who may not ask for the list', async () => {
  requirement('gateway.changes-decided')
  let denied = true
  await using open = await listening('/mcp/files', {
    authorizer: (real) => ({
      ...real,
      decide: (texts) =>
        denied && texts.action === 'prompts/list'
          ? real.decide({ ...texts, action: 'no such method' })
          : real.decide(texts),
    }),
  })
  open.files.say(changed('prompts'), changed('tools'))
  await open.stream.message(1)
  assert.deepEqual(
    open.stream.messages.map(({ method }) => method),
    ['notifications/tools/list_changed'],
  )
  denied = false
  open.files.say(changed('prompts'))
  assert.equal((await open.stream.message(2)).method, 'notifications/prompts/list_changed')
})

test('what a server logs is told to nobody who may not say how much it logs', async () => {
  requirement('gateway.changes-decided')
  await using open = await listening('/mcp/files', {
    authorizer: (real) => ({
      ...real,
      decide: (texts) =>
        real.decide(
          texts.action === 'logging/setLevel' ? { ...texts, action: 'no such method' } : texts,
        ),
    }),
  })
  open.files.say(logged, changed('tools'))
  await open.stream.message(1)
  assert.deepEqual(
    open.stream.messages.map(({ method }) => method),
    ['notifications/tools/list_changed'],
  )
})

for (const status of [405, 409]) {
  test(`where a server offers no stream there is none at its door: ${status}`, async () => {
    const stream: Stream = (answer) => answer.writeHead(status).end()
    await using world = await openWorld({ grants, streams: { files: stream } })
    const agent = await world.agent()
    const session = await openSession(agent, '/mcp/files')
    assert.equal((await listen(agent, '/mcp/files', session)).status, status)
  })
}

test('where a server has lost its session its stream says so, as a call does', async () => {
  const stream: Stream = (answer) => answer.writeHead(404).end()
  await using world = await openWorld({ grants, streams: { files: stream } })
  const agent = await world.agent()
  const session = await openSession(agent, '/mcp/files')
  assert.equal((await listen(agent, '/mcp/files', session)).status, 404)
})

test('at the door of all a stream stays open, whatever the servers offer', async () => {
  const web = speaking()
  await using world = await openWorld({ grants, streams: { web: web.stream } })
  const agent = await world.agent()
  const session = await openSession(agent, '/mcp')
  const stream = await listen(agent, '/mcp', session)
  assert.equal(stream.status, 200)
  assert.equal(stream.headers['content-type'], 'text/event-stream')
  await eventually('the other is listened to', () => web.open.length === 1)
  web.say(logged)
  assert.equal((await stream.message(1)).method, 'notifications/message')
})

test('at the door of all the stream of a server that ends is opened again', async () => {
  await using open = await listening('/mcp')
  open.files.open[0]?.end()
  await eventually(
    'it is listened to again',
    () => open.files.open.length === 1 && !open.files.open[0]?.writableEnded,
  )
  open.files.say(logged)
  assert.equal((await open.stream.message(1)).method, 'notifications/message')
})

test('without a session, or one of its own, nobody listens', async () => {
  const files = speaking()
  const own = answerBoth({ name: 'files' })
  const nobodys: Answer = (message, answer, request) => {
    answer.removeHeader('mcp-session-id')
    const end = answer.writeHead.bind(answer)
    answer.writeHead = ((status: number, headers?: Record<string, string>) => {
      const { 'mcp-session-id': _, ...others } = headers ?? {}
      return end(status, others)
    }) as typeof answer.writeHead
    own(message, answer, request)
  }
  await using world = await openWorld({
    grants,
    answers: { files: nobodys },
    streams: { files: files.stream },
  })
  const agent = await world.agent({ toolScopes: 'files:*' })
  const session = await openSession(agent, '/mcp/files')
  assert.equal((await listen(agent, '/mcp/files', session)).status, 405)
  const bare = await agent.send({
    method: 'GET',
    path: '/mcp/files',
    headers: { accept: 'text/event-stream' },
  })
  assert.equal(bare.status, 405)
  assert.equal(bare.headers['allow'], 'GET, POST, DELETE')
  assert.equal(files.open.length, 0)
})

test('streams take no place of a call, and no party takes all of them', async () => {
  requirement('gateway.streams-apart')
  const files = speaking()
  const limits = { upstreamConnectionsMax: 1, upstreamStreamsMax: 8 }
  await using world = await openWorld({ grants, limits, streams: { files: files.stream } })
  const statuses: number[] = []
  for (let times = 0; times < 5; times += 1) {
    const podUid = crypto.randomUUID()
    const session = await openSession(await world.agent({ podUid }), '/mcp/files')
    statuses.push((await listen(await world.agent({ podUid }), '/mcp/files', session)).status)
  }
  assert.ok(statuses.includes(200) && statuses.includes(429), statuses.join())
  const other = { serviceAccount: 'other', podUid: crypto.randomUUID() }
  const caller = await world.agent(other)
  const session = await openSession(caller, '/mcp/files')
  assert.equal((await listen(await world.agent(other), '/mcp/files', session)).status, 200)
  const call = legacy('tools/call', { name: 'echo', arguments: {} }, { session })
  assert.ok((await caller.post('/mcp/files', call.body, call.headers)).json.result)
})

/** A server that takes and gives up subscriptions. */
function subscribing(name: string): Answer {
  const others = answerBoth({ name })
  return (message, answer, request) => {
    if (!message.method.endsWith('subscribe')) return others(message, answer, request)
    answer.writeHead(200, { 'content-type': 'application/json' })
    answer.end(`{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":{}}`)
  }
}

function subscribedAt(world: World): readonly unknown[] {
  return (world.upstreams['files']?.received ?? [])
    .filter(({ body }) => body.includes('subscribe"'))
    .map(({ body }) => (JSON.parse(body) as { readonly params: object }).params)
}

for (const [path, uri] of [
  ['/mcp', 'files+file:///a'],
  ['/mcp/files', 'file:///a'],
] as const) {
  for (const method of ['resources/subscribe', 'resources/unsubscribe']) {
    test(`${method} is decided as reading is, and told to the server of the session, at ${path}`, async () => {
      requirement('gateway.changes-decided')
      await using world = await openWorld({ grants, answers: { files: subscribing('files') } })
      const agent = await world.agent()
      const session = await openSession(agent, path)
      const one = legacy(method, { uri }, { session })
      assert.deepEqual((await agent.post(path, one.body, one.headers)).json.result, {})
      const other = legacy(method, { uri: uri.replace('///a', '///b') }, { session })
      assert.equal((await agent.post(path, other.body, other.headers)).json.error?.code, -31403)
      assert.deepEqual(subscribedAt(world), [{ uri: 'file:///a' }])
    })
  }
}

test('capabilities are told as far as they are offered, and carried as far as they are told', async () => {
  await using world = await openWorld({ grants })
  const agent = await world.agent()
  const capabilities = {
    elicitation: { form: {}, more: {} },
    roots: { listChanged: true },
    tasks: { list: {} },
    experimental: { x: {} },
    sampling: { tools: {} },
  }
  await openSession(agent, '/mcp/files', capabilities)
  await openSession(agent, '/mcp', capabilities)
  const told = (world.upstreams['files']?.received ?? [])
    .filter(({ body }) => body.includes('"initialize"'))
    .map(
      ({ body }) =>
        (JSON.parse(body) as { readonly params: { readonly capabilities: object } }).params
          .capabilities,
    )
  const carried = {
    roots: { listChanged: true },
    sampling: { tools: {} },
    elicitation: { form: {} },
  }
  assert.deepEqual(told, [carried, carried])
})
