import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { suite, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { createForeignDomains } from '../../../src/federation/foreign-domains.ts'
import { parseToolScopes } from '../../../src/identity/ceiling.ts'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import type { Bundle } from '../../../src/pki/bundle.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { createTestAuthority } from '../../support/test-authority.ts'
import {
  modern,
  modernMeta,
  openClient,
  whyOf,
  type Reply,
  type TestClient,
} from '../world/client.ts'
import { asked, legacyOnly, openOne } from '../world/eras.ts'
import { memoryApprovals } from '../world/memory-approvals.ts'
import { textOf } from '../../../src/policy/asked.ts'
import { mayNeedInput } from '../../../src/mcp/ask.ts'
import { sendJson, type Answer, type JsonMessage } from '../world/upstream.ts'
import { speaking } from '../world/speaking.ts'
import { changeable, type World, type WorldOptions } from '../world/world.ts'

/*
 * A legacy server asks something in the call of a modern agent: that is told what is asked in an answer, and comes back with what it says.
 */

const asks = { elicitation: { form: true, urlHosts: ['login.example'] }, roots: true }
const grants = {
  tenants: {
    acme: {
      files: {
        prefixes: { '': {} },
        tools: { strict: { asks: {} } },
        prompts: { prefixes: { '': {} } },
        resources: { prefixes: { 'file:///open/': {} } },
        asks,
      },
    },
  },
  subjects: {},
}
const wanted = { toolScopes: 'files:*' }
const capabilities = { elicitation: { form: {}, url: {} }, roots: {}, sampling: {} }

const uri = 'file:///open/a'

const form =
  '"method":"elicitation/create","params":{"message":"how\\u0020many?","requestedSchema":{"type":"object","properties":{"n":{"default":1.50}}}}'
const page =
  '"method":"elicitation/create","params":{"mode":"url","elicitationId":"e","message":"log in","url":"https://login.example/x"}'

/** A call at the server: its stream, which it has to itself. */
interface There {
  readonly message: JsonMessage
  readonly response: ServerResponse
  readonly session: string
  send(text: string): void
  /** Answers the call. */
  end(result?: string): void
}

interface Open extends AsyncDisposable {
  readonly world: World
  readonly agent: TestClient
  /** Another connection of the same pod. */
  readonly other: TestClient
  readonly there: There[]
  /** What the server is answered to what it asks, and told. */
  readonly answered: () => readonly string[]
  readonly sessions: Set<string>
  call(o?: CallOptions): Promise<Reply>
  /** The first call at the server, as soon as it is there. */
  first(number?: number): Promise<There>
}

interface CallOptions {
  readonly from?: TestClient
  readonly params?: Record<string, unknown>
  readonly declared?: object
  readonly method?: string
  readonly door?: '/mcp' | '/mcp/files'
  readonly id?: string
}

const tool = (name: string): string => `{"name":"${name}","inputSchema":{"type":"object"}}`

async function open(more: WorldOptions = {}, taken = (): number => 202): Promise<Open> {
  const there: There[] = []
  const server = legacyOnly(() => assert.fail('no script'), ['echo', 'strict'].map(tool))
  const answer: Answer = (message, response, received) => {
    const { method, id } = message
    if (method === undefined || method.startsWith('notifications/')) {
      response.writeHead(method === undefined ? taken() : 202).end()
      return
    }
    if (method === 'logging/setLevel') {
      sendJson(response, JSON.stringify({ jsonrpc: '2.0', id, result: {} }))
      return
    }
    if (!mayNeedInput(method)) {
      server.answer(message, response, received)
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    const send = (text: string): void => void response.write(`data: ${text}\n\n`)
    there.push({
      message,
      response,
      session: String(received.headers['mcp-session-id']),
      send,
      end(result = '{"content":[ {"type":"text","text":"\\u0041"}]}') {
        send(`{"jsonrpc":"2.0","id":${String(id)},"result":${result}}`)
        response.end()
      },
    })
  }
  const world = await openOne('legacy', answer, { grants, ...more })
  const agent = await world.agent({ ...wanted, podUid: 'pod' })
  const other = await world.agent({ ...wanted, podUid: 'pod' })
  return {
    world,
    agent,
    other,
    there,
    answered: () =>
      (world.upstreams['files']?.received ?? [])
        .map(({ body }) => body)
        .filter((body) =>
          /^\{"jsonrpc":"2.0","(id":[^,]*,"(result|error)|method":"notifications)/.test(body),
        ),
    sessions: server.sessions,
    call(o = {}) {
      const { from = agent, params = {}, declared = capabilities, method = 'tools/call', id } = o
      const { door = '/mcp/files' } = o
      const isAll = door === '/mcp'
      const about =
        method === 'resources/read'
          ? { uri: isAll ? `files+${uri}` : uri }
          : { name: isAll ? 'files_echo' : 'echo', arguments: { a: 1 } }
      const meta = { ...modernMeta, 'io.modelcontextprotocol/clientCapabilities': declared }
      const given = {
        ...about,
        ...params,
        _meta: { ...meta, ...params['_meta']! },
      }
      const { body, headers } = modern(method, given, id)
      return from.post(door, body, headers)
    },
    async first(number = 1) {
      await eventually('the call is there', () => there.length >= number)
      return there[number - 1]!
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

/** The result of an answer, as JSON or as the last event of a stream. */
function told({ text, json }: Reply): Record<string, unknown> {
  if (json.result !== undefined || json.error !== undefined) return { ...json }
  const last = text.trim().split('\n\n').at(-1) ?? ''
  return JSON.parse(last.replace(/^data: /, '')) as Record<string, unknown>
}

interface InputRequired {
  readonly resultType: string
  readonly requestState: string
  readonly inputRequests: Readonly<Record<string, unknown>>
}

function input(reply: Reply): InputRequired {
  const { result } = told(reply)
  assert.equal((result as InputRequired)?.resultType, 'input_required', reply.text)
  return result as InputRequired
}

const ask = (id: unknown, what = form): string =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},${what}}`

/** A call that has been asked something. */
async function begin(at: Open, o: CallOptions = {}): Promise<InputRequired> {
  const calling = at.call(o)
  const there = await at.first()
  there.send(ask(7))
  return input(await calling)
}

/** What the server is answered or told first that is like this. */
async function said(at: Open, like: RegExp): Promise<string> {
  await eventually(
    `the server is told ${like.source}`,
    () => at.answered().some((each) => like.test(each)),
    20,
  )
  return at.answered().find((each) => like.test(each)) ?? ''
}

const answerTo = (id: unknown, given: object = accepted): string =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${JSON.stringify(given)}}`

const contents = (...uris: readonly string[]): string =>
  `{"contents":[${uris.map((each) => `{"uri":"${each}","text":"\\u0041"}`).join(',')}]}`

const results: Readonly<Record<string, string>> = {
  'tools/call': '{"content":[ {"type":"text","text":"\\u0041"}]}',
  'prompts/get': '{"messages":[]}',
  'resources/read': contents(uri),
}

const accepted = { action: 'accept', content: { n: 1 } }

suite('what a legacy server asks in the call of a modern agent', () => {
  for (const door of ['/mcp', '/mcp/files'] as const) {
    for (const method of Object.keys(results)) {
      test(`is told in an answer to ${method} at ${door}, and what is answered goes back to it`, async () => {
        requirement('gateway.asks-across')
        await using at = await open()
        const calling = at.call({ door, method })
        const there = await at.first()
        there.send(ask(7))
        const first = await calling
        const { requestState } = input(first)
        assert.ok(first.text.includes(`"inputRequests":{"ask-1":{${form}}}`), first.text)
        const going = at.call({
          door,
          method,
          id: 'second',
          params: { requestState, inputResponses: { 'ask-1': accepted } },
        })
        assert.equal(await said(at, /"id":7/), answerTo(7))
        there.end(results[method])
        const { id, result: last } = told(await going)
        assert.equal(id, 'second')
        assert.equal((last as { resultType?: string }).resultType, 'complete')
        assert.equal(at.there.length, 1)
      })
    }
  }

  test('is asked all at once, and what is not answered is asked again', async () => {
    await using at = await open()
    const calling = at.call()
    const there = await at.first()
    there.send(ask(1))
    there.send(ask('1', page))
    const first = input(await calling)
    assert.deepEqual(Object.keys(first.inputRequests), ['ask-1', 'ask-2'])
    const { requestState } = first
    const inputResponses = { 'ask-2': accepted, 'ask-9': accepted, 'ask-1': 'no object' }
    const second = input(await at.call({ params: { requestState, inputResponses } }))
    assert.deepEqual(Object.keys(second.inputRequests), ['ask-1'])
    assert.equal(await said(at, /"id":"1"/), answerTo('1'))
    const last = at.call({
      params: { requestState: second.requestState, inputResponses: { 'ask-1': accepted } },
    })
    assert.equal(await said(at, /"id":1,/), answerTo(1))
    there.end()
    assert.ok(told(await last)['result'])
    assert.equal(at.there.length, 1)
  })

  for (const [why, what, o] of [
    [
      'policy does not grant',
      '"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}',
      {},
    ],
    ['its tool may not ask', form, { params: { name: 'strict' } }],
    ['is at a host that is not granted', page.replace('login.example', 'evil.example'), {}],
    ['its client has not declared', form, { declared: { roots: {} } }],
    ['is to be a task', form.replace('"params":{', '"params":{"task":{},'), {}],
  ] as const) {
    test(`what ${why} is answered in the client's stead, and the call goes on`, async () => {
      requirement('gateway.asks-across')
      requirement('gateway.asks-decided')
      await using at = await open()
      const calling = at.call(o)
      const there = await at.first()
      there.send(ask(7, what))
      assert.match(await said(at, /"id":7/), /"error":\{"code":-32601/)
      there.end()
      assert.equal((told(await calling)['result'] as InputRequired).resultType, 'complete')
    })
  }

  test('is offered what its client declares with the call, in a session of its own', async () => {
    requirement('gateway.shared-session-of-one-pod')
    await using at = await open()
    for (const declared of [{}, capabilities, { elicitation: {} }, capabilities]) {
      const calling = at.call({ declared })
      const there = await at.first(at.there.length + 1)
      there.end()
      await calling
    }
    assert.deepEqual(
      asked(at.world, 'files', 'initialize')
        .slice(-3)
        .map(({ body }) => (JSON.parse(body) as JsonMessage).params?.['capabilities']),
      [{}, { roots: {}, sampling: {}, elicitation: { form: {}, url: {} } }, { elicitation: {} }],
    )
    const sessions = at.there.map(({ session }) => session)
    assert.equal(sessions[1], sessions[3])
    assert.equal(new Set(sessions).size, 3)
  })

  for (const status of [404, 500, 503]) {
    test(`ends its call where its server does not take the answer: ${status}`, async () => {
      requirement('gateway.asks-across')
      await using at = await open({}, () => status)
      const { requestState } = await begin(at)
      const last = at.call({ params: { requestState, inputResponses: { 'ask-1': accepted } } })
      assert.match((await last).text, /upstream gave no answer/)
      await said(at, /"method":"notifications\/cancelled"/)
      const again = at.call()
      const there = await at.first(2)
      there.end()
      assert.ok(told(await again)['result'])
      assert.notEqual(there.session, at.there[0]?.session, 'nobody else has its session')
    })
  }

  test('goes on though an answer to a ping of its server is not taken', async () => {
    requirement('gateway.asks-across')
    await using at = await open({}, () => 500)
    const calling = at.call()
    const there = await at.first()
    there.send('{"jsonrpc":"2.0","id":8,"method":"ping"}')
    await said(at, /"id":8,"result":\{\}/)
    // The answer to the ping has been refused before this.
    await setTimeout(100)
    there.end()
    assert.equal((told(await calling)['result'] as InputRequired).resultType, 'complete')
  })

  test('has the session to itself while it is open', async () => {
    requirement('gateway.goes-on-across')
    await using at = await open()
    const first = at.call()
    const one = await at.first()
    const second = at.call({ from: at.other })
    const two = await at.first(2)
    assert.notEqual(one.session, two.session)
    one.send(ask(7))
    input(await first)
    const third = at.call()
    const three = await at.first(3)
    assert.equal(new Set([one, two, three].map(({ session }) => session)).size, 3)
    two.end()
    await second
    three.end()
    await third
    const fourth = at.call()
    const four = await at.first(4)
    assert.ok([two.session, three.session].includes(four.session))
    four.end()
    await fourth
  })

  test('is told with the progress of the request that waits, and to nobody where none does', async () => {
    await using at = await open()
    const progress = (token: unknown, n: number): string =>
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${JSON.stringify(token)},"progress":${n}}}`
    const calling = at.call({ params: { _meta: { progressToken: 'first' } } })
    const there = await at.first()
    there.send(progress('first', 1))
    there.send(progress('of-another-pod', 77))
    there.send(ask(7))
    const reply = await calling
    assert.match(reply.text, /"progressToken":"first","progress":1/)
    assert.doesNotMatch(reply.text, /"progress":77/)
    const { requestState } = input(reply)
    there.send(progress('first', 2))
    const again = at.call({
      params: { requestState, inputResponses: { 'ask-1': accepted }, _meta: { progressToken: 2 } },
    })
    await said(at, /"id":7/)
    there.send(progress(2, 77))
    there.send(progress('first', 3))
    there.end()
    const { text } = await again
    assert.match(text, /"progressToken":2,"progress":3/)
    assert.doesNotMatch(text, /"progress":2|"progress":77|first/)
  })

  test('is told of no task, and its result comes after that', async () => {
    requirement('gateway.asks-across')
    await using at = await open()
    const calling = at.call()
    const there = await at.first()
    const task = { taskId: 's3cret', status: 'working', createdAt: '2025-11-25T10:30:00Z' }
    const params = { ...task, lastUpdatedAt: task.createdAt, ttl: 1000 }
    const method = 'notifications/tasks/status'
    there.send(JSON.stringify({ jsonrpc: '2.0', method, params }))
    there.end()
    const reply = await calling
    assert.equal((told(reply)['result'] as InputRequired).resultType, 'complete', reply.text)
    assert.doesNotMatch(reply.text, /s3cret/)
  })

  test('is taken back by its server, which goes on', async () => {
    await using at = await open()
    const { requestState } = await begin(at)
    const [there] = at.there
    there?.send('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}')
    there?.send('{"jsonrpc":"2.0","id":8,"method":"ping"}')
    await said(at, /"id":8,"result":\{\}/)
    there?.end()
    const again = await at.call({ params: { requestState, inputResponses: { 'ask-1': accepted } } })
    assert.equal((told(again)['result'] as InputRequired).resultType, 'complete')
    assert.deepEqual(
      at.answered().filter((each) => each.includes('"id":7')),
      [],
    )
  })

  test('is answered nothing that policy has forbidden since', async () => {
    requirement('gateway.asks-across')
    let digest = 'first'
    let mayAsk = true
    await using at = await open({
      authorizer: (real) => ({
        ...real,
        get digest() {
          return digest
        },
        decide(texts) {
          const decided = real.decide(texts)
          const value = { allow: false, reasons: [], obligations: [] }
          const isDenied = texts.action === 'elicitation/create' && !mayAsk
          return isDenied ? { ...decided, value, result: value } : decided
        },
      }),
    })
    const { requestState } = await begin(at)
    ;[digest, mayAsk] = ['second', false]
    const again = at.call({ params: { requestState, inputResponses: { 'ask-1': accepted } } })
    assert.match(await said(at, /"id":7/), /-32601/)
    at.there[0]?.end()
    await again
  })
})

suite('what a modern agent reads at a legacy server that asks before it answers', () => {
  const method = 'resources/read'

  for (const door of ['/mcp', '/mcp/files'] as const) {
    test(`is told under its own URIs at ${door}, and is nobody's to keep`, async () => {
      requirement('gateway.asks-across')
      await using at = await open()
      const calling = at.call({ method, door })
      const there = await at.first()
      assert.equal(there.message.params?.['uri'], uri)
      there.send(ask(7))
      const { requestState } = input(await calling)
      const params = { requestState, inputResponses: { 'ask-1': accepted } }
      const going = at.call({ method, door, params })
      await said(at, /"id":7/)
      there.end(contents(uri, `${uri}/b`))
      const { result } = told(await going)
      const { resultType, ttlMs, cacheScope, ...read } = result as Record<string, unknown>
      assert.deepEqual([resultType, ttlMs, cacheScope], ['complete', 0, 'private'])
      const here = door === '/mcp' ? `files+${uri}` : uri
      assert.deepEqual(read, {
        contents: [here, `${here}/b`].map((each) => ({ uri: each, text: 'A' })),
      })
    })
  }

  for (const [what, result] of [
    ['another resource, which it may not read', contents(uri, 'file:///s3cret')],
    [
      'a resource under two names',
      contents(uri).replace('"text"', '"uri":"file:///s3cret","text"'),
    ],
    ['no contents', '{"content":"s3cret"}'],
  ] as const) {
    test(`is not told where there is ${what}`, async () => {
      requirement('gateway.contents-readable')
      await using at = await open()
      const calling = at.call({ method })
      const there = await at.first()
      there.send(ask(7))
      const { requestState } = input(await calling)
      const params = { requestState, inputResponses: { 'ask-1': accepted } }
      const going = at.call({ method, params })
      await said(at, /"id":7/)
      there.end(result)
      const { text } = await going
      assert.doesNotMatch(text, /s3cret/)
      assert.match(text, /"error"/)
    })
  }

  test('goes on where it began, whatever its agent says then that it does', async () => {
    requirement('gateway.goes-on-across')
    await using at = await open()
    const calling = at.call({ method })
    const there = await at.first()
    there.send(ask(7))
    const { requestState } = input(await calling)
    const params = { requestState, inputResponses: { 'ask-1': accepted } }
    const going = at.call({ method, params, declared: {} })
    await said(at, /"id":7/)
    there.end(contents(uri))
    assert.ok(told(await going)['result'])
    assert.equal(at.there.length, 1)
  })

  test('without an ask is told as it is read, and an error in its own era', async () => {
    await using at = await open()
    const calling = at.call({ method })
    const there = await at.first()
    there.end(contents(uri))
    assert.equal((told(await calling)['result'] as InputRequired).resultType, 'complete')
    const failing = at.call({ method })
    const second = await at.first(2)
    const { id } = second.message
    second.send(`{"jsonrpc":"2.0","id":${String(id)},"error":{"code":-32002,"message":"none"}}`)
    second.response.end()
    assert.deepEqual(told(await failing)['error'], {
      code: -32602,
      message: 'none',
      data: { uri },
    })
  })
})

suite('a call that goes on across eras', () => {
  const inputResponses = { 'ask-1': accepted }

  test('is answered by its own caller, in its own words and place, once', async () => {
    requirement('gateway.goes-on-across')
    await using at = await open()
    const { requestState } = await begin(at)
    const params = { requestState, inputResponses }
    const thief = await at.world.agent({ ...wanted, podUid: 'another' })
    const wrong: readonly CallOptions[] = [
      { params, from: thief },
      { params: { ...params, arguments: { a: 2 } } },
      { params: { ...params, name: 'strict' } },
      { params, door: '/mcp' },
      { params, method: 'prompts/get' },
      { params: { ...params, requestState: `${requestState}x` } },
    ]
    for (const each of wrong) {
      const reply = await at.call(each)
      assert.equal(reply.json.error?.code, -32602, reply.text)
    }
    assert.deepEqual(
      at.answered().filter((each) => each.includes('"id":7')),
      [],
    )
    const again = at.call({ params })
    assert.equal(await said(at, /"id":7/), answerTo(7))
    const meanwhile = await at.call({ from: at.other, params })
    assert.match(whyOf(meanwhile) ?? '', /call again without requestState/)
    at.there[0]?.send(ask(8))
    const { requestState: next } = input(await again)
    assert.match(whyOf(await at.call({ from: at.other, params })) ?? '', /call again/)
    const last = at.call({ params: { requestState: next, inputResponses: { 'ask-2': accepted } } })
    await said(at, /"id":8/)
    at.there[0]?.end()
    assert.ok(told(await last)['result'])
    assert.match(
      whyOf(await at.call({ params: { ...params, requestState: next } })) ?? '',
      /call again/,
    )
    assert.equal(at.there.length, 1)
  })

  test('is not begun anew by a replica that does not have it', async () => {
    requirement('gateway.goes-on-across')
    await using at = await open()
    const { requestState } = await begin(at)
    const replica = await at.world.openReplica({})
    const { bundle } = at.world.identities
    const credential = at.world.identities.issue({ ...wanted, podUid: 'pod' })
    await using elsewhere = openClient({ port: replica.port, credential, bundle })
    const own = at.call({ from: elsewhere })
    const second = await at.first(2)
    second.send(ask(7))
    input(await own)
    const reply = await at.call({ from: elsewhere, params: { requestState, inputResponses } })
    assert.equal(reply.status, 400)
    assert.match(whyOf(reply) ?? '', /call again without requestState/)
    assert.equal(at.there.length, 2)
    assert.match(JSON.stringify(at.world.events.at(-1)), /request-state-refused/)
  })

  test('ends at its server with the time that what is asked may wait', async () => {
    requirement('gateway.goes-on-across')
    await using at = await open({ limits: { askSecondsMax: 1 } })
    const { requestState } = await begin(at)
    const { message } = await at.first()
    assert.match(
      await said(at, /notifications\/cancelled/),
      new RegExp(`"requestId":${String(message.id)}\\}`),
    )
    const reply = await at.call({ params: { requestState, inputResponses } })
    assert.match(whyOf(reply) ?? '', /call again/)
    await eventually('the session is over', () =>
      at.world.upstreams['files']!.received.some(({ method }) => method === 'DELETE'),
    )
  })

  test('has its session for as long as it is open there, however long nobody else is in it', async (t) => {
    requirement('gateway.goes-on-across')
    t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.now() })
    await using at = await open()
    const { requestState } = await begin(at)
    const { session } = await at.first()
    const ended = (): boolean =>
      at.world.upstreams['files']!.received.some(
        ({ method, headers }) => method === 'DELETE' && headers['mcp-session-id'] === session,
      )
    const again = at.call({ params: { requestState, inputResponses } })
    await said(at, /"id":7/)
    t.mock.timers.tick(660_000)
    at.there[0]?.end()
    const reply = await again
    assert.equal((told(reply)['result'] as InputRequired)?.resultType, 'complete', reply.text)
    assert.equal(ended(), false)
    t.mock.timers.tick(720_000)
    await eventually('its session is over', ended)
  })

  test('ends at its server with the client that goes away', async () => {
    requirement('gateway.cancelled-across')
    await using at = await open()
    const { requestState } = await begin(at)
    const from = await at.world.agent({ ...wanted, podUid: 'pod' })
    const gone = at.call({ from, params: { requestState, inputResponses } }).catch(() => undefined)
    await said(at, /"id":7/)
    await from.client.destroy()
    await gone
    await said(at, /notifications\/cancelled/)
  })

  test('ends at its server with the identity of its caller', async () => {
    requirement('gateway.goes-on-across')
    await using at = await open()
    await begin(at)
    at.world.gone.set(new Set(['pod']))
    await said(at, /notifications\/cancelled/)
  })

  for (const [what, end] of Object.entries({
    'whose pod is gone': (world: World) => world.gone.set(new Set(['pod'])),
    'that is revoked': (world: World) =>
      world.revocations.set([{ name: 'r', reason: 'test', podUid: 'pod' }]),
  })) {
    test(`ends at its server with a caller ${what}, which is not connected any more`, async () => {
      requirement('gateway.goes-on-across')
      await using at = await open()
      await begin(at)
      await Promise.all([at.agent, at.other].map((each) => each.client.destroy()))
      // Until the gateway has seen that.
      await setTimeout(200)
      end(at.world)
      await said(at, /notifications\/cancelled/)
    })
  }

  test('ends at its server with the anchors of a caller of another trust domain, which is not connected any more', async () => {
    requirement('federation.ends-with-anchors')
    const theirs = createTestAuthority({ trustDomain: 'b.example' })
    const { credential } = theirs.issue({ role: 'agent', toolScopes: 'files:*' })
    const bundle = changeable<Bundle | undefined>(theirs.bundle)
    const foreign = createForeignDomains(parseTrustDomain('test.example'), [
      {
        trustDomain: theirs.trustDomain,
        ceiling: { toolScopes: parseToolScopes('files:*'), models: [] },
        bundle: () => bundle.current(),
        onChange: (listener) => bundle.onChange(listener),
      },
    ])
    const subjects = { [credential.svid.spiffeId.uri]: grants.tenants.acme }
    await using at = await open({ foreign, grants: { tenants: {}, subjects } })
    const { port } = at.world.gateway
    await using from = openClient({ port, credential, bundle: at.world.identities.bundle })
    await begin(at, { from })
    await from.client.destroy()
    // Until the gateway has seen that.
    await setTimeout(200)
    bundle.set(createTestAuthority({ trustDomain: 'b.example' }).bundle)
    await said(at, /notifications\/cancelled/)
  })

  test('is told what came while nobody waited', async () => {
    await using at = await open()
    const { requestState } = await begin(at)
    at.there[0]?.end()
    const reply = await at.call({ id: 'late', params: { requestState, inputResponses } })
    const { id, result } = told(reply)
    assert.deepEqual([id, (result as InputRequired).resultType], ['late', 'complete'])
  })

  test('ends with pages that its server wants opened first, and is begun anew then', async () => {
    requirement('gateway.pages-across')
    await using at = await open()
    const { requestState } = await begin(at)
    const there = await at.first()
    const elicitations = [JSON.parse(`{${page}}`) as { readonly params: object }]
    const data = { elicitations: elicitations.map(({ params }) => params) }
    const error = { code: -32042, message: 's3cret', data }
    there.send(JSON.stringify({ jsonrpc: '2.0', id: there.message.id, error }))
    there.response.end()
    const reply = await at.call({ params: { requestState, inputResponses } })
    const pages = input(reply)
    assert.deepEqual(Object.keys(pages.inputRequests), ['page-1'])
    assert.doesNotMatch(reply.text, /s3cret/)
    const given = { requestState: pages.requestState, inputResponses: { 'page-1': accepted } }
    const again = at.call({ params: given })
    const second = await at.first(2)
    second.end()
    assert.equal((told(await again)['result'] as InputRequired).resultType, 'complete')
  })

  test('is open once under limits of policy, as long as its server has it', async () => {
    requirement('gateway.goes-on-across')
    const policyLimits = { 'one-at-a-time': { per: ['identity'], concurrent: 1 } }
    await using at = await open({ policyLimits })
    const { requestState } = await begin(at)
    assert.match(whyOf(await at.call()) ?? '', /one-at-a-time/)
    const again = at.call({ params: { requestState, inputResponses } })
    await said(at, /"id":7/)
    at.there[0]?.end()
    assert.ok(told(await again)['result'])
    const next = at.call()
    const there = await at.first(2)
    there.end()
    assert.ok(told(await next)['result'])
  })

  test('is decided on anew', async () => {
    requirement('gateway.goes-on-across')
    await using at = await open()
    const { requestState } = await begin(at)
    const before = at.world.events.length
    const again = at.call({ params: { requestState, inputResponses } })
    await said(at, /"id":7/)
    at.there[0]?.end()
    await again
    const names = at.world.events
      .slice(before)
      .map(
        ({ evaluated }) =>
          (JSON.parse(textOf(evaluated.asked)) as { action: { name: string } }).action.name,
      )
    assert.deepEqual(names, ['tools/call'])
  })

  test('has its share of what may be open', async () => {
    requirement('gateway.asks-bounded')
    await using at = await open({ limits: { asksMax: 8, identitySharePercent: 25 } })
    const codes: unknown[] = []
    for (let number = 1; number <= 8; number += 1) {
      let isOver = false
      const calling = at.call().finally(() => (isOver = true))
      await eventually('it is there, or over', () => isOver || at.there.length >= number)
      at.there[number - 1]?.send(ask(7))
      codes.push((await calling).status)
      if (codes.at(-1) !== 200) break
    }
    assert.equal(codes.at(-1), 429)
  })
})

suite('a legacy server that is not as it should be', () => {
  test('is lost while its client is asked, and nothing is called in its place', async () => {
    requirement('gateway.goes-on-across')
    await using at = await open()
    const { requestState } = await begin(at)
    at.there[0]?.response.destroy()
    const params = { requestState, inputResponses: { 'ask-1': accepted } }
    const reply = await at.call({ params })
    assert.match(reply.text, /upstream gave no answer/)
    assert.equal(at.there.length, 1)
  })

  test('says what is no answer while its client is asked, and the client is told no octet of it', async () => {
    await using at = await open()
    const { requestState } = await begin(at)
    at.there[0]?.send('{"jsonrpc":"2.0","id":99,"result":{"content":"s3cret"}}')
    const params = { requestState, inputResponses: { 'ask-1': accepted } }
    const reply = await at.call({ params })
    assert.match(reply.text, /upstream gave no answer/)
    assert.doesNotMatch(reply.text, /s3cret/)
  })

  test('asks for more at a time than anybody answers, and its client is asked so much', async () => {
    requirement('gateway.asks-bounded')
    await using at = await open()
    const calling = at.call()
    const there = await at.first()
    for (let id = 1; id <= 24; id += 1) there.send(ask(id))
    const reply = told(await calling)
    const { inputRequests = {} } = (reply['result'] ?? {}) as Partial<InputRequired>
    assert.ok(Object.keys(inputRequests).length <= 16, JSON.stringify(reply))
  })
})

/** Where a person has approved the call that is made next. */
async function openApproved(clock: { now: number } = { now: Date.now() }): Promise<Open> {
  const approver = 'spiffe://test.example/ns/ops/sa/oncall'
  const policyApprovals = {
    echoes: { seconds: 600, approvers: [approver], where: { tool: ['echo'] } },
  }
  const more = { policyApprovals, approvals: memoryApprovals(), now: () => clock.now }
  const at = await open({ ...more, limits: { askSecondsMax: 900 } })
  const waiting = await at.call()
  const ticket = /"ticket":"([^"]+)"|ticket ([A-Za-z0-9_-]+)/.exec(waiting.text)
  const person = await at.world.agent({ namespace: 'ops', serviceAccount: 'oncall' })
  const { body, headers } = modern('approvals/approve', { ticket: ticket?.[1] ?? ticket?.[2] })
  assert.match((await person.post('/mcp', body, headers)).text, /"state":"approved"/)
  return at
}

suite('an approved call of a modern agent at a legacy server', () => {
  test('goes on under its approval with each ask, and ends with that', async () => {
    requirement('gateway.approval-goes-on')
    await using at = await openApproved()
    let { requestState } = await begin(at)
    const answered = { 'ask-1': accepted }
    const next = at.call({ params: { requestState, inputResponses: answered } })
    await said(at, /"id":7/)
    at.there[0]?.send(ask(8))
    requestState = input(await next).requestState
    const last = at.call({ params: { requestState, inputResponses: { 'ask-2': accepted } } })
    await said(at, /"id":8/)
    at.there[0]?.end()
    assert.equal((told(await last)['result'] as InputRequired).resultType, 'complete')
    assert.match(whyOf(await at.call({ params: { requestState } })) ?? '', /call again/)
    assert.match((await at.call()).text, /an approval is needed/)
    assert.equal(at.there.length, 1)
    const notes = JSON.stringify(at.world.events.map(({ evaluated }) => evaluated.value))
    assert.equal(notes.match(/"approval-used"/g)?.length, 1)
    assert.equal(notes.match(/"approval-goes-on"/g)?.length, 2)
  })

  test('goes on with the pages that its server wants opened first, once', async () => {
    requirement('gateway.approval-goes-on')
    requirement('gateway.pages-across')
    await using at = await openApproved()
    const calling = at.call()
    const there = await at.first()
    const { params } = JSON.parse(`{${page}}`) as { readonly params: object }
    const error = { code: -32042, message: 's3cret', data: { elicitations: [params] } }
    there.send(JSON.stringify({ jsonrpc: '2.0', id: there.message.id, error }))
    there.response.end()
    const { requestState } = input(await calling)
    const given = { requestState, inputResponses: { 'page-1': accepted } }
    const again = at.call({ params: given })
    const second = await at.first(2)
    second.end()
    assert.equal((told(await again)['result'] as InputRequired).resultType, 'complete')
    assert.match(whyOf(await at.call({ params: given })) ?? '', /has been used/)
    assert.equal(at.there.length, 2)
  })

  test('does not go on when its approval has ended', async () => {
    requirement('gateway.approval-goes-on')
    const clock = { now: Date.now() }
    await using at = await openApproved(clock)
    const { requestState } = await begin(at)
    clock.now += 600_000
    const reply = await at.call({ params: { requestState, inputResponses: { 'ask-1': accepted } } })
    assert.match(whyOf(reply) ?? '', /has ended/)
    assert.deepEqual(
      at.answered().filter((each) => each.includes('"id":7')),
      [],
    )
  })
})

suite('what nobody may be asked', () => {
  test("where several workers serve is not offered, and answered in the client's stead", async () => {
    requirement('gateway.asks-across')
    await using at = await open({ workers: 2 })
    const calling = at.call()
    const there = await at.first()
    there.send(ask(7))
    assert.match(await said(at, /"id":7/), /-32601/)
    there.end()
    await calling
  })
})

suite('a server that asks on the stream of its session', () => {
  test('is heard in the one call of that session, and else answered by the gateway', async () => {
    requirement('gateway.asks-across')
    const ears = speaking()
    await using at = await open({ streams: { files: ears.stream } })
    const calling = at.call()
    const { session } = await at.first()
    const second = at.call({ from: at.other })
    const two = await at.first(2)
    ears.bySession.get(session)?.write(`data: ${ask(7)}\n\n`)
    const { requestState } = input(await calling)
    const again = at.call({ params: { requestState, inputResponses: { 'ask-1': accepted } } })
    assert.equal(await said(at, /"id":7/), answerTo(7))
    at.there[0]?.end()
    await again
    ears.bySession.get(session)?.write(`data: ${ask(9)}\n\n`)
    assert.match(await said(at, /"id":9/), /-32601/)
    two.end()
    assert.equal((told(await second)['result'] as InputRequired).resultType, 'complete')
  })

  test('says more than the agent reads, which waits at the server, and what is too long ends the stream', async () => {
    requirement('gateway.asks-bounded')
    const ears = speaking()
    await using at = await open({ streams: { files: ears.stream } })
    const meta = {
      ...modernMeta,
      'io.modelcontextprotocol/clientCapabilities': capabilities,
      'io.modelcontextprotocol/logLevel': 'debug',
    }
    const { body, headers } = modern('tools/call', { name: 'echo', arguments: {}, _meta: meta })
    const calling = at.agent.client.request({
      method: 'POST',
      path: '/mcp/files',
      headers: {
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        ...headers,
      },
      body,
    })
    const there = await at.first()
    const answer = await calling
    const ear = ears.bySession.get(there.session)
    assert.ok(ear)
    const message = (octets: number): string =>
      `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"${'x'.repeat(octets)}"}}\n\n`
    // Until what is between them is full, which on some machines holds more than on others.
    const mebibytesMax = 64
    let mebibytes = 0
    let isTaken = true
    while (isTaken && mebibytes < mebibytesMax) {
      mebibytes += 1
      ear.write(message(1024 * 1024))
      isTaken = await Promise.race([once(ear, 'drain').then(() => true), setTimeout(500, false)])
    }
    assert.ok(!isTaken, `${mebibytes} MiB are taken from the server, and nobody reads them`)
    let octets = 0
    answer.body.on('data', (chunk: Buffer) => (octets += chunk.length)).on('error', () => {})
    await eventually('all has come', () => octets > mebibytes * 1024 * 1024)
    ear.write(message(5 * 1024 * 1024))
    await eventually('the stream is over', () => ears.bySession.get(there.session) !== ear)
    there.end()
    await eventually('the call is over', () => answer.body.readableEnded)
  })

  test('is listened to once for the calls of a session, and no more when its pod is gone', async () => {
    const ears = speaking()
    await using at = await open({ streams: { files: ears.stream } })
    for (let number = 1; number <= 2; number += 1) {
      const calling = at.call()
      const there = await at.first(number)
      there.end()
      await calling
    }
    const gets = at.world.upstreams['files']!.received.filter(({ method }) => method === 'GET')
    assert.equal(gets.length, 1)
    assert.equal(ears.open.length, 1)
    at.world.gone.set(new Set(['pod']))
    await eventually('the stream is over', () => ears.open.length === 0)
  })
})
