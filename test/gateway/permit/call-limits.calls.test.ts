import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createMetrics } from '../../../src/metrics.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import {
  initializeParams,
  legacy,
  modern,
  whyOf,
  type Reply,
  type TestClient,
} from '../world/client.ts'
import { answerBoth, sendJson, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

const echo = modern('tools/call', { name: 'echo', arguments: {} })
const twice = { 'two-a-minute': { per: ['identity'], calls: 2, seconds: 60 } }
const alone = { 'one-at-a-time': { per: ['identity'], concurrent: 1 } }

async function call(agent: TestClient): Promise<Reply> {
  return agent.post('/mcp/files', echo.body, echo.headers)
}

/** The last two events are the permit and what became of it. */
function lastPaths(world: World): readonly string[] {
  return world.events.slice(-2).map(({ path }) => path)
}

test('a call beyond a rate is told which limit, and when to come again; both decisions are recorded', async () => {
  requirement('gateway.limits-of-policy')
  let at = Date.now()
  const metrics = createMetrics()
  await using world = await openWorld({ policyLimits: twice, now: () => at, metrics })
  const agent = await world.agent()
  assert.equal((await call(agent)).status, 200)
  at += 15_000
  assert.equal((await call(agent)).status, 200)
  const calledBefore = world.upstreams['files']?.received.length
  const reply = await call(agent)
  assert.equal(reply.status, 429)
  assert.equal(reply.headers['retry-after'], '45')
  assert.equal(reply.json.id, 1)
  assert.equal(reply.json.error?.code, -31429)
  assert.equal(
    whyOf(reply),
    'limit "two-a-minute" is reached: at most 2 calls in 60 s for each identity',
  )
  const { decisionId, limit, retryAfterSeconds } = reply.json.error?.data ?? {}
  assert.deepEqual([limit, retryAfterSeconds], ['two-a-minute', 45])
  assert.equal(decisionId, world.events.at(-1)?.decisionId)
  assert.deepEqual(lastPaths(world), [
    'countersign/mcp/decision',
    'countersign/gateway/obligations',
  ])
  assert.equal(world.upstreams['files']?.received.length, calledBefore)
  world.gateway.measure()
  const page = await metrics.page()
  assert.match(page, /^countersign_gateway_limited_total\{limit="two-a-minute"\} 1$/m)
  assert.match(page, /^countersign_gateway_limit_windows 1$/m)
  at += 45_000
  assert.equal((await call(agent)).status, 200)
})

test('another pod of the identity shares its limit, and another identity has its own', async () => {
  requirement('gateway.limits-of-policy')
  await using world = await openWorld({ policyLimits: twice })
  const [one, other] = [
    await world.agent(),
    await world.agent({ podUid: 'c0ffee00-0000-4000-8000-0000000000ff' }),
  ]
  assert.equal((await call(one)).status, 200)
  assert.equal((await call(other)).status, 200)
  assert.equal((await call(one)).status, 429)
  assert.equal((await call(other)).status, 429)
  assert.equal((await call(await world.agent({ serviceAccount: 'another' }))).status, 200)
})

test('lists and what is asked of a server count under no limit, nor does a call that policy denies', async () => {
  await using world = await openWorld({ policyLimits: twice })
  const agent = await world.agent()
  const denied = modern('tools/call', { name: 'delete', arguments: { what: 'all' } })
  for (const { body, headers } of [modern('tools/list'), modern('server/discover'), denied]) {
    for (let count = 0; count < 3; count += 1) {
      assert.equal((await agent.post('/mcp/files', body, headers)).status, 200)
    }
  }
  assert.equal((await call(agent)).status, 200)
})

test('a legacy client is told with status 200, so that its session goes on', async () => {
  requirement('gateway.limits-of-policy')
  await using world = await openWorld({ policyLimits: twice })
  const agent = await world.agent()
  const hello = legacy('initialize', initializeParams)
  const opened = await agent.post('/mcp/files', hello.body, hello.headers)
  const session = String(opened.headers['mcp-session-id'])
  const asked = legacy('tools/call', { name: 'echo', arguments: {} }, { session })
  const replies: Reply[] = []
  for (let count = 0; count < 3; count += 1) {
    replies.push(await agent.post('/mcp/files', asked.body, asked.headers))
  }
  const [, second, third] = replies
  assert.equal(second?.json.error, undefined)
  assert.equal(third?.status, 200)
  assert.equal(third.json.error?.code, -31429)
  assert.match(String(third.headers['retry-after']), /^[0-9]+$/)
})

test('where there is no room to count a call it is refused, as a share that is used up', async () => {
  requirement('gateway.limits-never-forgotten')
  const each = { 'each-tool': { per: ['identity', 'tool'], calls: 5, seconds: 60 } }
  const limits = {
    limitWindowsMax: 16,
    identitySharePercent: 1,
    namespaceSharePercent: 100,
    tenantSharePercent: 100,
  }
  await using world = await openWorld({ policyLimits: each, limits })
  const agent = await world.agent()
  assert.equal((await call(agent)).status, 200)
  const big = modern('tools/call', { name: 'big', arguments: {} })
  const reply = await agent.post('/mcp/files', big.body, big.headers)
  assert.equal(reply.status, 429)
  assert.equal(whyOf(reply), 'too many windows of limits of one identity')
  assert.deepEqual(lastPaths(world), [
    'countersign/mcp/decision',
    'countersign/gateway/obligations',
  ])
})

/** Holds slow calls until a test ends them; `broken` calls are cut off. */
function holding(): { answer: Answer; held: Map<string, () => void> } {
  const held = new Map<string, () => void>()
  const answer: Answer = (message, response, request) => {
    const how = (message.params?.['arguments'] as { how?: string } | undefined)?.how
    if (message.method !== 'tools/call' || how === undefined) {
      answerBoth()(message, response, request)
      return
    }
    const end = (): void => {
      if (how === 'broken') response.destroy()
      else answerBoth()(message, response, request)
    }
    held.set(how, end)
    response.once('close', () => held.delete(how))
  }
  return { answer, held }
}

const podUid = 'c0ffee00-0000-4000-8000-00000000beef'

/** Whatever ends a call. */
const ends: Readonly<
  Record<
    string,
    (o: { world: World; agent: TestClient; end: () => void }) => Promise<unknown> | void
  >
> = {
  answered: ({ end }) => end(),
  broken: ({ end }) => end(),
  cancelled: ({ agent }) => agent.client.destroy(),
  revoked: ({ world }) => world.revocations.set([{ name: 'r', reason: 'test', podUid }]),
  gone: ({ world }) => world.gone.set(new Set([podUid])),
}

for (const [how, end] of Object.entries(ends)) {
  test(`an open call that is ${how} gives its place back`, async () => {
    requirement('gateway.open-calls-given-back')
    const { answer, held } = holding()
    await using world = await openWorld({ answers: { files: answer }, policyLimits: alone })
    const agent = await world.agent({ podUid })
    const slow = modern('tools/call', { name: 'echo', arguments: { how } })
    const open = agent.post('/mcp/files', slow.body, slow.headers).catch(() => undefined)
    await eventually('the call is open', () => held.has(how))
    const other = await world.agent()
    const refused = await call(other)
    assert.equal(refused.status, 429)
    assert.equal(refused.headers['retry-after'], '1')
    assert.equal(
      whyOf(refused),
      'limit "one-at-a-time" is reached: at most 1 open calls for each identity',
    )
    await end({ world, agent, end: held.get(how) ?? (() => {}) })
    await open
    await eventually('the place is free', async () => (await call(other)).status === 200)
  })
}

test('a call whose answer is not read keeps its place', async () => {
  requirement('gateway.open-calls-given-back')
  let isAsked = false
  const files: Answer = (message, response, request) => {
    const { how } = (message.params?.['arguments'] ?? {}) as { how?: string }
    if (how !== 'large') return answerBoth()(message, response, request)
    isAsked = true
    // More than the kernel takes for anybody.
    const result = `{"resultType":"complete","content":[{"type":"text","text":"${'x'.repeat(7_000_000)}"}]}`
    sendJson(response, `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${result}}`)
  }
  await using world = await openWorld({ answers: { files }, policyLimits: alone })
  const socket = await world.rawConnection()
  socket.pause()
  const slow = modern('tools/call', { name: 'echo', arguments: { how: 'large' } })
  const lines = Object.entries({
    host: 'gateway.test',
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(slow.body)),
    ...slow.headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`POST /mcp/files HTTP/1.1\r\n${lines.join('')}\r\n${slow.body}`)
  await eventually('it is at its server', () => isAsked)
  const other = await world.agent()
  assert.equal((await call(other)).status, 429)
  const closed = once(socket, 'close')
  socket.destroy()
  await closed
  await eventually('it is closed', async () => (await call(other)).status === 200)
})
