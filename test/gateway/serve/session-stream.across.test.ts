import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { initializeParams, legacy, type Reply, type TestClient } from '../world/client.ts'
import { grantsOfOpen, openOne } from '../world/eras.ts'
import { listening, type Heard } from '../world/listening.ts'
import { openStream, type OpenStream } from '../world/session.ts'
import { sendJson, type Answer } from '../world/upstream.ts'
import type { World, WorldOptions } from '../world/world.ts'

/*
 * A legacy agent hears of what changes at a modern server: on the stream of its session, of lists and of what it has subscribed to.
 */

const wanted = { toolScopes: 'files:*' }
const toolsChanged = 'notifications/tools/list_changed'
const updated = 'notifications/resources/updated'

interface Open extends AsyncDisposable {
  readonly world: World
  readonly agent: TestClient
  /** What is listened for at the server. */
  readonly heard: Heard[]
  readonly opened: Reply
  readonly session: string
  ask(method: string, uri: string): Promise<Reply>
  listen(from?: TestClient, session?: string): Promise<OpenStream>
  here(uri: string): string
}

async function open(
  path: '/mcp' | '/mcp/files' = '/mcp/files',
  more: WorldOptions & { readonly take?: (filter: Heard['filter']) => object } = {},
): Promise<Open> {
  const { take, ...options } = more
  const { answer: listens, heard } = listening(take)
  const answer: Answer = (message, response, request) => {
    if (message.method !== 'server/discover') {
      listens(message, response, request)
      return
    }
    const result = {
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true },
        prompts: { listChanged: false },
      },
      ttlMs: 0,
      cacheScope: 'public',
    }
    sendJson(response, JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))
  }
  const world = await openOne('modern', answer, { grants: grantsOfOpen, ...options })
  const pod = { ...wanted, podUid: 'pod' }
  const [agent, other] = [await world.agent(pod), await world.agent(pod)]
  const { body, headers } = legacy('initialize', initializeParams)
  const opened = await other.post(path, body, headers)
  const session = String(opened.headers['mcp-session-id'])
  return {
    world,
    agent,
    heard,
    opened,
    session,
    ask(method, uri) {
      const asked = legacy(method, { uri }, { session })
      return other.post(path, asked.body, asked.headers)
    },
    listen: (from = agent, own = session) =>
      openStream(from, {
        method: 'GET',
        path,
        headers: { 'mcp-session-id': own, 'mcp-protocol-version': '2025-11-25' },
      }),
    here: (uri) => (path === '/mcp' ? `files+${uri}` : uri),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

for (const path of ['/mcp', '/mcp/files'] as const) {
  test(`what changes at a modern server is told on the stream of a legacy session, at ${path}`, async () => {
    requirement('gateway.changes-decided')
    await using at = await open(path)
    const stream = await at.listen()
    await eventually('it listens', () => at.heard.length === 1)
    assert.deepEqual(at.heard[0]?.filter, {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
    })
    at.heard[0]?.tell(toolsChanged)
    assert.deepEqual(await stream.message(1), { jsonrpc: '2.0', method: toolsChanged })
    assert.deepEqual(
      (await at.ask('resources/subscribe', at.here('test://open/a'))).json.result,
      {},
    )
    assert.equal(
      (await at.ask('resources/subscribe', at.here('test://shut/a'))).json.error?.code,
      -31403,
    )
    await eventually('it listens anew', () => at.heard.length === 2)
    assert.deepEqual(at.heard[1]?.filter['resourceSubscriptions'], ['test://open/a'])
    at.heard[1]?.tell(updated, { uri: 'test://open/b' })
    at.heard[1]?.tell(updated, { uri: 'test://open/a', secret: 1 })
    assert.deepEqual(await stream.message(2), {
      jsonrpc: '2.0',
      method: updated,
      params: { uri: at.here('test://open/a') },
    })
    await eventually('the first is over', () => at.heard[0]?.response.destroyed === true)
    await at.ask('resources/unsubscribe', at.here('test://open/a'))
    await eventually('it listens again', () => at.heard.length === 3)
    assert.equal(at.heard[2]?.filter['resourceSubscriptions'], undefined)
    stream.close()
    await eventually('nothing is open there', () =>
      at.heard.every(({ response }) => response.destroyed),
    )
  })
}

test('what a modern server tells of is offered to a legacy agent, and no more where several workers serve', async () => {
  for (const workers of [1, 2]) {
    await using at = await open('/mcp/files', { workers })
    const { capabilities } = at.opened.json.result as { capabilities: object }
    assert.deepEqual(capabilities, {
      tools: { listChanged: true },
      prompts: {},
      resources: workers === 1 ? { subscribe: true } : {},
    })
    const reply = await at.ask('resources/subscribe', 'test://open/a')
    assert.equal(reply.json.error?.code, workers === 1 ? undefined : -32601)
  }
})

test('a session is told of what it has subscribed to, and of nothing that another has', async () => {
  requirement('gateway.changes-decided')
  await using at = await open()
  const other = await at.world.agent({ ...wanted, podUid: 'pod' })
  const { body, headers } = legacy('initialize', initializeParams)
  const own = String((await other.post('/mcp/files', body, headers)).headers['mcp-session-id'])
  const theirs = await at.listen(other, own)
  const stream = await at.listen()
  await at.ask('resources/subscribe', 'test://open/a')
  await eventually('it listens anew', () => at.heard.length === 2)
  at.heard[1]?.tell(updated, { uri: 'test://open/a' })
  await stream.message(1)
  at.heard[0]?.tell(toolsChanged)
  await theirs.message(1)
  assert.deepEqual(
    theirs.messages.map(({ method }) => method),
    [toolsChanged],
  )
})

test('a session subscribes to so much and no more', async () => {
  requirement('gateway.changes-bounded')
  await using at = await open()
  for (let number = 0; number < 256; number += 1) {
    const { json } = await at.ask('resources/subscribe', `test://open/${number}`)
    assert.equal(json.error, undefined)
  }
  const { json } = await at.ask('resources/subscribe', 'test://open/more')
  assert.match(json.error?.message ?? '', /subscriptions of one session/)
  assert.equal((await at.ask('resources/subscribe', 'test://open/1')).json.error, undefined)
})

test('the stream stays where a modern server tells of nothing yet', async () => {
  await using at = await open('/mcp/files', {
    take: ({ resourceSubscriptions: uris }) =>
      uris === undefined ? {} : { resourceSubscriptions: uris },
  })
  const stream = await at.listen()
  await eventually('it has listened', () => at.heard.length === 1)
  await at.ask('resources/subscribe', 'test://open/a')
  await eventually('it listens anew', () => at.heard.length === 2)
  assert.ok(!stream.isOver())
  at.heard[1]?.tell(updated, { uri: 'test://open/a' })
  await stream.message(1)
})
