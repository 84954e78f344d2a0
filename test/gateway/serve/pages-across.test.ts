import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { modern, modernMeta, openClient, whyOf, type Reply } from '../world/client.ts'
import { asked, legacyOnly, openOne } from '../world/eras.ts'
import { memoryApprovals } from '../world/memory-approvals.ts'
import { sendJson, type Answer, type JsonMessage } from '../world/upstream.ts'
import type { World, WorldOptions } from '../world/world.ts'

/*
 * A legacy server wants pages opened before it is called, and its client is a modern one, which is asked for that in an answer.
 */

const asks = { elicitation: { form: true, urlHosts: ['login.example'] } }
const grants = {
  tenants: { acme: { files: { tools: { echo: {}, strict: { asks: {} } }, prefixes: {}, asks } } },
  subjects: {},
}
const capabilities = { elicitation: { form: {}, url: {} } }

const page =
  '{"mode":"url","elicitationId":"e-1","url":"https://login.example/x?n=1.0","message":"log in"}'
const evil = page.replace('login.example', 'evil.example')

const asking = (...pages: readonly string[]): string => `{"elicitations":[${pages.join(',')}]}`

interface Open extends AsyncDisposable {
  readonly world: World
  /** The calls at the server. */
  readonly there: () => readonly JsonMessage[]
  call(o?: CallOptions): Promise<Reply>
}

interface CallOptions {
  readonly params?: Record<string, unknown>
  readonly declared?: object
  readonly door?: '/mcp' | '/mcp/files'
  readonly podUid?: string
}

const tool = (name: string): string => `{"name":"${name}","inputSchema":{"type":"object"}}`

/** A server that answers the first calls with an error that has this data, as JSON or as an event. */
async function open(
  data: string,
  o: {
    readonly form?: 'json' | 'events'
    readonly calls?: number
    readonly more?: WorldOptions
  } = {},
): Promise<Open> {
  const { form = 'json', calls = 1, more } = o
  const server = legacyOnly(() => assert.fail('no script'), ['echo', 'strict'].map(tool))
  let count = 0
  const answer: Answer = (message, response, received) => {
    const { method, id } = message
    if (method !== 'tools/call') {
      server.answer(message, response, received)
      return
    }
    count += 1
    const outcome =
      count <= calls
        ? `"error":{"code":-32042,"message":"s3cret first","data":${data}}`
        : '"result":{"content":[ {"type":"text","text":"\\u0041"}]}'
    const text = `{"jsonrpc":"2.0","id":${String(id)},${outcome}}`
    if (form === 'json') sendJson(response, text)
    else {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(`data: ${text}\n\n`)
    }
  }
  return serving(await openOne('legacy', answer, { grants, ...more }))
}

function serving(world: World): Open {
  return {
    world,
    there: () =>
      asked(world, 'files', 'tools/call').map(({ body }) => JSON.parse(body) as JsonMessage),
    async call({ params = {}, declared = capabilities, door = '/mcp/files', podUid = 'pod' } = {}) {
      const agent = await world.agent({ toolScopes: 'files:*', podUid })
      const name = door === '/mcp' ? 'files_echo' : 'echo'
      const meta = { ...modernMeta, 'io.modelcontextprotocol/clientCapabilities': declared }
      const given = { name, arguments: { a: 1 }, ...params, _meta: meta }
      const { body, headers } = modern('tools/call', given)
      return agent.post(door, body, headers)
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

const approver = 'spiffe://test.example/ns/ops/sa/oncall'
const deletions = { seconds: 600, approvers: [approver], where: { tool: ['echo'] } }

/** A server that wants a page opened in each call, and asks something first in every other one; approved is the first call. */
async function openTurns(approved: boolean): Promise<Open> {
  const server = legacyOnly(() => assert.fail('no script'), [tool('echo')])
  const waiting = new Map<unknown, () => void>()
  let count = 0
  const answer: Answer = (message, response, received) => {
    const { method, id } = message
    if (method === undefined) {
      response.writeHead(202).end()
      waiting.get(id)?.()
      return
    }
    if (method !== 'tools/call') {
      server.answer(message, response, received)
      return
    }
    count += 1
    const error = `{"code":-32042,"message":"first","data":${asking(page)}}`
    const text = `{"jsonrpc":"2.0","id":${String(id)},"error":${error}}`
    if (count % 2 === 1) {
      sendJson(response, text)
      return
    }
    waiting.set(`ask-${count}`, () => response.end(`data: ${text}\n\n`))
    const form = '{"mode":"form","message":"m","requestedSchema":{"type":"object","properties":{}}}'
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(
      `data: {"jsonrpc":"2.0","id":"ask-${count}","method":"elicitation/create","params":${form}}\n\n`,
    )
  }
  const more = { approvals: memoryApprovals(), policyApprovals: { deletions } }
  const at = serving(await openOne('legacy', answer, { grants, ...(approved ? more : {}) }))
  if (!approved) return at
  const [, ticket] = /ticket ([a-z2-7-]+)/.exec((await at.call()).text) ?? []
  const identity = { namespace: 'ops', serviceAccount: 'oncall', tenant: 'ops' }
  const person = await at.world.agent({ ...identity, toolScopes: 'web:none' })
  const { body, headers } = modern('approvals/approve', { ticket })
  const { json } = await person.post('/mcp', body, headers)
  assert.ok(json.result, JSON.stringify(json))
  return at
}

interface InputRequired {
  readonly resultType: string
  readonly requestState: string
  readonly inputRequests: Readonly<Record<string, unknown>>
}

function told({ text, json }: Reply): Record<string, unknown> {
  if (json.result !== undefined || json.error !== undefined) return { ...json }
  const last = text.trim().split('\n\n').at(-1) ?? ''
  return JSON.parse(last.replace(/^data: /, '')) as Record<string, unknown>
}

function input(reply: Reply): InputRequired {
  const { result } = told(reply)
  assert.equal((result as InputRequired)?.resultType, 'input_required', reply.text)
  return result as InputRequired
}

const opened = { 'page-1': { action: 'accept' } }

suite('a legacy server that wants pages opened before a modern agent calls it', () => {
  for (const door of ['/mcp', '/mcp/files'] as const) {
    for (const form of ['json', 'events'] as const) {
      test(`has them asked for in an answer, and is called anew, as ${form} at ${door}`, async () => {
        requirement('gateway.pages-across')
        await using at = await open(asking(page, page.replace('/x', '/y')), { form })
        const first = await at.call({ door })
        assert.equal(first.status, 200)
        assert.doesNotMatch(first.text, /s3cret|-32042/)
        const { requestState, inputRequests } = input(first)
        const params = { mode: 'url', url: 'https://login.example/x?n=1.0', message: 'log in' }
        const method = 'elicitation/create'
        assert.deepEqual(inputRequests, {
          'page-1': { method, params },
          'page-2': { method, params: { ...params, url: 'https://login.example/y?n=1.0' } },
        })
        const before = at.world.events.length
        const second = await at.call({ door, params: { requestState, inputResponses: opened } })
        assert.equal((told(second)['result'] as InputRequired).resultType, 'complete')
        assert.ok(
          second.text.includes('"content":[ {"type":"text","text":"\\u0041"}]'),
          second.text,
        )
        assert.equal(at.world.events.length - before, 1, 'the call made anew is decided on')
        assert.deepEqual(
          at.there().map(({ params: sent }) => sent),
          [1, 2].map(() => ({ name: 'echo', arguments: { a: 1 }, _meta: {} })),
          'the server gets nothing of what was brought back',
        )
      })
    }
  }

  for (const [what, data] of [
    ['a page of a host that is not granted', asking(evil)],
    ['one granted page, and one that is not', asking(page, evil)],
    ['a page that is no https URL', asking(page.replace('https:', 'http:'))],
    ['more pages than a person looks at', asking(...Array.from({ length: 9 }, () => page))],
    ['a page without a text', asking(page.replace(',"message":"log in"', ''))],
    ['no page', asking()],
  ] as const) {
    for (const declared of [capabilities, {}]) {
      test(`has nobody asked for ${what}, of a client that ${'elicitation' in declared ? 'opens' : 'does not open'} pages`, async () => {
        requirement('gateway.pages-across')
        await using at = await open(data)
        const { text, json } = await at.call({ declared })
        assert.ok(json.error, text)
        assert.doesNotMatch(text, /s3cret|login\.example|evil\.example|input_required|-32042/)
      })
    }
  }

  test('has nobody asked in a call whose tool may not ask', async () => {
    requirement('gateway.pages-across')
    await using at = await open(asking(page))
    const { text, json } = await at.call({ params: { name: 'strict' } })
    assert.ok(json.error, text)
    assert.doesNotMatch(text, /login\.example/)
  })

  for (const declared of [{}, { elicitation: { form: {} } }]) {
    test(`is not told to a client that declares ${JSON.stringify(declared)}, which hears what it lacks`, async () => {
      requirement('gateway.pages-across')
      await using at = await open(asking(page))
      const { text, json } = await at.call({ declared })
      assert.equal(json.error?.code, -32021, text)
      assert.doesNotMatch(text, /login\.example/)
    })
  }

  for (const [what, answer] of [
    ['declined', { action: 'decline' }],
    ['cancelled', { action: 'cancel' }],
    ['answered by no object', 'accept'],
  ] as const) {
    test(`is not called anew where one of them is ${what}`, async () => {
      requirement('gateway.pages-across')
      await using at = await open(asking(page, page))
      const { requestState } = input(await at.call())
      const inputResponses = { ...opened, 'page-2': answer }
      const reply = await at.call({ params: { requestState, inputResponses } })
      assert.match(whyOf(reply) ?? '', /declined or cancelled/)
      assert.equal(at.there().length, 1)
      assert.match(JSON.stringify(at.world.events.at(-1)), /pages-declined/)
    })
  }

  test('is asked by the same caller alone, with the same call', async () => {
    requirement('gateway.pages-across')
    await using at = await open(asking(page), { calls: 99 })
    const { requestState } = input(await at.call())
    const params = { requestState, inputResponses: opened }
    const wrong: readonly CallOptions[] = [
      { params, podUid: 'another' },
      { params: { ...params, arguments: { a: 2 } } },
      { params: { ...params, name: 'strict' } },
      { params, door: '/mcp' },
      { params: { ...params, requestState: `${requestState}x` } },
    ]
    for (const each of wrong) {
      const reply = await at.call(each)
      assert.equal(reply.json.error?.code, -32602, reply.text)
    }
    assert.equal(at.there().length, 1)
  })

  test('may want that of one call so often and no more', async () => {
    requirement('gateway.pages-across')
    await using at = await open(asking(page), { calls: 99 })
    let { requestState } = input(await at.call())
    for (let round = 2; round <= 8; round += 1) {
      const params = { requestState, inputResponses: opened }
      requestState = input(await at.call({ params })).requestState
    }
    const last = await at.call({ params: { requestState, inputResponses: opened } })
    assert.match(last.text, /upstream gave no answer/)
    assert.equal(at.there().length, 9)
  })

  for (const approved of [false, true]) {
    test(`may want that no more often where it asks in between${approved ? ', and the call was approved' : ''}`, async () => {
      requirement('gateway.pages-across')
      await using at = await openTurns(approved)
      let reply = await at.call()
      let pages = 0
      for (let round = 0; round < 40; round += 1) {
        const { result } = told(reply)
        if ((result as InputRequired | undefined)?.resultType !== 'input_required') break
        const { requestState, inputRequests } = input(reply)
        const accept = { action: 'accept', content: {} }
        const inputResponses = Object.fromEntries(
          Object.keys(inputRequests).map((name) => [name, accept]),
        )
        if ('page-1' in inputResponses) pages += 1
        reply = await at.call({ params: { requestState, inputResponses } })
      }
      assert.match(reply.text, /upstream gave no answer/)
      assert.equal(pages, 8)
      assert.equal(at.there().length, 9)
    })
  }

  test('is called by another replica, because nothing is open for it', async () => {
    requirement('gateway.pages-across')
    await using at = await open(asking(page))
    const { requestState } = input(await at.call())
    const replica = await at.world.openReplica({})
    const { bundle } = at.world.identities
    const credential = at.world.identities.issue({ toolScopes: 'files:*', podUid: 'pod' })
    await using elsewhere = openClient({ port: replica.port, credential, bundle })
    const meta = { ...modernMeta, 'io.modelcontextprotocol/clientCapabilities': capabilities }
    const given = { name: 'echo', arguments: { a: 1 }, requestState, inputResponses: opened }
    const { body, headers } = modern('tools/call', { ...given, _meta: meta })
    const reply = await elsewhere.post('/mcp/files', body, headers)
    assert.equal((told(reply)['result'] as InputRequired)?.resultType, 'complete', reply.text)
  })

  test('has them asked for where several workers serve, too', async () => {
    requirement('gateway.pages-across')
    await using at = await open(asking(page), { more: { workers: 2 } })
    const { requestState } = input(await at.call())
    const reply = await at.call({ params: { requestState, inputResponses: opened } })
    assert.equal((told(reply)['result'] as InputRequired)?.resultType, 'complete', reply.text)
  })
})
