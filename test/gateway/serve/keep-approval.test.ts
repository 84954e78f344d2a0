import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { suite, test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { legacy, modern, openClient, whyOf, type Reply, type TestClient } from '../world/client.ts'
import { memoryApprovals } from '../world/memory-approvals.ts'
import { openSession } from '../world/session.ts'
import { answerBoth, type Answer, type JsonMessage } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

/*
 * A call of a legacy client that somebody has approved, and whose server wants pages opened before it is called: the client has nothing to bring
 * back, and makes the same call again.
 */

const approver = 'spiffe://test.example/ns/ops/sa/oncall'
const oncall = { namespace: 'ops', serviceAccount: 'oncall', tenant: 'ops', toolScopes: 'web:none' }
const policyApprovals = {
  deletions: { seconds: 600, approvers: [approver], where: { tool: ['delete'] } },
}
const asks = { elicitation: { urlHosts: ['login.example'] } }
const grants = { tenants: { acme: { files: { prefixes: { '': {} }, asks } } }, subjects: {} }
const page = { mode: 'url', elicitationId: 'e', url: 'https://login.example/', message: 'log in' }
const wantsPages = { code: -32042, message: 'open it first', data: { elicitations: [page] } }

interface Held extends AsyncDisposable {
  readonly world: World
  readonly store: ReturnType<typeof memoryApprovals>
  readonly agent: TestClient
  /** How often the tool was called. */
  readonly calls: () => number
  /** Makes the call, with these arguments, in a session of its own. */
  readonly call: (what?: string, from?: TestClient) => Promise<Reply>
  readonly approve: (ticket: string) => Promise<void>
  readonly pass: (seconds: number) => void
}

const own = { podUid: 'c0ffee00-0000-4000-8000-00000000beef' }

/** A server that wants a page opened at the first calls, or answers when a test lets it. */
async function open({ times = 1, holds = false } = {}): Promise<
  Held & { readonly answer: () => boolean }
> {
  await using opened = new AsyncDisposableStack()
  const store = memoryApprovals()
  const clock = { now: Date.now() }
  const open: (() => void)[] = []
  let count = 0
  const answer: Answer = (message, response, request) => {
    if (message.method !== 'tools/call') return answerBoth()(message, response, request)
    count += 1
    const outcome = count <= times ? { error: wantsPages } : { result: { content: ['done'] } }
    const send = (): void => sendWhole(response, message, outcome)
    if (holds && count === 1) open.push(send)
    else send()
  }
  const settings = { policyApprovals, approvals: store, grants, now: () => clock.now }
  const world = opened.use(await openWorld({ ...settings, answers: { files: answer } }))
  const agent = await world.agent(own)
  const person = await world.agent(oncall)
  const all = opened.move()
  return {
    world,
    store,
    agent,
    calls: () => count,
    async call(what = 'draft', from = agent) {
      const session = await openSession(from, '/mcp/files', { elicitation: { form: {}, url: {} } })
      const given = { name: 'delete', arguments: { what } }
      const { body, headers } = legacy('tools/call', given, { session })
      return from.post('/mcp/files', body, headers)
    },
    async approve(ticket) {
      const { body, headers } = modern('approvals/approve', { ticket })
      const { text } = await person.post('/mcp', body, headers)
      assert.match(text, /"state":"approved"/)
    },
    pass(seconds) {
      clock.now += seconds * 1000
    },
    answer() {
      for (const each of open.splice(0)) each()
      return count > 0
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

function sendWhole(response: ServerResponse, { id }: JsonMessage, outcome: object): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ jsonrpc: '2.0', id, ...outcome }))
}

function ticketOf(reply: Reply): string {
  const ticket = reply.json.error?.data?.['ticket']
  assert.equal(typeof ticket, 'string', reply.text)
  return String(ticket)
}

/** A call that was approved, and answered with the page. */
async function begin(held: Held): Promise<string> {
  const ticket = ticketOf(await held.call())
  await held.approve(ticket)
  assert.deepEqual((await held.call()).json.error, wantsPages)
  return ticket
}

const isDone = ({ json }: Reply): boolean => JSON.stringify(json.result?.['content']) === '["done"]'

suite('an approved call of a legacy client whose server wants pages opened first', () => {
  test('is made again under the same approval, once, and its record says so', async () => {
    requirement('gateway.approval-goes-on')
    await using held = await open()
    const ticket = await begin(held)
    assert.ok(isDone(await held.call()))
    assert.equal(held.calls(), 2)
    const used = held.world.events
      .map(({ evaluated }) => JSON.stringify(evaluated))
      .flatMap(
        (text) => /"(approval-(?:used|goes-on))","message":"ticket ([a-z2-7-]+)/.exec(text) ?? [],
      )
    assert.deepEqual(
      used.filter((_, at) => at % 3 > 0),
      ['approval-used', ticket, 'approval-goes-on', ticket],
    )
    ticketOf(await held.call())
    assert.equal(held.calls(), 2)
  })

  for (const [how, again] of Object.entries({
    'with other arguments': (held: Held) => held.call('other'),
    'by another pod': async (held: Held) => held.call('draft', await held.world.agent()),
    'after its deadline': (held: Held) => {
      held.pass(600)
      return held.call()
    },
    'when its approver is revoked': (held: Held) => {
      const serviceAccount = { namespace: 'ops', name: 'oncall' }
      held.world.revocations.set([{ name: 'r', reason: 'test', serviceAccount }])
      return held.call()
    },
  })) {
    test(`waits anew ${how}`, async () => {
      requirement('gateway.approval-goes-on')
      await using held = await open()
      await begin(held)
      ticketOf(await again(held))
      assert.equal(held.calls(), 1)
    })
  }

  test('is made by one of all that make it again at a time', async () => {
    requirement('gateway.approval-goes-on')
    await using held = await open()
    await begin(held)
    const made = await Promise.all(Array.from({ length: 8 }, () => held.call()))
    assert.equal(made.filter(isDone).length, 1)
    assert.equal(held.calls(), 2)
  })

  test('is made again at another replica', async () => {
    requirement('gateway.approval-goes-on')
    await using held = await open()
    await begin(held)
    const { port } = await held.world.openReplica({})
    const { identities } = held.world
    const credential = identities.issue({ toolScopes: 'files:*', ...own })
    await using there = openClient({ port, credential, bundle: identities.bundle })
    assert.ok(isDone(await held.call('draft', there)))
  })

  test('is put off so often and no more', async () => {
    requirement('gateway.approval-goes-on')
    await using held = await open({ times: 20 })
    await begin(held)
    for (let round = 2; round <= 8; round += 1) {
      assert.deepEqual((await held.call()).json.error, wantsPages)
    }
    const last = await held.call()
    assert.equal(last.json.error?.code, -32603, last.text)
    assert.doesNotMatch(last.text, /login\.example/)
    ticketOf(await held.call())
    assert.equal(held.calls(), 9)
  })

  test('leaves what waits in its place meanwhile as it is', async () => {
    requirement('gateway.approval-goes-on')
    await using held = await open({ holds: true })
    await held.approve(ticketOf(await held.call()))
    const first = held.call()
    await eventually('the call', () => held.calls() === 1)
    const other = await held.world.agent(own)
    const ticket = ticketOf(await held.call('draft', other))
    held.answer()
    assert.deepEqual((await first).json.error, wantsPages)
    assert.equal(ticketOf(await held.call()), ticket)
    await held.approve(ticket)
    assert.ok(isDone(await held.call()))
  })

  test('is told nothing of the pages where its approval cannot be kept', async () => {
    requirement('gateway.approval-goes-on')
    await using held = await open()
    await held.approve(ticketOf(await held.call()))
    held.store.create = () => Promise.reject(new Error('away'))
    const reply = await held.call()
    assert.equal(whyOf(reply), 'approvals are not known')
    assert.doesNotMatch(reply.text, /login\.example/)
  })
})
