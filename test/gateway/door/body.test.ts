import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { readBody } from '../../../src/gateway/door/body.ts'
import { Stay } from '../../../src/gateway/stay.ts'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import { requirement } from '../../requirements.ts'
import { memoryDuring, oneByOne } from '../../support/one-by-one.ts'
import { eventually } from '../../support/eventually.ts'
import { modern, whyOf } from '../world/client.ts'
import { answerBoth } from '../world/upstream.ts'
import { openWorld } from '../world/world.ts'

const mebibyte = 1024 * 1024

/** A call whose body has about so many octets. */
const callOf = (octets: number, id = 1): ReturnType<typeof modern> =>
  modern('tools/call', { name: 'echo', arguments: { text: 'x'.repeat(octets) } }, id)

test('a call of four mebibytes passes, and policy is asked about all of it', async () => {
  await using world = await openWorld()
  const { body, headers } = callOf(defaultLimits.bodyBytesMax - 1024)
  const reply = await (await world.agent()).post('/mcp/files', body, headers)
  assert.equal(reply.status, 200)
  assert.ok(reply.json.result, reply.text.slice(0, 200))
  const sent = world.upstreams['files']?.received.find(
    ({ headers: sentHeaders }) => Number(sentHeaders['content-length']) > 4_000_000,
  )
  assert.ok(sent)
})

test('who sends somewhat too much is told so with its id, and keeps the connection', async () => {
  await using world = await openWorld({ limits: { bodyBytesMax: mebibyte } })
  const agent = await world.agent()
  const large = callOf(mebibyte, 42)
  const refused = await agent.post('/mcp/files', large.body, large.headers)
  assert.deepEqual([refused.status, refused.json.id], [413, 42])
  assert.notEqual(refused.headers['connection'], 'close')
  const small = callOf(10)
  assert.equal((await agent.post('/mcp/files', small.body, small.headers)).status, 200)
})

test('bodies that are held up take their identity’s share of the memory, and leave the others theirs', async () => {
  requirement('gateway.bodies-bounded')
  const held: (() => void)[] = []
  await using world = await openWorld({
    limits: { bodyBytesMax: mebibyte, bodiesBytesMax: 4 * mebibyte },
    answers: {
      files: (message, response, request) => {
        const answer = (): void => answerBoth()(message, response, request)
        if (message.method === 'tools/call' && message.id !== 99) held.push(answer)
        else answer()
      },
    },
  })
  const large = callOf(mebibyte - 2048)
  const agent = { podUid: crypto.randomUUID(), serviceAccount: 'greedy' }
  // 28 of 128: not one more when it holds a mebibyte of four.
  const first = (await world.agent(agent)).post('/mcp/files', large.body, large.headers)
  await eventually('one is held', () => held.length === 1)
  const refused = await (await world.agent(agent)).post('/mcp/files', large.body, large.headers)
  assert.equal(refused.status, 429)
  assert.equal(whyOf(refused), 'too many octets of open requests of one identity')
  assert.equal(refused.headers['retry-after'], '1')
  const other = callOf(mebibyte - 2048, 99)
  const served = await (
    await world.agent({ serviceAccount: 'modest' })
  ).post('/mcp/files', other.body, other.headers)
  assert.equal(served.status, 200)
  for (const answer of held.splice(0)) answer()
  assert.equal((await first).status, 200)
  const again = (await world.agent(agent)).post('/mcp/files', other.body, other.headers)
  assert.equal((await again).status, 200)
})

test('a body in chunks of one octet takes the memory of its octets, and its share is charged for all of it', async () => {
  requirement('gateway.bodies-bounded')
  const request = Object.assign(new EventEmitter(), { headers: {} }) as unknown as IncomingMessage
  const response = new EventEmitter() as ServerResponse
  let taken = 0
  const room = {
    take: (octets: number): undefined => void (taken += octets),
    give: (octets: number): void => void (taken -= octets),
  }
  const stay = new Stay(response)
  const reading = readBody({ request, response }, { bytesMax: 4 * mebibyte, room, stay })
  const mebibytes = await memoryDuring(() => {
    for (const piece of oneByOne(1.5 * mebibyte)) request.emit('data', piece)
  })
  request.emit('end')
  const body = await reading
  assert.ok(Buffer.isBuffer(body))
  assert.equal(body.length, 1.5 * mebibyte)
  assert.equal(body.buffer.byteLength, taken)
  assert.ok(mebibytes < 100, `got=${mebibytes}`)
  response.emit('close')
  assert.equal(body.buffer.byteLength, taken)
  stay.served()
  assert.equal(taken, 0)
})
