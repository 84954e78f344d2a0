import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestDefinition } from '../../support/digest-definition.ts'
import type { UpstreamConfig } from '../../../src/gateway/upstream/upstream.ts'
import { parseServerScopes } from '../../../src/identity/ceiling.ts'
import { requirement } from '../../requirements.ts'
import { modern, whyOf } from '../world/client.ts'
import { toolTexts } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

const everything = { tenants: {}, subjects: {} }
const toEverybody = { acme: { files: { tools: {}, prefixes: { '': {} } } } }

/** Certificate and grants allow every tool of `files`; its own scopes are these. */
function openScoped(scopes: readonly string[], more: Partial<UpstreamConfig> = {}): Promise<World> {
  return openWorld({
    grants: { ...everything, tenants: toEverybody },
    upstreams: (configs) =>
      configs.map((each) =>
        each.server === 'files'
          ? { ...each, ...more, scopes: parseServerScopes('files', scopes) }
          : each,
      ),
  })
}

const listed = (text: string): readonly string[] =>
  [...text.matchAll(/"name":"(?:files_)?(\w+)"/g)].map(([, name]) => name ?? '')

test('a tool outside the scopes of its server is not listed, at either door', async () => {
  requirement('gateway.scopes-of-a-server')
  await using world = await openScoped(['ec*', 'big'])
  const agent = await world.agent({ toolScopes: 'files:*' })
  const { body, headers } = modern('tools/list')
  for (const door of ['/mcp/files', '/mcp']) {
    const reply = await agent.post(door, body, headers)
    assert.deepEqual(listed(reply.text), ['echo', 'big'], door)
  }
})

test('a tool outside the scopes of its server is refused, and the server hears nothing of it', async () => {
  requirement('gateway.scopes-of-a-server')
  const pins = Object.fromEntries(
    toolTexts.map((text) => [(JSON.parse(text) as { name: string }).name, digestDefinition(text)]),
  )
  await using world = await openScoped(['echo'], { pins })
  const agent = await world.agent({ toolScopes: 'files:*' })
  for (const [door, name] of [
    ['/mcp/files', 'delete'],
    ['/mcp', 'files_delete'],
    ['/mcp/files', 'echo2'],
  ] as const) {
    const { body, headers } = modern('tools/call', { name, arguments: {} })
    const reply = await agent.post(door, body, headers)
    assert.equal(reply.json.error?.code, -31403)
    assert.equal(whyOf(reply), 'denied by policy: no scope of the tool server has this tool')
    const result = world.events.at(-1)?.evaluated.result as { reasons?: { code: string }[] }
    assert.equal(result.reasons?.[0]?.code, 'outside-server-scopes')
  }
  assert.deepEqual(world.upstreams['files']?.received, [])
  const { body, headers } = modern('tools/call', { name: 'echo', arguments: {} })
  assert.equal((await agent.post('/mcp/files', body, headers)).status, 200)
})
