import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { initializeParams, legacy, whyOf, type Reply, type TestClient } from '../world/client.ts'
import { answerBoth, sendJson, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

/** A server that logs. */
function logging(name: string): Answer {
  const tools = answerBoth({ name })
  return (message, response, request) => {
    if (message.method !== 'logging/setLevel') tools(message, response, request)
    else sendJson(response, `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":{}}`)
  }
}

async function setLevel(agent: TestClient, door: string, level: unknown): Promise<Reply> {
  const opening = legacy('initialize', initializeParams)
  const opened = await agent.post(door, opening.body, opening.headers)
  const session = String(opened.headers['mcp-session-id'])
  const { body, headers } = legacy('logging/setLevel', { level }, { session })
  return agent.post(door, body, headers)
}

function levelsOf(world: World, server: string): readonly unknown[] {
  const { received = [] } = world.upstreams[server] ?? {}
  return received
    .filter(({ body }) => body.includes('logging/setLevel'))
    .map(({ body, headers }) => {
      const { params } = JSON.parse(body) as { readonly params: { readonly level: string } }
      return [params.level, headers['mcp-session-id']]
    })
}

test('a level of logging is set in the session of its server', async () => {
  await using world = await openWorld({ answers: { files: logging('files'), web: logging('web') } })
  const reply = await setLevel(await world.agent(), '/mcp/files', 'debug')
  assert.deepEqual(reply.json.result, {})
  assert.deepEqual(levelsOf(world, 'files'), [['debug', 'session-of-files']])
})

test('at the door of all it is set in each session, and who logs nothing fails nobody', async () => {
  const answers = { files: logging('files'), web: answerBoth({ name: 'web' }) }
  await using world = await openWorld({ answers })
  const reply = await setLevel(await world.agent(), '/mcp', 'error')
  assert.deepEqual(reply.json.result, {})
  assert.deepEqual(levelsOf(world, 'files'), [['error', 'session-of-files']])
  assert.deepEqual(levelsOf(world, 'web'), [['error', 'session-of-web']])
})

for (const level of ['loud', 'Debug', '', null, 3, undefined]) {
  for (const door of ['/mcp', '/mcp/files']) {
    test(`a level that is none is told to nobody: ${String(level)} at ${door}`, async () => {
      await using world = await openWorld()
      const reply = await setLevel(await world.agent(), door, level)
      assert.equal(reply.json.error?.code, -32602)
      assert.match(whyOf(reply) ?? '', /^params.level is no level, want=debug\|info\|/)
      assert.deepEqual(levelsOf(world, 'files'), [])
    })
  }
}

for (const door of ['/mcp', '/mcp/files']) {
  test(`a server that gave no session of its own is told no level, at ${door}: it would be that of all callers`, async () => {
    requirement('gateway.level-of-its-session')
    const tools = logging('files')
    const answer: Answer = (message, response, request) => {
      if (message.method !== 'initialize') return tools(message, response, request)
      const result =
        '{"protocolVersion":"2025-11-25","capabilities":{"logging":{}},"serverInfo":{}}'
      sendJson(response, `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${result}}`)
    }
    await using world = await openWorld({ answers: { files: answer } })
    const agent = await world.agent({ toolScopes: 'files:*' })
    const reply = await setLevel(agent, door, 'emergency')
    assert.deepEqual(reply.json.result, {})
    assert.deepEqual(levelsOf(world, 'files'), [])
  })
}
