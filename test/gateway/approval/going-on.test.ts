import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { requirement } from '../../requirements.ts'
import {
  modern,
  modernMeta,
  openClient,
  whyOf,
  type Reply,
  type TestClient,
} from '../world/client.ts'
import { memoryApprovals } from '../world/memory-approvals.ts'
import {
  answerBoth,
  sendJson,
  toolTexts,
  type Answer,
  type JsonMessage,
} from '../world/upstream.ts'
import { openWorld, type World, type WorldOptions } from '../world/world.ts'

/*
 * A call that somebody has approved, and whose tool server wants more of its caller before it answers.
 */

const approver = 'spiffe://test.example/ns/ops/sa/oncall'
const oncall = {
  namespace: 'ops',
  serviceAccount: 'oncall',
  tenant: 'ops',
  toolScopes: 'web:none',
} as const
const policyApprovals = {
  deletions: { seconds: 600, approvers: [approver], where: { tool: ['delete', 'echo'] } },
}
const asks = { elicitation: { form: true } }
const grants = { tenants: { acme: { files: { prefixes: { '': {} }, asks } } }, subjects: {} }

const form =
  '{"method":"elicitation/create","params":{"message":"sure?","requestedSchema":{"type":"object","properties":{}}}}'

interface Held extends AsyncDisposable {
  readonly world: World
  readonly agent: TestClient
  readonly person: TestClient
  readonly store: ReturnType<typeof memoryApprovals>
  /** The calls at the tool server. */
  readonly there: () => readonly string[]
  readonly pass: (seconds: number) => void
}

/** A server that asks in answer to the first calls, with this state. */
function asking(state: string | undefined, { times = 1, tools = () => toolTexts } = {}): Answer {
  let count = 0
  return (message, response, request) => {
    if (message.method !== 'tools/call') {
      answerBoth({ tools: tools() })(message, response, request)
      return
    }
    count += 1
    const more = state === undefined ? '' : `,"requestState":${state}`
    const result =
      count <= times
        ? `{"resultType":"input_required","inputRequests":{"a":${form}}${more}}`
        : '{"resultType":"complete","content":[]}'
    sendJson(response, `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${result}}`)
  }
}

async function open(answer: Answer, more: WorldOptions = {}): Promise<Held> {
  await using opened = new AsyncDisposableStack()
  const store = memoryApprovals()
  const clock = { now: Date.now() }
  const settings = { policyApprovals, approvals: store, grants, now: () => clock.now }
  const world = opened.use(await openWorld({ ...settings, answers: { files: answer }, ...more }))
  const held = {
    world,
    store,
    agent: await world.agent({ podUid: 'pod' }),
    person: await world.agent(oncall),
    there: () =>
      (world.upstreams['files']?.received ?? [])
        .map(({ body }) => body)
        .filter((body) => body.includes('"tools/call"')),
    pass(seconds: number) {
      clock.now += seconds * 1000
    },
  }
  const all = opened.move()
  return { ...held, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

const meta = {
  ...modernMeta,
  'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
}

interface CallOptions {
  readonly from?: TestClient
  readonly params?: Record<string, unknown>
}

function call({ agent }: Held, { from = agent, params = {} }: CallOptions = {}): Promise<Reply> {
  const given = { name: 'delete', arguments: { what: 'draft' }, ...params, _meta: meta }
  const { body, headers } = modern('tools/call', given)
  return from.post('/mcp/files', body, headers)
}

const accepted = { a: { action: 'accept', content: {} } }

/** Approves the call that waits. */
async function approve(held: Held, o: CallOptions = {}): Promise<string> {
  const [, ticket] = /ticket ([a-z2-7-]+)/.exec((await call(held, o)).text) ?? []
  const { body, headers } = modern('approvals/approve', { ticket })
  const { text } = await held.person.post('/mcp', body, headers)
  assert.match(text, /"state":"approved"/)
  return String(ticket)
}

/** What the caller is to bring back. */
function stateOf(reply: Reply): string {
  assert.equal(reply.json.result?.['resultType'], 'input_required', reply.text)
  const { requestState } = reply.json.result as { readonly requestState?: unknown }
  assert.equal(typeof requestState, 'string', reply.text)
  return String(requestState)
}

/** A call that was approved, and asked something. */
async function begin(held: Held): Promise<Record<string, unknown>> {
  await approve(held)
  return { requestState: stateOf(await call(held)), inputResponses: accepted }
}

const codesOf = ({ world }: Held): readonly unknown[] =>
  world.events.flatMap(({ evaluated }) => {
    const { value } = evaluated as { readonly value?: { readonly reasons?: readonly object[] } }
    return (value?.reasons ?? []).map((reason) => (reason as { readonly code?: unknown }).code)
  })

const isComplete = ({ json }: Reply): boolean => json.result?.['resultType'] === 'complete'

/** The approval itself is used up, and nothing is taken away after it. */
function keepingLast(store: Held['store']): Held['store']['remove'] {
  const remove = store.remove.bind(store)
  let isUsed = false
  return (kept) => {
    if (isUsed) return Promise.reject(new Error('away'))
    isUsed = true
    return remove(kept)
  }
}

suite('an approved call whose server asks before it answers', () => {
  for (const state of ['"st\\u0061te"', undefined]) {
    test(`goes on under its approval, ${state === undefined ? 'where its server gives no state' : 'with the state of its server'}`, async () => {
      requirement('gateway.approval-goes-on')
      requirement('gateway.approval-recorded')
      await using held = await open(asking(state))
      const ticket = await approve(held)
      const params = { requestState: stateOf(await call(held)), inputResponses: accepted }
      assert.equal(held.store.kept.size, 1)
      const { body, headers } = modern('approvals/list', {})
      const { json } = await held.person.post('/mcp', body, headers)
      assert.deepEqual(json.result?.['approvals'], [], 'nobody is asked again')
      const reply = await call(held, { params })
      assert.ok(isComplete(reply), reply.text)
      const sent = JSON.parse(held.there()[1] ?? '') as JsonMessage
      const { _meta: _, ...rest } = sent.params ?? {}
      const own = state === undefined ? {} : { requestState: 'state' }
      const given = { name: 'delete', arguments: { what: 'draft' } }
      assert.deepEqual(rest, { ...given, ...own, inputResponses: accepted })
      assert.equal(held.store.kept.size, 0)
      const notes = JSON.stringify(held.world.events.map(({ evaluated }) => evaluated.value))
      for (const code of ['approval-used', 'approval-goes-on']) {
        assert.match(notes, new RegExp(`"${code}","message":"ticket ${ticket} was approved by`))
      }
    })
  }

  test('goes on as often as it is asked, at any replica', async () => {
    requirement('gateway.approval-goes-on')
    await using held = await open(asking('"s"', { times: 3 }))
    let params = await begin(held)
    const replica = await held.world.openReplica({})
    const { bundle } = held.world.identities
    const credential = held.world.identities.issue({ podUid: 'pod', toolScopes: 'files:*' })
    await using elsewhere = openClient({ port: replica.port, credential, bundle })
    for (const from of [elsewhere, held.agent]) {
      params = { ...params, requestState: stateOf(await call(held, { from, params })) }
    }
    assert.ok(isComplete(await call(held, { params })))
    assert.equal(held.there().length, 4)
  })

  /** Each is refused, and no call is made. */
  const waysRound: Readonly<
    Record<string, (held: Held, params: Record<string, unknown>) => Promise<Reply>>
  > = {
    'with other arguments': (held, params) =>
      call(held, { params: { ...params, arguments: { what: 'all' } } }),
    'with other octets of the same arguments': (held, params) => {
      const given = { name: 'delete', arguments: { what: 'draft' }, ...params, _meta: meta }
      const { body, headers } = modern('tools/call', given)
      return held.agent.post('/mcp/files', body.replace('"draft"', '"draft" '), headers)
    },
    'with another tool': (held, params) => call(held, { params: { ...params, name: 'echo' } }),
    'by another pod': async (held, params) =>
      call(held, { from: await held.world.agent({ podUid: 'another' }), params }),
    'after its deadline': (held, params) => {
      held.pass(600)
      return call(held, { params })
    },
    'whose approver is revoked since': (held, params) => {
      const serviceAccount = { namespace: 'ops', name: 'oncall' }
      held.world.revocations.set([{ name: 'r', reason: 'test', serviceAccount }])
      return call(held, { params })
    },
    'whose approval somebody has taken away': (held, params) => {
      held.store.kept.clear()
      return call(held, { params })
    },
    'whose approval was used and is written once more': async (held, params) => {
      const [kept] = held.store.kept.values()
      assert.ok(kept !== undefined)
      await held.store.remove(kept)
      await held.store.create(kept)
      return call(held, { params })
    },
    'with a state that is changed': (held, params) =>
      call(held, { params: { ...params, requestState: `${String(params['requestState'])}x` } }),
    'while nothing is known of approvals': (held, params) => {
      held.store.away = true
      return call(held, { params })
    },
  }

  for (const [how, way] of Object.entries(waysRound)) {
    test(`does not go on ${how}`, async () => {
      requirement('gateway.approval-goes-on')
      await using held = await open(asking('"s"'))
      const params = await begin(held)
      const reply = await way(held, params)
      assert.ok(reply.json.error, reply.text)
      assert.doesNotMatch(reply.text, /ticket/)
      assert.equal(held.there().length, 1)
    })
  }

  test('goes on once with one state, whoever is faster', async () => {
    requirement('gateway.approval-goes-on')
    await using held = await open(asking('"s"'))
    const params = await begin(held)
    const other = await held.world.agent({ podUid: 'pod' })
    const replies = await Promise.all(
      [held.agent, other].map((from) => call(held, { from, params })),
    )
    assert.equal(replies.filter(isComplete).length, 1)
    const late = await call(held, { params })
    assert.match(whyOf(late) ?? '', /approval of this call has been used/)
    assert.equal(held.there().length, 2)
    assert.ok(codesOf(held).includes('approval-gone'))
  })

  test('does not go on with the state of another call, nor the other with its own', async () => {
    requirement('gateway.approval-goes-on')
    await using held = await open(asking('"s"', { times: 2 }))
    const first = await begin(held)
    const others = { name: 'echo' }
    await approve(held, { params: others })
    const second = stateOf(await call(held, { params: others }))
    for (const params of [
      { ...first, requestState: second },
      { ...first, ...others },
    ]) {
      const reply = await call(held, { params })
      assert.equal(reply.json.error?.code, -32602, reply.text)
    }
    assert.ok(isComplete(await call(held, { params: first })))
    const last = { ...first, ...others, requestState: second }
    assert.ok(isComplete(await call(held, { params: last })))
  })

  test('does not go on where its tool is another one since', async () => {
    requirement('gateway.approval-goes-on')
    let tools = toolTexts
    await using held = await open(asking('"s"', { tools: () => tools }))
    const params = await begin(held)
    tools = toolTexts.map((text) => text.replace('"delete",', '"delete","description":"other",'))
    const list = modern('tools/list')
    await held.agent.post('/mcp/files', list.body, list.headers)
    const reply = await call(held, { params })
    assert.match(whyOf(reply) ?? '', /none of it/)
    assert.equal(held.there().length, 1)
  })

  test('is not told what is asked where its approval cannot be kept', async () => {
    requirement('gateway.approval-goes-on')
    const server = asking('"s"')
    const away = { set: (): void => {} }
    await using held = await open((message, response, request) => {
      if (message.method === 'tools/call') away.set()
      server(message, response, request)
    })
    away.set = () => {
      held.store.away = true
    }
    await approve(held)
    const { text, json } = await call(held)
    assert.ok(json.error, text)
    assert.doesNotMatch(text, /sure\?|requestState/)
  })

  for (const [how, isLeft] of [
    ['and nothing stays of it where it could not be kept', false],
    ['also where what was begun of it stays', true],
  ] as const) {
    test(`has nobody asked for its approval again, ${how}`, async () => {
      requirement('gateway.approval-goes-on')
      await using held = await open(asking('"s"'))
      await approve(held)
      // The object is made, and the verdict never comes into it.
      held.store.replace = () => Promise.reject(new Error('away'))
      if (isLeft) held.store.remove = keepingLast(held.store)
      const { text, json } = await call(held)
      assert.ok(json.error, text)
      assert.equal(held.store.kept.size, isLeft ? 1 : 0)
      const { body, headers } = modern('approvals/list', {})
      const listed = await held.person.post('/mcp', body, headers)
      assert.deepEqual(listed.json.result?.['approvals'], [], listed.text)
    })
  }
})
