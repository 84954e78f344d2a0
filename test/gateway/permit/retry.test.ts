import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthorizer } from '../../../src/policy/authorizer.ts'
import { requirement } from '../../requirements.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'
import { modern, modernMeta, openClient, type Reply, type TestClient } from '../world/client.ts'
import { answerBoth, sendJson, type Answer } from '../world/upstream.ts'
import { openWorld, type World, type WorldOptions } from '../world/world.ts'

const of = { prompts: { prefixes: { '': {} } }, resources: { prefixes: { '': {} } } }
const asks = { elicitation: { form: true } }
const granted = {
  files: { prefixes: { '': {} }, ...of, asks },
  web: { prefixes: { '': {} }, asks },
}
const grants = { tenants: { acme: granted, umbrella: granted }, subjects: {} }
const toolScopes = 'files:*,web:*'

/** What the server gives and wants back, as it writes it. */
const state = '"its own: \\u0061\\"é, s3cret"'
const form =
  '{"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object"}}}'

/** A server that needs input until it has its state back, or any responses. */
const asking: Answer = (message, response, request) => {
  if (!/^(tools\/call|prompts\/get|resources\/read)$/.test(message.method)) {
    return answerBoth()(message, response, request)
  }
  const { params = {} } = message
  if (params['inputResponses'] === undefined) {
    const result = `"resultType":"input_required","inputRequests":{"a":${form}},"requestState" : ${state}`
    return sendJson(response, `{"jsonrpc":"2.0","id":1,"result":{${result}}}`)
  }
  const contents =
    message.method === 'resources/read' ? '"contents":[],"ttlMs":60000' : '"content":[]'
  sendJson(response, `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete",${contents}}}`)
}

function open(options: WorldOptions = {}): Promise<World> {
  return openWorld({ answers: { files: asking, web: asking }, grants, ...options })
}

const meta = {
  ...modernMeta,
  'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
}

interface Asked {
  readonly door?: string
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly back?: object
}

const echo = { name: 'echo', arguments: { a: 1, b: [{ c: 'd', e: null }] } }
const responses = {
  a: { action: 'accept', content: { word: 'answer-s3cret', n: 9007199254740993n } },
}

function textOf(value: object): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'bigint'
      ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(each))
      : each,
  )
}

function send(agent: TestClient, asked: Asked = {}): Promise<Reply> {
  const { door = '/mcp/files', method = 'tools/call', params = echo, back = {} } = asked
  const { headers } = modern(method, params)
  const body = textOf({
    jsonrpc: '2.0',
    id: 1,
    method,
    params: { ...back, ...params, _meta: meta },
  })
  return agent.post(door, body, headers)
}

function stateIn(reply: Reply): string {
  const sealed = reply.json.result?.['requestState']
  assert.ok(typeof sealed === 'string', reply.text)
  return sealed
}

const flows = [
  ['tools/call', '/mcp/files', echo, '"name":"echo"'],
  ['tools/call', '/mcp', { ...echo, name: 'files_echo' }, '"name":"echo"'],
  ['prompts/get', '/mcp/files', { name: 'review', arguments: { a: '1' } }, '"name":"review"'],
  ['prompts/get', '/mcp', { name: 'files_review' }, '"name":"review"'],
  ['resources/read', '/mcp/files', { uri: 'repo://a' }, '"uri":"repo://a"'],
  ['resources/read', '/mcp', { uri: 'files+repo://a' }, '"uri":"repo://a"'],
] as const

for (const [method, door, params, there] of flows) {
  test(`${method} that needs input goes on where its caller brings it, at ${door}`, async () => {
    requirement('gateway.retries-bound')
    await using world = await open()
    const agent = await world.agent({ toolScopes })
    const first = await send(agent, { door, method, params })
    const sealed = stateIn(first)
    assert.match(first.text, new RegExp(`"requestState" : "${sealed}"`))
    assert.doesNotMatch(first.text, /s3cret/)
    const back = { requestState: sealed, inputResponses: responses }
    const second = await send(agent, { door, method, params, back })
    assert.equal(second.json.result?.['resultType'], 'complete', second.text)
    if (method === 'resources/read') assert.equal(second.json.result['ttlMs'], 0)
    const [asked, again] = (world.upstreams['files']?.received ?? []).filter(({ body }) =>
      body.includes(`"method":"${method}"`),
    )
    assert.ok(asked !== undefined && again !== undefined)
    assert.ok(again.body.includes(`"requestState":${state},"inputResponses":${textOf(responses)}`))
    assert.ok(again.body.includes(there))
    // A retry is a call like any other: with a decision, and a token, of its own.
    const decided = world.events.map(({ path }) => path)
    assert.deepEqual(decided, Array(3).fill('countersign/mcp/decision'))
    if (method === 'tools/call') {
      assert.notEqual(asked.headers['txn-token'], again.headers['txn-token'])
      const token = Buffer.from(String(again.headers['txn-token']).split('.')[1] ?? '', 'base64url')
      assert.ok(token.toString().includes(world.events.at(-1)?.decisionId ?? '-'))
    }
    assert.doesNotMatch(textOf(world.events), /s3cret/)
  })
}

interface Thief {
  readonly world: World
  readonly agent: TestClient
  readonly clock: { now: number }
}

/** Who comes with a state that is not of this call, and what the decision log says of it. */
const thefts: Readonly<
  Record<string, readonly [why: RegExp, come: (thief: Thief, sealed: string) => Promise<Reply>]>
> = {
  'another pod of the service account': [
    /it is of spiffe:\/\/\S+\/sa\/agent [0-9a-f-]{36}$/,
    async ({ world }, sealed) =>
      send(await world.agent({ toolScopes }), { back: { requestState: sealed } }),
  ],
  'another tenant': [
    /it is of spiffe:/,
    async ({ world }, sealed) =>
      send(await world.agent({ toolScopes, tenant: 'umbrella', serviceAccount: 'other' }), {
        back: { requestState: sealed },
      }),
  ],
  'the door of all': [
    /another door/,
    ({ agent }, sealed) =>
      send(agent, {
        door: '/mcp',
        params: { ...echo, name: 'files_echo' },
        back: { requestState: sealed },
      }),
  ],
  'another tool server': [
    /another door/,
    ({ agent }, sealed) => send(agent, { door: '/mcp/web', back: { requestState: sealed } }),
  ],
  'another tool': [
    /another target/,
    ({ agent }, sealed) =>
      send(agent, { params: { ...echo, name: 'delete' }, back: { requestState: sealed } }),
  ],
  'a prompt of the name': [
    /another method/,
    ({ agent }, sealed) => send(agent, { method: 'prompts/get', back: { requestState: sealed } }),
  ],
  'other arguments': [
    /its arguments are others/,
    ({ agent }, sealed) =>
      send(agent, {
        params: { ...echo, arguments: { ...echo.arguments, a: 2 } },
        back: { requestState: sealed },
      }),
  ],
  'no arguments': [
    /its arguments are others/,
    ({ agent }, sealed) =>
      send(agent, { params: { name: 'echo' }, back: { requestState: sealed } }),
  ],
  'an hour later': [
    /it has expired/,
    ({ agent, clock }, sealed) => {
      clock.now += 3_600_000
      return send(agent, { back: { requestState: sealed } })
    },
  ],
  'one that is cut': [
    /not sealed here/,
    ({ agent }, sealed) => send(agent, { back: { requestState: sealed.slice(0, -4) } }),
  ],
  'one that is changed': [
    /not sealed here/,
    ({ agent }, sealed) =>
      send(agent, {
        back: {
          requestState: `${sealed.slice(0, 40)}${sealed[40] === 'A' ? 'B' : 'A'}${sealed.slice(41)}`,
        },
      }),
  ],
  'the text of the server itself': [
    /not sealed here/,
    ({ agent }) => send(agent, { back: { requestState: JSON.parse(state) as string } }),
  ],
  'an empty one': [/not sealed here/, ({ agent }) => send(agent, { back: { requestState: '' } })],
  'a huge one': [
    /not sealed here/,
    ({ agent }) => send(agent, { back: { requestState: 'A'.repeat(1_000_000) } }),
  ],
}

for (const [who, [why, come]] of Object.entries(thefts)) {
  test(`a state in the wrong hands or the wrong place opens nothing: ${who}`, async () => {
    requirement('gateway.retries-bound')
    requirement('attack.handles-taken-over')
    const clock = { now: Date.now() }
    await using world = await open({ now: () => clock.now })
    const agent = await world.agent({ toolScopes })
    const sealed = stateIn(await send(agent))
    const calls = (): number =>
      ['files', 'web'].flatMap((server) => world.upstreams[server]?.received ?? []).length
    const before = calls()
    const reply = await come({ world, agent, clock }, sealed)
    assert.equal(reply.status, 400, reply.text)
    assert.equal(reply.json.error?.code, -32602)
    assert.match(reply.json.error.message, /^params.requestState is none of this call \(decision /)
    const event = world.events.at(-1)
    assert.deepEqual(reply.json.error.data, { decisionId: event?.decisionId })
    assert.equal(event?.path, 'countersign/gateway/retry')
    const [reason] = (event.evaluated.result as { reasons: { code: string; message: string }[] })
      .reasons
    assert.equal(reason?.code, 'request-state-refused')
    assert.match(reason.message, why)
    assert.equal(calls(), before)
  })
}

test('a state goes on at another replica, and more than once: what it may be used for once its server has to say', async () => {
  requirement('gateway.retries-bound')
  await using world = await open()
  const own = world.identities.issue({ toolScopes })
  const clientOf = (port: number): TestClient =>
    openClient({ port, credential: own, bundle: world.identities.bundle })
  await using agent = clientOf(world.gateway.port)
  const sealed = stateIn(await send(agent))
  const replica = await world.openReplica({})
  await using there = clientOf(replica.port)
  const back = { requestState: sealed, inputResponses: responses }
  for (const each of [there, agent, agent]) {
    const reply = await send(each, { back })
    assert.equal(reply.json.result?.['resultType'], 'complete', reply.text)
  }
  assert.equal(world.events.length, 5)
})

test('arguments are the same in whatever order and spacing they come back', async () => {
  await using world = await open()
  const agent = await world.agent({ toolScopes })
  const sealed = stateIn(await send(agent))
  const { headers } = modern('tools/call', echo)
  const body = textOf({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'echo', requestState: sealed, inputResponses: {}, _meta: meta },
  }).replace('"name"', '"arguments":{ "b" : [{"e":null, "c":"d"}], "a":1 },"name"')
  const reply = await agent.post('/mcp/files', body, headers)
  assert.equal(reply.json.result?.['resultType'], 'complete', reply.text)
})

test('answers alone go on too, whatever they are called, and a call may come with them at once', async () => {
  await using world = await open()
  const agent = await world.agent({ toolScopes })
  for (const inputResponses of [{}, { nobody: { asked: [] } }, { a: 7, b: 'x' }]) {
    const reply = await send(agent, { back: { inputResponses, 'x-more': 1 } })
    assert.equal(reply.json.result?.['resultType'], 'complete', reply.text)
  }
})

test('a retry is decided anew: what policy says no to by then is refused', async () => {
  requirement('gateway.retries-bound')
  const none = createAuthorizer(
    await loadPolicyBundle({ data: { grants: { tenants: {}, subjects: {} } } }),
  )
  let isTaken = false
  await using world = await open({
    authorizer: (real) => ({
      ...real,
      digest: real.digest,
      decide: (texts) => (isTaken ? none : real).decide(texts),
    }),
  })
  const agent = await world.agent({ toolScopes })
  const sealed = stateIn(await send(agent))
  isTaken = true
  const reply = await send(agent, { back: { requestState: sealed, inputResponses: responses } })
  assert.equal(reply.json.error?.code, -31403)
})

test('what a retry may not have is bad input', async () => {
  await using world = await open()
  const agent = await world.agent({ toolScopes })
  const bad: readonly (readonly [back: object, message: string])[] = [
    [{ requestState: 7 }, 'params.requestState is no text'],
    [{ requestState: null }, 'params.requestState is no text'],
    [{ inputResponses: [] }, 'params.inputResponses is no object'],
    [{ inputResponses: null }, 'params.inputResponses is no object'],
  ]
  for (const [back, message] of bad) {
    const reply = await send(agent, { back })
    assert.equal(reply.status, 400)
    assert.equal(reply.json.error?.code, -32602)
    assert.ok(reply.json.error.message.startsWith(message), reply.text)
  }
  const list = await send(agent, { method: 'tools/list', params: {}, back: { inputResponses: {} } })
  assert.match(list.text, /params.inputResponses is not served/)
})
