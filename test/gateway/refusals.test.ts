import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { silentLog } from '../../src/log.ts'
import { askCall } from '../../src/policy/asked.ts'
import type { Authorizer } from '../../src/policy/authorizer.ts'
import {
  initializeParams,
  legacy,
  modern,
  whyOf,
  type Reply,
  type TestClient,
} from './world/client.ts'
import { openWorld, type World, type WorldOptions } from './world/world.ts'
import { requirement } from '../requirements.ts'

const call = (name: string, args: object = {}): ReturnType<typeof modern> =>
  modern('tools/call', { name, arguments: args })

async function openSession(agent: TestClient, path: string): Promise<string> {
  const { body, headers } = legacy('initialize', initializeParams)
  const reply = await agent.post(path, body, headers)
  assert.equal(reply.status, 200, reply.text)
  return String(reply.headers['mcp-session-id'])
}

const broken = (decision: Partial<Authorizer>): NonNullable<WorldOptions['authorizer']> => {
  return (real) => ({ ...real, ...decision })
}

interface Case {
  readonly title: string
  readonly world?: WorldOptions
  readonly ask: (agent: TestClient, world: World) => Promise<Reply>
  readonly status: number
  readonly code: number
  readonly message?: string | RegExp
  readonly withoutId?: boolean
}

const cases: readonly Case[] = [
  {
    title: 'a host that is not served',
    ask: (agent) => {
      const { body, headers } = call('echo')
      return agent.post('/mcp/files', body, { ...headers, host: 'evil.test' })
    },
    status: 403,
    code: -32600,
    message: 'host is not served here',
    withoutId: true,
  },
  {
    title: 'an origin that is not served',
    ask: (agent) => {
      const { body, headers } = call('echo')
      return agent.post('/mcp/files', body, { ...headers, origin: 'https://evil.test' })
    },
    status: 403,
    code: -32600,
    message: 'origin is not served here',
    withoutId: true,
  },
  {
    title: 'a body that is larger than the bound, once it has passed',
    world: { limits: { bodyBytesMax: 1000 } },
    ask: (agent) => {
      const { body, headers } = call('echo', { text: 'x'.repeat(2000) })
      return agent.post('/mcp/files', body, headers)
    },
    status: 413,
    code: -32600,
  },
  {
    title: 'a body that is larger by far, by its length',
    world: { limits: { bodyBytesMax: 1000 } },
    ask: (agent) => {
      const { body, headers } = call('echo', { text: 'x'.repeat(4000) })
      return agent.post('/mcp/files', body, headers)
    },
    status: 413,
    code: -32600,
    withoutId: true,
  },
  {
    title: 'an array of messages',
    ask: (agent) => agent.post('/mcp/files', `[${call('echo').body}]`, call('echo').headers),
    status: 400,
    code: -32600,
    withoutId: true,
  },
  {
    title: 'a client that takes one form of answers only',
    ask: (agent) => {
      const { body, headers } = call('echo')
      return agent.post('/mcp/files', body, { ...headers, accept: 'application/json' })
    },
    status: 406,
    code: -32600,
  },
  {
    title: 'a body that would have to be unpacked',
    ask: (agent) => {
      const { body, headers } = call('echo')
      return agent.post('/mcp/files', body, { ...headers, 'content-encoding': 'gzip' })
    },
    status: 415,
    code: -32600,
    message: 'content-encoding not served: want="identity" got="gzip"',
  },
  {
    title: 'a member that comes twice, in a request with an id that comes once',
    ask: (agent) => {
      const { body, headers } = call('echo')
      return agent.post('/mcp/files', body.replace('{', '{"jsonrpc":"2.0",'), headers)
    },
    status: 400,
    code: -32600,
    message: 'a second member "jsonrpc"',
  },
  {
    title: 'an argument that its tool names in another case',
    ask: (agent) =>
      agent.post('/mcp/files', call('big', { N: 1 }).body, call('big', { N: 1 }).headers),
    status: 200,
    code: -32602,
    message: 'an argument "N" that differs from "n" in case only',
  },
  {
    title: 'a header that names another tool than the body',
    ask: (agent) => {
      const { body, headers } = call('delete')
      return agent.post('/mcp/files', body, { ...headers, 'mcp-name': 'echo' })
    },
    status: 400,
    code: -32020,
  },
  {
    title: 'a modern method that is not served',
    ask: (agent) => {
      const { body, headers } = modern('prompts/render', {})
      return agent.post('/mcp/files', body, headers)
    },
    status: 404,
    code: -32601,
    message: 'method not found: "prompts/render"',
  },
  {
    title: 'a method that nobody knows, in a legacy session',
    ask: async (agent) => {
      const session = await openSession(agent, '/mcp/files')
      const { body, headers } = legacy('vendor/anything', {}, { session })
      return agent.post('/mcp/files', body, headers)
    },
    status: 200,
    code: -32601,
  },
  ...[
    ['server/discover', 'requestState'],
    ['tools/list', 'inputResponses'],
    ['completion/complete', 'requestState'],
  ].map(([method = '', member = '']) => ({
    title: `${method} with ${member}, about which policy is not asked`,
    ask: (agent: TestClient) => {
      const ref = { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: 'b' } }
      const params = method === 'tools/call' ? { name: 'echo' } : ref
      const { body, headers } = modern(method, { ...params, [member]: {} })
      return agent.post('/mcp/files', body, headers)
    },
    status: 400,
    code: -32602,
    message: `params.${member} is not served`,
  })),
  {
    title: 'a name that is longer than that of any tool',
    ask: (agent) => {
      const { body, headers } = call('x'.repeat(129))
      return agent.post('/mcp/files', body, headers)
    },
    status: 400,
    code: -32602,
    message: 'params.name is too long, want=..128 got=129',
  },
  {
    title: 'a name that is longer than that of any tool of any server',
    ask: async (agent) => {
      const session = await openSession(agent, '/mcp')
      const name = `files_${'é'.repeat(100_000)}`
      const { body, headers } = legacy('tools/call', { name, arguments: {} }, { session })
      return agent.post('/mcp', body, headers)
    },
    status: 200,
    code: -32602,
    message: 'params.name is too long, want=..192 got=100006',
  },
  {
    title: 'a legacy request without a session',
    ask: (agent) => {
      const { body, headers } = legacy('tools/list', {})
      return agent.post('/mcp/files', body, headers)
    },
    status: 400,
    code: -32600,
    message: 'header mcp-session-id is missing',
  },
  {
    title: 'a session id that was never sealed here',
    ask: (agent) => {
      const { body, headers } = legacy('tools/list', {}, { session: 'session-of-files' })
      return agent.post('/mcp/files', body, headers)
    },
    status: 404,
    code: -32600,
    message: 'session is not known',
  },
  {
    title: 'a session of another identity',
    ask: async (agent, world) => {
      const session = await openSession(agent, '/mcp/files')
      const other = await world.agent({ serviceAccount: 'thief' })
      const { body, headers } = legacy('tools/list', {}, { session })
      return other.post('/mcp/files', body, headers)
    },
    status: 403,
    code: -31403,
    message: 'session is of another identity',
  },
  {
    title: 'a session of another pod of the same service account',
    ask: async (agent, world) => {
      const session = await openSession(agent, '/mcp/files')
      const other = await world.agent()
      const { body, headers } = legacy('tools/list', {}, { session })
      return other.post('/mcp/files', body, headers)
    },
    status: 403,
    code: -31403,
  },
  {
    title: 'a session at another door',
    ask: async (agent) => {
      const session = await openSession(agent, '/mcp/files')
      const { body, headers } = legacy('tools/list', {}, { session })
      return agent.post('/mcp/web', body, headers)
    },
    status: 400,
    code: -32600,
  },
  {
    title: 'a session in another version',
    ask: async (agent) => {
      const session = await openSession(agent, '/mcp/files')
      const { body, headers } = legacy('tools/list', {}, { session, version: '2025-06-18' })
      return agent.post('/mcp/files', body, headers)
    },
    status: 400,
    code: -32600,
  },
  {
    title: 'a server that does not exist',
    ask: (agent) => agent.post('/mcp/nowhere', call('echo').body, call('echo').headers),
    status: 404,
    code: -32600,
    message: 'server is not known',
  },
  {
    title: 'a tool at the door of all whose server does not exist',
    ask: (agent) => agent.post('/mcp', call('nowhere_echo').body, call('nowhere_echo').headers),
    status: 200,
    code: -32602,
    message: 'Unknown tool: nowhere_echo',
  },
  {
    title: 'a tool that the upstream does not have',
    ask: (agent) => agent.post('/mcp/web', call('absent').body, call('absent').headers),
    status: 200,
    code: -32602,
    message: 'Unknown tool: absent',
  },
  {
    title: 'a tool outside the ceiling, however it is granted',
    world: { grants: { tenants: { acme: { files: { tools: { secret: {} }, prefixes: {} } } } } },
    ask: (agent) => agent.post('/mcp/files', call('secret').body, call('secret').headers),
    status: 200,
    code: -31403,
    message: 'denied by policy: the certificate has no scope for this tool',
  },
  {
    title: 'a tool inside the ceiling that is not granted',
    world: { grants: { tenants: { other: {} } } },
    ask: (agent) => agent.post('/mcp/files', call('echo').body, call('echo').headers),
    status: 200,
    code: -31403,
  },
  {
    title: 'arguments that are not granted',
    ask: (agent) => {
      const { body, headers } = call('delete', { what: 'everything' })
      return agent.post('/mcp/files', body, headers)
    },
    status: 200,
    code: -31403,
  },
  {
    title: 'a policy that fails',
    world: {
      authorizer: broken({
        decide: (texts) => ({
          value: { allow: true, reasons: [], obligations: [] },
          asked: askCall(texts),
          result: null,
          error: 'policy/abort: trap',
          seconds: 0,
        }),
      }),
    },
    ask: (agent) => agent.post('/mcp/files', call('echo').body, call('echo').headers),
    status: 500,
    code: -32603,
    message: 'policy is not available',
  },
  {
    title: 'a policy that throws',
    world: {
      authorizer: broken({
        decide: () => {
          throw new Error('unexpected: secret detail')
        },
      }),
    },
    ask: (agent) => agent.post('/mcp/files', call('echo').body, call('echo').headers),
    status: 500,
    code: -32603,
    message: 'internal error',
  },
  {
    title: 'a permit with an obligation that nobody can meet',
    world: {
      authorizer: broken({
        decide: (texts) => ({
          value: {
            allow: true,
            reasons: [],
            obligations: [{ id: 'o', type: 'ask-a-human', properties: {} }],
          },
          asked: askCall(texts),
          result: null,
          seconds: 0,
        }),
      }),
    },
    ask: (agent) => agent.post('/mcp/files', call('echo').body, call('echo').headers),
    status: 200,
    code: -31403,
  },
  {
    title: 'any call while decisions cannot be recorded',
    ask: (agent, world) => {
      world.decisionLog.available = false
      return agent.post('/mcp/files', call('echo').body, call('echo').headers)
    },
    status: 503,
    code: -32603,
    message: 'decisions cannot be recorded',
  },
  {
    title: 'any call while revocations are stale',
    ask: (agent, world) => {
      world.stale.revocations = 121
      return agent.post('/mcp/files', call('echo').body, call('echo').headers)
    },
    status: 503,
    code: -32603,
    message: 'revocations are not known',
    withoutId: true,
  },
  {
    title: 'any call while pods are stale',
    ask: (agent, world) => {
      world.stale.pods = Number.POSITIVE_INFINITY
      return agent.post('/mcp/files', call('echo').body, call('echo').headers)
    },
    status: 503,
    code: -32603,
    withoutId: true,
  },
]

for (const { title, world: options, ask, status, code, message, withoutId } of cases) {
  test(`refused: ${title}`, async () => {
    requirement('gateway.one-reading')
    requirement('attack.headers-against-body')
    requirement('attack.errors-taken-for-yes')
    requirement('attack.handles-taken-over')
    requirement('attack.rebinding-and-open-ports')
    requirement('attack.tools-that-turn')
    requirement('gateway.host-and-origin')
    requirement('gateway.headers-agree')
    requirement('gateway.session-bound')
    requirement('gateway.ceiling-before-policy')
    requirement('gateway.no-log-no-call')
    requirement('gateway.stale-watch-refuses')
    requirement('errors.unknown-says-nothing')
    await using world = await openWorld(options)
    const agent = await world.agent()
    const reply = await ask(agent, world)
    assert.equal(reply.status, status, reply.text)
    assert.equal(reply.json.error?.code, code)
    if (message !== undefined) assert.equal(whyOf(reply), message)
    assert.equal(reply.json.id, withoutId === true ? null : 1)
    assert.match(String(reply.json.error?.data?.['decisionId']), /^[0-9a-f-]{36}$/)
    assert.equal(reply.headers['www-authenticate'], undefined)
    assert.doesNotMatch(reply.text, /secret detail/)
    const called = Object.values(world.upstreams).flatMap((upstream) => upstream.received)
    assert.equal(called.filter(({ body }) => body.includes('tools/call')).length, 0)
  })
}

test('a denial has the id of its decision and only the reasons that are meant for the agent', async () => {
  await using world = await openWorld({
    authorizer: broken({
      decide: (texts) => ({
        value: {
          allow: false,
          reasons: [
            { code: 'not-granted', message: 'ask your owner', audience: 'agent' },
            { code: 'watched', message: 'case 17', audience: 'operator' },
          ],
          obligations: [],
        },
        asked: askCall(texts),
        result: null,
        seconds: 0,
      }),
    }),
  })
  const agent = await world.agent()
  const { body, headers } = call('echo')
  const reply = await agent.post('/mcp/files', body, headers)
  const [event] = world.events
  assert.equal(world.events.length, 1)
  assert.deepEqual(reply.json.error?.data, {
    decisionId: event?.decisionId,
    reasons: ['ask your owner'],
  })
  const message = `denied by policy: ask your owner (decision ${event?.decisionId})`
  assert.equal(reply.json.error?.message, message)
  assert.equal(event?.requestedBy, 'spiffe://test.example/ns/agents/sa/agent')
})

test("a session of another identity is recorded as that one's refusal", async () => {
  await using world = await openWorld()
  const session = await openSession(await world.agent(), '/mcp/files')
  const thief = await world.agent({ serviceAccount: 'thief' })
  const { body, headers } = legacy('tools/list', {}, { session })
  const reply = await thief.post('/mcp/files', body, headers)
  const event = world.events.at(-1)
  assert.equal(event?.path, 'countersign/gateway/session')
  assert.equal(event.requestedBy, 'spiffe://test.example/ns/agents/sa/thief')
  assert.deepEqual(reply.json.error?.data, { decisionId: event.decisionId })
})

test('a refusal without policy is recorded as a decision too', async () => {
  await using world = await openWorld()
  const agent = await world.agent()
  const { body, headers } = call('secret')
  const reply = await agent.post('/mcp/files', body, headers)
  const [event] = world.events
  assert.equal(event?.path, 'countersign/gateway/ceiling')
  assert.equal(reply.json.error?.data?.['decisionId'], event.decisionId)
})

for (const { method, path, status } of [
  { method: 'GET', path: '/mcp', status: 405 },
  { method: 'DELETE', path: '/mcp/files', status: 405 },
  { method: 'PUT', path: '/mcp', status: 405 },
  { method: 'GET', path: '/', status: 404 },
  { method: 'POST', path: '/mcp/files/more', status: 404 },
  { method: 'POST', path: '/MCP', status: 404 },
]) {
  test(`${method} ${path} is answered with ${status}`, async () => {
    await using world = await openWorld()
    const agent = await world.agent()
    const reply = await agent.send({ method, path })
    assert.equal(reply.status, status)
    assert.equal(reply.headers['allow'], status === 405 ? 'GET, POST, DELETE' : undefined)
  })
}

test('what is refused is not repeated at length, neither to the caller nor in the log', async () => {
  const logged: string[] = []
  const note = (fields: object): void => void logged.push(JSON.stringify(fields))
  const log = { ...silentLog, info: note, warn: note, error: note }
  await using world = await openWorld({ log })
  const agent = await world.agent()
  const session = await openSession(agent, '/mcp')
  const long = 'x'.repeat(200_000)
  const replies = [
    legacy(long, {}, { session }),
    legacy('tools/call', { name: `nosuch_${long}`, arguments: {} }, { session }),
    legacy('tools/call', { name: `files_${long}`, arguments: {} }, { session }),
    legacy('ping', {}, { version: 'x'.repeat(5000) }),
  ].map(({ body, headers }) => agent.post('/mcp', body, headers))
  for (const { text } of await Promise.all(replies))
    assert.ok(text.length < 1000, text.slice(0, 99))
  assert.ok(logged.length >= 4)
  for (const line of logged) assert.ok(line.length < 1000, line.slice(0, 99))
  for (const event of world.events) assert.ok(JSON.stringify(event).length < 5000)
})

for (const target of ['http://evil.test/mcp', 'https://gateway.test/mcp/files', '*']) {
  test(`a target that is no path is refused: ${target}`, async () => {
    requirement('gateway.no-input-ends-it')
    await using world = await openWorld()
    const socket = await world.rawConnection()
    const { body, headers } = call('files_echo')
    const lines = Object.entries({
      host: 'gateway.test',
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'content-length': String(body.length),
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`POST ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
    const text = await textOf(socket)
    assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.deepEqual(JSON.parse(text.split('\r\n\r\n')[1] ?? ''), {
      jsonrpc: '2.0',
      id: null,
      error: { code: -32600, message: 'target is no path' },
    })
    assert.deepEqual(world.upstreams['files']?.received, [])
  })
}

for (const [what, request] of Object.entries({
  'a path that does not decode': 'POST /mcp/%zz HTTP/1.1\r\nhost: gateway.test\r\n',
  'a server of a long name': `POST /mcp/${'a'.repeat(150)} HTTP/1.1\r\nhost: gateway.test\r\n`,
  'a path that is not there': 'POST /secret HTTP/1.1\r\nhost: gateway.test\r\n',
  'a method that is not there': 'PROPFIND /mcp HTTP/1.1\r\nhost: gateway.test\r\n',
  'a type of body that is none': 'POST /mcp?x HTTP/1.1\r\nhost: a\r\ncontent-type: /\r\n',
})) {
  test(`${what} is answered with an error of nobody's request`, async () => {
    await using world = await openWorld()
    const socket = await world.rawConnection()
    socket.write(`${request}connection: close\r\ncontent-length: 0\r\n\r\n`)
    const text = await textOf(socket)
    const isMethod = request.startsWith('PROPFIND')
    assert.match(text, isMethod ? /^HTTP\/1\.1 405 / : /^HTTP\/1\.1 404 /)
    assert.deepEqual(JSON.parse(text.split('\r\n\r\n')[1] ?? ''), {
      jsonrpc: '2.0',
      id: null,
      error: {
        code: -32600,
        message: isMethod ? 'only POST is served here' : 'nothing is served here',
      },
    })
  })
}

for (const [what, request] of Object.entries({
  'no HTTP': 'secret\r\n',
  'a target of no form': 'POST mcp HTTP/1.1\r\nhost: gateway.test\r\n',
  'too much of a head': `POST /mcp HTTP/1.1\r\nx: ${'a'.repeat(40_000)}\r\n`,
})) {
  test(`${what} is answered with a status and no more`, async () => {
    await using world = await openWorld()
    const socket = await world.rawConnection()
    socket.write(`${request}connection: close\r\ncontent-length: 0\r\n\r\n`)
    const text = await textOf(socket)
    assert.match(text, /^HTTP\/1\.1 4\d\d /)
    assert.equal(text.split('\r\n\r\n')[1], '')
  })
}

test('a connection on which too large a body has passed serves the next request', async () => {
  requirement('gateway.refusals-have-ids')
  await using world = await openWorld({ limits: { bodyBytesMax: 1000 } })
  const socket = await world.rawConnection()
  const head = (type: string): string =>
    `POST /mcp/files HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\naccept: */*\r\n${type}\r\n\r\n`
  const large = `{"jsonrpc":"2.0","method":"x","params":{"id":2,"a":"${'x'.repeat(2000)}"},"id":"last"}`
  const chunked = `${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`
  socket.write(`${head(`content-length: ${large.length}`)}${large}`)
  socket.write(`${head('transfer-encoding: chunked')}${chunked}`)
  socket.write(head('content-length: 0\r\nconnection: close'))
  const text = await textOf(socket)
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 413', 'HTTP/1.1 413', 'HTTP/1.1 400'])
  assert.deepEqual(text.match(/"id":[^,]+/g), ['"id":"last"', '"id":"last"', '"id":null'])
})

test('a legacy client is told of too large a body in an answer, so that its session goes on', async () => {
  await using world = await openWorld({ limits: { bodyBytesMax: 2000 } })
  const agent = await world.agent()
  const session = await openSession(agent, '/mcp')
  const params = { name: 'files_echo', arguments: { text: 'x'.repeat(3000) } }
  const { body, headers } = legacy('tools/call', params, { session, id: 'w' })
  const { status, json } = await agent.post('/mcp', body, headers)
  assert.deepEqual([status, json.id, json.error?.code], [200, 'w', -32600])
})

async function textOf(socket: TLSSocket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

test('a large id comes back digit for digit', async () => {
  await using world = await openWorld()
  const agent = await world.agent()
  const { body, headers } = call('secret')
  const reply = await agent.post(
    '/mcp/files',
    body.replace('"id":1', '"id":9007199254740991'),
    headers,
  )
  assert.match(reply.text, /"id":9007199254740991[,}]/)
})

test('the log names the decision of a refused call, and the namespace and service account of its caller', async () => {
  const said: Record<string, unknown>[] = []
  const info = (fields: object, message: string): void => void said.push({ ...fields, message })
  await using world = await openWorld({ log: { ...silentLog, info } })
  const session = await openSession(await world.agent(), '/mcp/files')
  const thief = await world.agent({ namespace: 'street', serviceAccount: 'thief' })
  const { body, headers } = legacy('tools/list', {}, { session })
  await thief.post('/mcp/files', body, headers)
  const line = said.find(({ message }) => message === 'request refused')
  assert.equal(line?.['decision'], world.events.at(-1)?.decisionId)
  assert.deepEqual([line?.['namespace'], line?.['serviceAccount']], ['street', 'thief'])
})
