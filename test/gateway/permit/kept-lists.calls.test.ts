import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestDefinition } from '../../support/digest-definition.ts'
import type { UpstreamConfig } from '../../../src/gateway/upstream/upstream.ts'
import { createAuthorizer, type Authorizer } from '../../../src/policy/authorizer.ts'
import type { PolicyEngine } from '../../../src/policy/engine.ts'
import { textOf } from '../../../src/policy/asked.ts'
import { requirement } from '../../requirements.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'
import { modern, type Reply } from '../world/client.ts'
import { answerBoth, sendJson, type Answer } from '../world/upstream.ts'
import { defaultGrants, openWorld, type WorldOptions } from '../world/world.ts'

const list = modern('tools/list')

function namesOf(reply: Reply): readonly unknown[] {
  assert.equal(reply.status, 200, reply.text)
  const tools = reply.json.result?.['tools'] as readonly { readonly name: string }[] | undefined
  return (tools ?? []).map((tool) => tool.name)
}

/** A world whose evaluations of lists are counted, and whose clock stands. */
async function openCounted(options: WorldOptions = {}): Promise<{
  world: Awaited<ReturnType<typeof openWorld>>
  clock: { now: number }
  evaluated: () => number
}> {
  const clock = { now: Date.now() }
  let evaluated = 0
  const counted = (real: Authorizer): Authorizer => ({
    decide: (texts) => real.decide(texts),
    shownArguments: (texts, rules) => real.shownArguments(texts, rules),
    filter(texts) {
      evaluated += 1
      return real.filter(texts)
    },
    revision: real.revision,
    get digest() {
      return real.digest
    },
  })
  const { authorizer } = options
  const world = await openWorld({
    now: () => clock.now,
    ...options,
    authorizer: (real) => counted(authorizer?.(real) ?? real),
  })
  return { world, clock, evaluated: () => evaluated }
}

const listEvents = 'countersign/mcp/list'

for (const door of ['/mcp/files', '/mcp']) {
  test(`a list that is asked for again is decided on again, and evaluated once, at ${door}`, async () => {
    const { world, clock, evaluated } = await openCounted()
    await using _ = world
    const agent = await world.agent()
    const first = await agent.post(door, list.body, list.headers)
    clock.now += 4000
    const second = await agent.post(door, list.body, list.headers)
    assert.deepEqual(namesOf(second), namesOf(first))
    assert.ok(namesOf(first).length > 0)
    assert.equal(evaluated(), 1)
    const events = world.events.filter(({ path }) => path === listEvents)
    assert.equal(events.length, 2)
    assert.equal(new Set(events.map(({ decisionId }) => decisionId)).size, 2)
    const [one = '', two = ''] = events.map((event) => textOf(event.evaluated.asked))
    assert.equal(one, two)
    assert.deepEqual(events[0]?.evaluated.result, events[1]?.evaluated.result)
  })
}

test('a list may be kept for as long as policy may be behind, less the age of what policy said', async () => {
  const lasting: Answer = (message, response, request) => {
    if (message.method !== 'tools/list') return answerBoth()(message, response, request)
    const result = '{"resultType":"complete","tools":[{"name":"echo"}],"ttlMs":86400000}'
    sendJson(response, `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${result}}`)
  }
  const { world, clock } = await openCounted({ answers: { files: lasting } })
  await using _ = world
  const agent = await world.agent()
  for (const door of ['/mcp/files', '/mcp']) {
    for (const [passed, ttlMs] of [
      [0, 60_000],
      [4000, 56_000],
      [6000, 60_000],
    ] as const) {
      clock.now += passed
      const reply = await agent.post(door, list.body, list.headers)
      assert.equal(reply.json.result?.['ttlMs'], ttlMs)
    }
  }
})

const lesser = {
  tenants: { acme: { files: { tools: { echo: {} }, prefixes: {} } } },
  subjects: {},
}

test('a grant that is taken away is gone from the next list', async () => {
  requirement('gateway.lists-decided-anew')
  let engine: PolicyEngine = await loadPolicyBundle({ data: { grants: defaultGrants } })
  const lessened = await loadPolicyBundle({ data: { grants: lesser } })
  const following: PolicyEngine = {
    get revision() {
      return engine.revision
    },
    get digest() {
      return engine.digest
    },
    evaluate: (entrypoint, input) => engine.evaluate(entrypoint, input),
  }
  const { world } = await openCounted({ authorizer: () => createAuthorizer(following) })
  await using _ = world
  const agent = await world.agent()
  const asked = (): Promise<Reply> => agent.post('/mcp/files', list.body, list.headers)
  assert.deepEqual(namesOf(await asked()), ['echo', 'big', 'delete'])
  engine = lessened
  assert.deepEqual(namesOf(await asked()), ['echo'])
})

test('no caller is shown the list of another', async () => {
  requirement('gateway.lists-decided-anew')
  const { world } = await openCounted()
  await using _ = world
  const agent = await world.agent()
  const asked = await agent.post('/mcp/files', list.body, list.headers)
  assert.deepEqual(namesOf(asked), ['echo', 'big', 'delete'])
  const stranger = await world.agent({ tenant: 'other' })
  assert.deepEqual(namesOf(await stranger.post('/mcp/files', list.body, list.headers)), [])
  const narrow = await world.agent({ toolScopes: 'files:big' })
  assert.deepEqual(namesOf(await narrow.post('/mcp/files', list.body, list.headers)), ['big'])
})

test('what was said at one door is not said at another', async () => {
  requirement('gateway.lists-decided-anew')
  const { world, evaluated } = await openCounted({ answers: { files: answerBoth() } })
  await using _ = world
  const agent = await world.agent()
  for (const door of ['/mcp/files', '/mcp']) await agent.post(door, list.body, list.headers)
  assert.equal(evaluated(), 2)
})

test('a definition that changes is asked about anew, and a pin that changes hides its tool', async () => {
  requirement('gateway.lists-decided-anew')
  requirement('gateway.changed-tool-quarantined')
  let description = 'first'
  const textNow = (): string => `{"name":"echo","description":"${description}","inputSchema":{}}`
  const changing: Answer = (message, response, request) =>
    answerBoth({ tools: [textNow(), '{"name":"big","inputSchema":{}}'] })(
      message,
      response,
      request,
    )
  let configs: readonly UpstreamConfig[] = []
  const { world, evaluated } = await openCounted({
    answers: { files: changing },
    upstreams: (made) => (configs = made),
  })
  await using _ = world
  const agent = await world.agent()
  const asked = (): Promise<Reply> => agent.post('/mcp/files', list.body, list.headers)
  await asked()
  description = 'second'
  assert.ok((await asked()).text.includes(textNow()))
  assert.equal(evaluated(), 2)
  const event = world.events.findLast(({ path }) => path === listEvents)
  assert.ok(event && textOf(event.evaluated.asked).includes(digestDefinition(textNow())))
  const pins = { echo: digestDefinition(textNow()) }
  world.gateway.replaceUpstreams(configs.map((each) => ({ ...each, pins })))
  assert.deepEqual(namesOf(await asked()), ['echo'])
  world.gateway.replaceUpstreams(configs.map((each) => ({ ...each, pins: { echo: 'x' } })))
  assert.deepEqual(namesOf(await asked()), [])
})

test('that policy gave no decision is not kept', async () => {
  let broken = true
  const { world, evaluated } = await openCounted({
    authorizer: (real) => ({
      ...real,
      filter(texts) {
        const evaluated = real.filter(texts)
        if (!broken) return evaluated
        return { ...evaluated, result: null, error: 'policy/abort: trap' }
      },
    }),
  })
  await using _ = world
  const agent = await world.agent()
  const asked = (): Promise<Reply> => agent.post('/mcp/files', list.body, list.headers)
  assert.equal((await asked()).status, 500)
  broken = false
  assert.deepEqual(namesOf(await asked()), ['echo', 'big', 'delete'])
  assert.equal(evaluated(), 2)
})
