import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createReadiness } from '../../src/gateway/readiness.ts'
import type { Condition } from '../../src/readiness.ts'
import { requirement } from '../requirements.ts'
import { modern, whyOf } from './world/client.ts'
import { openWorld } from './world/world.ts'

const echo = modern('tools/call', { name: 'echo', arguments: {} }, 'a-7')

const met = (name: string): Condition => ({ name, ok: true, reason: '' })
const unmet = (name: string): Condition => ({ name, ok: false, reason: `secret of ${name}` })

test('until it is ready the gateway answers, and says which conditions are missing and nothing of them', async () => {
  requirement('gateway.not-ready-says-so')
  let conditions = [met('credential'), unmet('policy'), unmet('revocations')]
  await using world = await openWorld({ ready: () => conditions })
  const agent = await world.agent()
  for (const door of ['/mcp', '/mcp/files']) {
    const reply = await agent.post(door, echo.body, echo.headers)
    assert.equal(reply.status, 503)
    assert.equal(reply.headers['retry-after'], '1')
    assert.equal(reply.headers['connection'], 'close')
    assert.deepEqual([reply.json.id, reply.json.error?.code], ['a-7', -32603])
    assert.equal(whyOf(reply), 'not ready: policy, revocations')
    const { decisionId, ...told } = reply.json.error?.data ?? {}
    assert.deepEqual(told, { conditions: ['policy', 'revocations'] })
    assert.match(String(decisionId), /^[0-9a-f-]{36}$/)
  }
  assert.deepEqual(world.upstreams['files']?.received, [])
  assert.deepEqual(world.events, [])
  conditions = [met('credential'), met('policy'), met('revocations')]
  assert.equal((await agent.post('/mcp/files', echo.body, echo.headers)).status, 200)
})

for (const [what, body, text] of [
  [
    'a notification',
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    '{"jsonrpc":"2.0","id":null,"error"',
  ],
  ['no message', '{"id":1,', '{"jsonrpc":"2.0","id":null,"error"'],
  [
    'a number for an id',
    '{"jsonrpc":"2.0","id":9007199254740991,"method":"ping"}',
    '"id":9007199254740991,',
  ],
] as const) {
  test(`who sends ${what} to a gateway that is not ready is told so too`, async () => {
    await using world = await openWorld({ ready: () => [unmet('pods')] })
    const reply = await (await world.agent()).post('/mcp', body)
    assert.equal(reply.status, 503)
    assert.ok(reply.text.includes(text), reply.text)
    assert.equal(whyOf(reply), 'not ready: pods')
  })
}

test('a body is bounded before anybody is ready', async () => {
  await using world = await openWorld({
    ready: () => [unmet('pods')],
    limits: { bodyBytesMax: 100 },
  })
  const reply = await (await world.agent()).post('/mcp', 'x'.repeat(201))
  assert.equal(reply.status, 413)
})

test('once everything was there, it is not asked for again', () => {
  let asked = 0
  let conditions = [unmet('pods')]
  const readiness = createReadiness(() => {
    asked += 1
    return conditions
  })
  assert.deepEqual(readiness(), conditions)
  conditions = [met('pods')]
  assert.deepEqual(readiness(), [])
  conditions = [unmet('pods')]
  assert.deepEqual(readiness(), [])
  assert.equal(asked, 2)
})
