import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { HistoryStore } from '../../../src/gateway/history/history-store.ts'
import { createMetrics } from '../../../src/metrics.ts'
import { textOf } from '../../../src/policy/asked.ts'
import { requirement } from '../../requirements.ts'
import { modern, whyOf, type Reply, type TestClient } from '../world/client.ts'
import { openWorld, type World, type WorldOptions } from '../world/world.ts'
import { atMost, rememberingAuthorizer, type OwnRules } from './remembering.ts'

const declared = { calls: { seconds: 3600, most: 5 } }
const echo = modern('tools/call', { name: 'echo', arguments: {} })
const big = modern('tools/call', { name: 'big', arguments: {} })

async function open(
  own: OwnRules,
  options: WorldOptions = {},
  history: object = declared,
): Promise<World> {
  const authorizer = await rememberingAuthorizer(history, own)
  return openWorld({ ...options, authorizer: () => authorizer })
}

function call(agent: TestClient, what = echo): Promise<Reply> {
  return agent.post('/mcp/files', what.body, what.headers)
}

/** What has reached the tool server. */
function calledIn(world: World): readonly unknown[] {
  return world.upstreams['files']?.received.filter(({ body }) => body === echo.body) ?? []
}

const isServed = ({ json }: Reply): boolean => json.error === undefined

test('of many calls at a time of one identity so many are made as policy lets, from whichever pod', async () => {
  requirement('policy.history-no-race')
  await using world = await open(atMost(5))
  const agents = await Promise.all(
    [randomUUID(), randomUUID()].map((podUid) => world.agent({ podUid })),
  )
  const replies = await Promise.all(
    Array.from({ length: 6 }, () => agents.map((agent) => call(agent))).flat(),
  )
  assert.equal(replies.filter(isServed).length, 5)
  assert.equal(calledIn(world).length, 5)
  const refused = replies.filter((reply) => !isServed(reply))
  assert.ok(refused.every((reply) => whyOf(reply)?.startsWith('denied by policy: too-often')))
})

test('what was done counts until its window has passed', async () => {
  requirement('policy.history-bounded')
  let at = Date.now()
  const exfiltrates: OwnRules = ({ resource }, history) => {
    const { id } = resource as { readonly id: string }
    if (id === 'echo') return { remember: ['secret-read'] }
    return history['secret-read']?.length === 0 ? {} : { deny: 'secret-read' }
  }
  await using world = await open(
    exfiltrates,
    { now: () => at },
    { 'secret-read': { seconds: 600, most: 1 } },
  )
  const agent = await world.agent()
  assert.ok(isServed(await call(agent, big)))
  assert.ok(isServed(await call(agent)))
  assert.ok(!isServed(await call(agent, big)))
  at += 599_000
  assert.ok(!isServed(await call(agent, big)))
  at += 1_000
  assert.ok(isServed(await call(agent, big)))
})

test('the event of each decision has the history that it was taken with', async () => {
  requirement('policy.history-recorded')
  const at = Date.now()
  await using world = await open(atMost(2), { now: () => at })
  const agent = await world.agent()
  for (let each = 0; each < 3; each += 1) await call(agent)
  const histories = world.events.map(({ evaluated }) => {
    const { context } = JSON.parse(textOf(evaluated.asked)) as { context: { history?: object } }
    return context.history
  })
  const time = new Date(at).toISOString()
  assert.deepEqual(histories, [{ calls: [] }, { calls: [time] }, { calls: [time, time] }])
})

test('a policy that has nothing kept is told of no history', async () => {
  requirement('policy.history-recorded')
  await using world = await openWorld()
  assert.ok(isServed(await call(await world.agent())))
  const [event] = world.events
  assert.ok(event && !textOf(event.evaluated.asked).includes('history'))
})

test('a permit that wants something kept that is not declared is none', async () => {
  requirement('policy.history-kept-first')
  await using world = await open(() => ({ remember: ['calls', 'cals'] }))
  const agent = await world.agent()
  const reply = await call(agent)
  assert.equal(whyOf(reply), 'denied by policy: an obligation of the permission cannot be met')
  assert.deepEqual(calledIn(world), [])
})

test('a permit that wants something kept where policy declares nothing is none', async () => {
  requirement('policy.history-kept-first')
  await using world = await open(() => ({ remember: ['calls'] }), {}, {})
  const reply = await call(await world.agent())
  assert.equal(whyOf(reply), 'denied by policy: an obligation of the permission cannot be met')
})

const unkept: Readonly<Record<string, readonly [HistoryStore, status: number, why: string]>> = {
  'nothing is known': [
    { take: () => undefined, size: 0 },
    503,
    'what was permitted before is not known now',
  ],
  'its turn was over': [
    {
      take: () => ({ kept: new Map(), keep: () => Promise.resolve('late'), end() {} }),
      size: 0,
    },
    503,
    'what was permitted before is not known now',
  ],
  'there is no room': [
    {
      take: () => Promise.resolve({ kept: new Map(), keep: () => ({ full: 'tenant' }), end() {} }),
      size: 0,
    },
    429,
    'too many histories of one tenant',
  ],
}

for (const [title, [history, status, why]] of Object.entries(unkept)) {
  test(`a call is not made where ${title}, and that is recorded and counted`, async () => {
    requirement('policy.history-kept-first')
    const metrics = createMetrics()
    await using world = await open(atMost(5), { history, metrics })
    const agent = await world.agent()
    const reply = await call(agent)
    assert.equal(reply.status, status)
    assert.equal(whyOf(reply), why)
    const event = world.events.at(-1)
    assert.equal(event?.path, 'countersign/gateway/policy')
    assert.equal(reply.json.error?.data?.['decisionId'], event?.decisionId)
    assert.deepEqual(calledIn(world), [])
    assert.match(
      await metrics.page(),
      /^countersign_gateway_history_refused_total\{reason="history-/m,
    )
  })
}

test('several workers without a history that is theirs together permit nothing that wants one', async () => {
  requirement('policy.history-shared')
  await using world = await open(atMost(5), { workers: 2 })
  const reply = await call(await world.agent())
  assert.equal(reply.status, 503)
  assert.equal(whyOf(reply), 'what was permitted before is not known now')
})
