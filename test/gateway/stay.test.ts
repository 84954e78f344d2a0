import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentMetrics } from '../../src/metrics.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { modern } from './world/client.ts'
import { sendJson, type Answer } from './world/upstream.ts'
import { openWorld, type World } from './world/world.ts'

const tool = { name: 'echo', description: 'a'.repeat(1000), inputSchema: { type: 'object' } }
const tools = Array.from({ length: 200 }, (_, at) => ({ ...tool, name: `echo${at}` }))

/** Nothing is decided any more from now on, until that is ended. */
function blockDecisions({ decisionLog }: World): () => void {
  const waiting = Promise.withResolvers<boolean>()
  decisionLog.available = false
  decisionLog.whenAvailable = () => waiting.promise
  return () => {
    decisionLog.available = true
    waiting.resolve(true)
  }
}

test('what a request takes is its caller’s for as long as something is done for it, also where the caller has gone', async () => {
  requirement('gateway.gone-callers-charged')
  requirement('gateway.gone-callers-not-spoken-for')
  const gauges = new Map<string, number>()
  let unblock: (() => void) | undefined
  const listing: Answer = (message, response) => {
    unblock = blockDecisions(world)
    const result = { resultType: 'complete', tools }
    sendJson(response, JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))
  }
  await using world = await openWorld({
    answers: { files: listing },
    metrics: { ...silentMetrics, set: (name, value) => void gauges.set(name, value) },
  })
  const taken = (): Readonly<Record<string, number | undefined>> => {
    world.gateway.measure()
    const of = (what: string): number | undefined => gauges.get(`countersign_gateway_${what}`)
    return {
      connections: of('connections'),
      requests: of('open_requests'),
      body: of('body_octets'),
      answer: of('unsent_octets'),
    }
  }
  const agent = await world.agent({ toolScopes: 'files:*' })
  const list = modern('tools/list')
  const reply = agent.post('/mcp/files', list.body, list.headers).catch(() => {})
  await eventually('its answer has come', () => (taken()['answer'] ?? 0) > 200_000)
  const before = taken()
  await agent.client.destroy()
  await reply
  await eventually('it has gone', () => taken()['connections'] === 0)
  assert.deepEqual(taken(), { ...before, connections: 0 })
  const decided = world.events.length
  unblock?.()
  await eventually('all is given back', () => taken()['requests'] === 0)
  assert.deepEqual(taken(), { connections: 0, requests: 0, body: 0, answer: 0 })
  // Nor is policy asked about a list that nobody reads.
  assert.equal(world.events.length, decided)
})
