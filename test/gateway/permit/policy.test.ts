import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { textOf } from '../../../src/policy/asked.ts'
import { requirement } from '../../requirements.ts'
import { modern } from '../world/client.ts'
import { answerBoth, type Answer } from '../world/upstream.ts'
import { openWorld } from '../world/world.ts'

const echo = modern('tools/call', { name: 'echo', arguments: { a: 1 } })

test('policy, decision log, token and tool server have the very octets of the arguments', async () => {
  requirement('policy.octets-decided')
  await using world = await openWorld()
  const agent = await world.agent()
  const written = '{ "at":1722470400000000001,\r\n  "share" : 1.50, "text":"\\u0061\\/é" }'
  const body = echo.body.replace('{"a":1}', written)
  const reply = await agent.post('/mcp/files', body, echo.headers)
  assert.equal(reply.status, 200)
  const [called] = world.upstreams['files']?.received.filter((each) => each.body === body) ?? []
  const [event] = world.events
  assert.ok(called && event)
  const digest = createHash('sha256').update(written)
  const hex = digest.copy().digest('hex')
  assert.ok(
    textOf(event.evaluated.asked).includes(`"arguments":${written},"argumentsSha256":"${hex}"`),
  )
  const claims = Buffer.from(String(called.headers['txn-token']).split('.')[1] ?? '', 'base64url')
  const { tctx } = JSON.parse(claims.toString()) as { tctx: { argumentsSha256: string } }
  assert.equal(tctx.argumentsSha256, digest.digest('base64url'))
})

test('a call of a number that parsers read in two ways is refused where policy allows one of them', async () => {
  requirement('policy.octets-decided')
  const conditions = { arguments: { what: [5, 0.1] } }
  const grants = { tenants: { acme: { files: { tools: { delete: conditions } } } }, subjects: {} }
  await using world = await openWorld({ grants })
  const agent = await world.agent()
  const { body, headers } = modern('tools/call', { name: 'delete', arguments: { what: 5 } })
  for (const [written, served] of [
    ['5', true],
    ['0.1', true],
    ['0.10', true],
    ['5.0000000000000000001', false],
    ['0.10000000000000000001', false],
  ] as const) {
    const asked = body.replace('"what":5', `"what":${written}`)
    const reply = await agent.post('/mcp/files', asked, headers)
    assert.equal(reply.json.error === undefined, served, written)
  }
})

test('a call waits for room in the decision log, and is decided when there is', async () => {
  requirement('policy.log-never-silent')
  await using world = await openWorld()
  const agent = await world.agent()
  world.decisionLog.available = false
  let admit = (_there: boolean): void => {}
  const asked = new Promise<void>((resolve) => {
    world.decisionLog.whenAvailable = () => {
      resolve()
      return new Promise((there) => (admit = there))
    }
  })
  const reply = agent.post('/mcp/files', echo.body, echo.headers)
  await asked
  assert.equal(world.events.length, 0)
  world.decisionLog.available = true
  admit(true)
  assert.equal((await reply).status, 200)
  assert.equal(world.events.length, 1)
})

test('a call that has waited looks once more, and is refused where somebody else was faster', async () => {
  requirement('policy.log-never-silent')
  await using world = await openWorld()
  const agent = await world.agent()
  world.decisionLog.available = false
  const told = [true, true, false]
  world.decisionLog.whenAvailable = () => Promise.resolve(told.shift() ?? false)
  assert.equal((await agent.post('/mcp/files', echo.body, echo.headers)).status, 503)
  assert.deepEqual(told, [])
  assert.equal(world.events.length, 0)
})

test('a list waits for room in the decision log, too', async () => {
  requirement('policy.log-never-silent')
  const well = answerBoth()
  let full = (): void => {}
  const files: Answer = (message, response, request) => {
    if (message.method === 'tools/list') full()
    well(message, response, request)
  }
  await using world = await openWorld({ answers: { files } })
  const agent = await world.agent()
  full = () => {
    world.decisionLog.available = false
  }
  let admit = (_there: boolean): void => {}
  const asked = new Promise<void>((resolve) => {
    world.decisionLog.whenAvailable = () => {
      resolve()
      return new Promise((there) => (admit = there))
    }
  })
  const { body, headers } = modern('tools/list')
  const reply = agent.post('/mcp/files', body, headers)
  await asked
  const before = world.events.length
  world.decisionLog.available = true
  admit(true)
  assert.equal((await reply).status, 200)
  assert.equal(world.events.length, before + 1)
})
