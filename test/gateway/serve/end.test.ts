import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { initializeParams, legacy, type Reply, type TestClient } from '../world/client.ts'
import { openWorld, type World } from '../world/world.ts'

const opening = legacy('initialize', initializeParams)

async function openAt(door: string, agent: TestClient): Promise<string> {
  const reply = await agent.post(door, opening.body, opening.headers)
  return String(reply.headers['mcp-session-id'])
}

function endIt(
  agent: TestClient,
  path: string,
  session: string,
  more: Record<string, string> = {},
): Promise<Reply> {
  return agent.send({ method: 'DELETE', path, headers: { 'mcp-session-id': session, ...more } })
}

function endedAt(world: World, server: string): readonly unknown[] {
  return (world.upstreams[server]?.received ?? [])
    .filter(({ method }) => method === 'DELETE')
    .map(({ headers }) => headers['mcp-session-id'])
}

for (const [door, servers] of [
  ['/mcp', ['files', 'web']],
  ['/mcp/files', ['files']],
] as const) {
  test(`a client that ends its session at ${door} ends those of the upstreams`, async () => {
    requirement('gateway.session-ended')
    await using world = await openWorld()
    const agent = await world.agent()
    const session = await openAt(door, agent)
    const reply = await endIt(agent, door, session, { 'mcp-protocol-version': '2025-11-25' })
    assert.equal(reply.status, 204)
    assert.equal(reply.text, '')
    for (const server of ['files', 'web']) {
      const ended = (servers as readonly string[]).includes(server) ? [`session-of-${server}`] : []
      await eventually(`${server} is told`, () => endedAt(world, server).length === ended.length)
      assert.deepEqual(endedAt(world, server), ended)
    }
    const list = legacy('tools/list', undefined, { session })
    assert.equal((await agent.post(door, list.body, list.headers)).status, 404)
    assert.equal((await endIt(agent, door, session)).status, 404)
  })
}

for (const [what, path, headers, status] of [
  ['that was never sealed', '/mcp', { 'mcp-session-id': 'made-up' }, 404],
  ['at another door', '/mcp/files', {}, 400],
  ['of another version', '/mcp', { 'mcp-protocol-version': '2025-06-18' }, 400],
] as const) {
  test(`nobody ends a session ${what}`, async () => {
    await using world = await openWorld()
    const agent = await world.agent()
    const session = await openAt('/mcp', agent)
    const reply = await endIt(agent, path, session, headers)
    assert.equal(reply.status, status, reply.text)
    const list = legacy('tools/list', undefined, { session })
    assert.equal((await agent.post('/mcp', list.body, list.headers)).status, 200)
    assert.deepEqual(endedAt(world, 'files'), [])
  })
}

test('nobody ends the session of another identity, or without being let in', async () => {
  requirement('gateway.session-ended')
  await using world = await openWorld()
  const agent = await world.agent()
  const session = await openAt('/mcp', agent)
  const other = await world.agent({ serviceAccount: 'other' })
  assert.equal((await endIt(other, '/mcp', session)).status, 403)
  const stranger = await endIt(await world.agent(), '/mcp', session, { host: 'elsewhere.test' })
  assert.equal(stranger.status, 403)
  assert.deepEqual(endedAt(world, 'files'), [])
})

test('when a pod is no more, the sessions that are held for it are ended', async () => {
  requirement('gateway.session-ended')
  await using world = await openWorld()
  const agent = await world.agent({ podUid: 'gone-soon' })
  await openAt('/mcp', agent)
  world.gone.set(new Set(['gone-soon']))
  await eventually('the upstreams are told', () =>
    ['files', 'web'].every((server) => endedAt(world, server).length === 1),
  )
})
