import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decision } from '../../../src/policy/decision.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import {
  initializeParams,
  legacy,
  metaOfTasks,
  modern,
  type Reply,
  type TestClient,
} from '../world/client.ts'
import { clientOf, legacyOnly, modernOnly, openOne, type Era, type Script } from '../world/eras.ts'
import { openSession } from '../world/session.ts'
import { answerBoth, sendJson, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

const methods = {
  'tools/call': ['/mcp/files', { name: 'echo' }],
  'prompts/get': ['/mcp/files', { name: 'review' }],
  'resources/read': ['/mcp/files', { uri: 'repo://a' }],
} as const

type Method = keyof typeof methods

function send(agent: TestClient, method: Method = 'tools/call'): Promise<Reply> {
  const [door, params] = methods[method]
  const { body, headers } = modern(method, params)
  return agent.post(door, body, headers)
}

function giving(members: string, type: 'json' | 'events' = 'json'): Answer {
  return (message, response, request) => {
    if (!(message.method in methods)) return answerBoth()(message, response, request)
    const text = `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete",${members}}}`
    if (type === 'json') return sendJson(response, text)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(`data: ${text}\n\n`)
  }
}

function open(answer: Answer, result: object): Promise<World> {
  const of = { prefixes: { '': {} }, prompts: { prefixes: { '': {} } } }
  const resources = { uris: { 'repo://a': {} }, prefixes: { 'repo://open/': {} } }
  const grants = { tenants: { acme: { files: { ...of, resources, result } } }, subjects: {} }
  return openWorld({ answers: { files: answer }, grants })
}

const scopes = { toolScopes: 'files:*' }
const errorOf = ({ text, json }: Reply): Reply['json']['error'] =>
  (text.startsWith('data: ') ? (JSON.parse(text.slice(6)) as Reply['json']) : json).error

const members: Readonly<Record<Method, (text: string) => string>> = {
  'tools/call': (text) => `"content":[{"type":"text","text":"${text}"}]`,
  'prompts/get': (text) =>
    `"messages":[{"role":"user","content":{"type":"text","text":"${text}"}}]`,
  'resources/read': (text) => `"contents":[{"uri":"repo://a","text":"${text}"}]`,
}

for (const type of ['json', 'events'] as const) {
  for (const method of Object.keys(methods) as Method[]) {
    test(`a result of ${method} that is larger than the grant lets it be is not told, as ${type}`, async () => {
      requirement('gateway.results-limited')
      for (const [text, told] of [
        ['x', true],
        ['s3cret'.repeat(50), false],
      ] as const) {
        await using world = await open(giving(members[method](text), type), { octetsMax: 300 })
        const reply = await send(await world.agent(scopes), method)
        assert.equal(reply.text.includes(text.slice(0, 6)) && errorOf(reply) === undefined, told)
        if (told) continue
        assert.equal(errorOf(reply)?.code, -31403, reply.text)
        assert.match(errorOf(reply)?.message ?? '', /the result is larger than is allowed/)
        const event = world.events.at(-1)
        assert.equal(event?.path, 'countersign/gateway/response')
        assert.equal(errorOf(reply)?.data?.['decisionId'], event.decisionId)
      }
    })
  }
}

/** Requests whose results say little, and the name of whatever a server says instead. */
const ofLittle = {
  'completion/complete': {
    ref: { type: 'ref/prompt', name: 'review' },
    argument: { name: 'a', value: 'x' },
  },
  'resources/subscribe': { uri: 'repo://a' },
  'resources/unsubscribe': { uri: 'repo://a' },
} as const

for (const door of ['/mcp/files', '/mcp'] as const) {
  for (const [method, params] of Object.entries(ofLittle)) {
    test(`a result of ${method} is limited as one of a call is, at ${door}`, async () => {
      requirement('gateway.results-limited')
      for (const [limits, isTold] of [
        [{ octetsMax: 300 }, false],
        [{}, true],
      ] as const) {
        await using world = await open(legacyOnly(sayMuch).answer, limits)
        const agent = await world.agent(scopes)
        const session = await openSession(agent, door)
        const { body, headers } = legacy(method, door === '/mcp' ? atAll(params) : { ...params }, {
          session,
        })
        const reply = await agent.post(door, body, headers)
        assert.equal(reply.text.includes('s3cret'), isTold, reply.text)
        if (isTold) continue
        assert.match(errorOf(reply)?.message ?? '', /the result is larger than is allowed/)
        assert.equal(world.events.at(-1)?.path, 'countersign/gateway/response')
      }
    })
  }
}

const sayMuch: Script = (_, { result }) =>
  result(`{"completion":{"values":["${'s3cret'.repeat(100)}"]}}`)

/** The same under the names of the door of all. */
function atAll(params: (typeof ofLittle)[keyof typeof ofLittle]): Record<string, unknown> {
  return 'uri' in params
    ? { uri: `files+${params.uri}` }
    : { ...params, ref: { ...params.ref, name: `files_${params.ref.name}` } }
}

/** What is asked of a server as a whole: no grant speaks of it, and rules of one's own may. */
const ofServer = {
  'tools/list': ['"tools":[]', `"error":{"code":-32000,"message":"${'s3cret'.repeat(100)}"}`],
  'prompts/list': [`"prompts":[],"_meta":{"x":"${'s3cret'.repeat(100)}"}`, undefined],
  'resources/list': [`"resources":[],"_meta":{"x":"${'s3cret'.repeat(100)}"}`, undefined],
  'server/discover': [
    `"supportedVersions":["2026-07-28"],"capabilities":{},"instructions":"${'s3cret'.repeat(100)}"`,
    undefined,
  ],
} as const

for (const [method, [result, error]] of Object.entries(ofServer)) {
  test(`an answer to ${method} is limited where a rule of one's own says so`, async () => {
    requirement('gateway.results-limited')
    const files: Answer = (message, response, request) => {
      if (message.method !== method) return answerBoth()(message, response, request)
      const told =
        error ?? `"result":{"resultType":"complete",${result},"ttlMs":0,"cacheScope":"public"}`
      return sendJson(response, `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},${told}}`)
    }
    for (const isLimited of [true, false]) {
      await using world = await openLimited(files, isLimited ? method : undefined)
      const { body, headers } = modern(method, {})
      const reply = await (await world.agent(scopes)).post('/mcp/files', body, headers)
      assert.equal(/the result is larger than is allowed/.test(reply.text), isLimited, reply.text)
      assert.equal(reply.text.includes('s3crets3cret') && isLimited, false)
    }
  })
}

/** What a session is opened with, and its level: of the answers to both little is told, and their server has them read whole. */
const ofSession = {
  initialize: initializeParams,
  'logging/setLevel': { level: 'debug' },
} as const

for (const [method, params] of Object.entries(ofSession)) {
  test(`an answer to ${method} is limited where a rule of one's own says so, and leaves no session that nobody has`, async () => {
    requirement('gateway.results-limited')
    requirement('gateway.no-session-left')
    const files: Answer = (message, response, request) => {
      if (message.method !== method) return answerBoth()(message, response, request)
      const { id, params: asked } = message
      const result = {
        protocolVersion: asked?.['protocolVersion'],
        capabilities: {},
        serverInfo: { name: 's3cret'.repeat(100), version: '1' },
      }
      const headers = method === 'initialize' ? { 'mcp-session-id': 'unused' } : {}
      return sendJson(response, JSON.stringify({ jsonrpc: '2.0', id, result }), headers)
    }
    for (const isLimited of [true, false]) {
      await using world = await openLimited(files, isLimited ? method : undefined)
      const agent = await world.agent(scopes)
      const session =
        method === 'initialize' ? {} : { session: await openSession(agent, '/mcp/files') }
      const { body, headers } = legacy(method, { ...params }, session)
      const reply = await agent.post('/mcp/files', body, headers)
      assert.equal(/the result is larger than is allowed/.test(reply.text), isLimited, reply.text)
      assert.equal(reply.text.includes('s3cret'), !isLimited)
      const ended = (): readonly unknown[] =>
        (world.upstreams['files']?.received ?? [])
          .filter((each) => each.method === 'DELETE')
          .map((each) => each.headers['mcp-session-id'])
      const unused = isLimited && method === 'initialize' ? ['unused'] : []
      await eventually('what nobody has is ended', () => ended().length === unused.length)
      assert.deepEqual(ended(), unused)
    }
  })
}

/** A rule of one's own limits the results of one method. */
function openLimited(files: Answer, limited: string | undefined): Promise<World> {
  const obligations = [{ id: 'own', type: 'result-octets', properties: { value: 300 } }]
  return openWorld({
    answers: { files },
    authorizer: (real) => ({
      ...real,
      decide(texts) {
        const evaluated = real.decide(texts)
        if (texts.action !== limited) return evaluated
        const value = { ...evaluated.value, obligations } as Decision
        return { ...evaluated, value, result: value }
      },
    }),
  })
}

const link = (uri: string): string => `{"type":"resource_link","name":"n","uri":${uri}}`
const embedded = (uri: string): string => `{"type":"resource","resource":{"uri":${uri},"text":"t"}}`

const resources: readonly (readonly [content: string, told: boolean])[] = [
  ['', true],
  [link('"repo://a"'), true],
  [`${link('"repo://open/x"')},${embedded('"repo://open/y"')}`, true],
  ['{"type":"text","text":"repo://secret"}', true],
  [link('"repo://secret"'), false],
  [embedded('"repo://secret"'), false],
  [`${link('"repo://a"')},${embedded('"repo://open/../secret"')}`, false],
  [link('"repo://a"').replace('"uri"', '"URI"').replace('repo://a', 'repo://secret'), false],
  [link('"repo://a","x":{"ur\\u0131":"repo://secret"}'), false],
  [link('7'), false],
  [Array.from({ length: 1001 }, (_, at) => link(`"repo://open/${at}"`)).join(','), false],
]

for (const method of ['tools/call', 'prompts/get'] as const) {
  test(`a result of ${method} holds and links to what its caller may read alone, where the grant says so`, async () => {
    requirement('gateway.results-limited')
    for (const [content, told] of resources) {
      const answer =
        method === 'tools/call'
          ? `"content":[${content}],"structuredContent":{"uri":"repo://secret"}`
          : `"messages":[${content.replace(/\{"type"/g, '{"role":"user","content":{"type"').replace(/\}(?=,\{"role"|$)/g, '}}')}]`
      await using world = await open(giving(answer), { resources: 'readable' })
      const reply = await send(await world.agent(scopes), method)
      assert.equal(reply.json.error === undefined, told, `${content.slice(0, 200)}: ${reply.text}`)
      if (told) continue
      assert.equal(reply.json.error?.code, -31403)
      assert.match(reply.json.error.message, /a resource that may not be read/)
    }
  })
}

test('without a word of the grant, a result holds what its server puts in it', async () => {
  await using world = await open(giving(`"content":[${embedded('"repo://secret"')}]`), {})
  const reply = await send(await world.agent(scopes))
  assert.equal(reply.json.error, undefined)
})

/** A server whose calls become tasks, of which it says this. */
function tasking(told: object, created: object = {}): Answer {
  const task = { taskId: 'task-1', status: 'working' }
  const of: Readonly<Record<string, object>> = {
    'tools/call': { ...task, resultType: 'task', ...created },
    'tasks/get': { ...task, resultType: 'complete', status: 'completed', ...told },
    'tasks/update': { resultType: 'complete', ...told },
    'tasks/cancel': { resultType: 'complete', ...told },
  }
  return (message, response, request) => {
    const result = of[message.method]
    if (result === undefined) return answerBoth()(message, response, request)
    return sendJson(response, JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))
  }
}

const text = 's3cret'.repeat(100)
const textContent = { content: [{ type: 'text', text }] }
const linked = { content: [JSON.parse(link('"repo://secret"'))] }

for (const [what, method, told, result, code] of [
  ['too much', 'tasks/get', { result: textContent }, { octetsMax: 500 }, 'result-too-large'],
  [
    'too long a status',
    'tasks/get',
    { statusMessage: text },
    { octetsMax: 500 },
    'result-too-large',
  ],
  ['too much', 'tasks/update', textContent, { octetsMax: 500 }, 'result-too-large'],
  ['too much', 'tasks/cancel', textContent, { octetsMax: 500 }, 'result-too-large'],
  ['a link', 'tasks/get', { result: linked }, { resources: 'readable' }, 'answer-not-served'],
  ['a link', 'tasks/update', linked, { resources: 'readable' }, 'answer-not-served'],
] as const) {
  test(`a result of a task is limited as that of its call: ${what} in ${method}`, async () => {
    requirement('gateway.results-limited')
    for (const limits of [result, {}]) {
      await using world = await open(tasking(told), limits)
      const agent = await world.agent(scopes)
      const call = modern('tools/call', { name: 'echo', _meta: metaOfTasks })
      const created = await agent.post('/mcp/files', call.body, call.headers)
      const { taskId } = created.json.result ?? {}
      const { body, headers } = modern(method, { taskId })
      const reply = await agent.post('/mcp/files', body, headers)
      const isLimited = limits === result
      assert.equal(reply.json.error !== undefined, isLimited, reply.text)
      if (isLimited) assert.ok(JSON.stringify(world.events.at(-1)).includes(code))
      assert.equal(/s3cret/.test(reply.text), !isLimited && JSON.stringify(told).includes('s3cret'))
    }
  })
}

test('a call that becomes a task says no more of a task than its grant lets it', async () => {
  requirement('gateway.results-limited')
  await using world = await open(tasking({}, { statusMessage: text }), { octetsMax: 500 })
  const call = modern('tools/call', { name: 'echo', _meta: metaOfTasks })
  const agent = await world.agent(scopes)
  const reply = await agent.post('/mcp/files', call.body, call.headers)
  assert.match(reply.json.error?.message ?? '', /the result is larger than is allowed/)
})

const large = 's3cret'.repeat(100)
const page = { mode: 'url', elicitationId: 'e', url: 'https://login.example/', message: large }
const form = { mode: 'form', message: large, requestedSchema: { type: 'object', properties: {} } }

/** What a server says in the place of a result, by the era that it speaks. */
const instead: Readonly<Record<string, readonly [era: Era, text: string]>> = {
  'an error': ['modern', `"error":{"code":-32000,"message":"${large}"}`],
  'an error with data': ['legacy', `"error":{"code":-32000,"message":"x","data":"${large}"}`],
  'what it asks first': [
    'modern',
    `"result":{"resultType":"input_required","inputRequests":{"a":${JSON.stringify({ method: 'elicitation/create', params: form })}}}`,
  ],
  'pages to be opened first': [
    'legacy',
    `"error":${JSON.stringify({ code: -32042, message: 'x', data: { elicitations: [page] } })}`,
  ],
}

for (const [what, [era, text]] of Object.entries(instead)) {
  for (const caller of ['modern', 'legacy'] as const) {
    for (const method of Object.keys(methods) as Method[]) {
      test(`${what} of a ${era} server is limited as a result of ${method} for a ${caller} agent`, async () => {
        requirement('gateway.results-limited')
        for (const result of [{ octetsMax: 300 }, {}]) {
          const of = { prefixes: { '': {} }, prompts: { prefixes: { '': {} } } }
          const asks = { elicitation: { form: true, urlHosts: ['login.example'] } }
          const resources = { uris: { 'repo://a': {} } }
          const files = { ...of, resources, result, asks }
          const script: Script = ({ id }, { response }) =>
            sendJson(response, `{"jsonrpc":"2.0","id":${JSON.stringify(id)},${text}}`)
          const answer = era === 'modern' ? modernOnly(script) : legacyOnly(script).answer
          const grants = { tenants: { acme: { files } }, subjects: {} }
          await using world = await openOne(era, answer, { grants, limits: { askSecondsMax: 1 } })
          const ask = await clientOf(caller, await world.agent(scopes), '/mcp/files', {
            elicitation: { form: {}, url: {} },
          })
          const reply = await ask(method, { ...methods[method][1] })
          const isLimited = 'octetsMax' in result
          assert.equal(/s3cret/.test(reply.text), !isLimited, reply.text)
          if (!isLimited) continue
          assert.match(reply.text, /the result is larger than is allowed/)
          const event = world.events.at(-1)
          assert.equal(event?.path, 'countersign/gateway/response')
          assert.ok(reply.text.includes(event.decisionId))
        }
      })
    }
  }
}
