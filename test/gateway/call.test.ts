import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modern } from './world/client.ts'
import { openWorld } from './world/world.ts'

test('a modern tools/call passes the whole table and comes back', async () => {
  await using world = await openWorld()
  const agent = await world.agent()
  const { body, headers } = modern('tools/call', { name: 'echo', arguments: { a: 1 } })
  const reply = await agent.post('/mcp/files', body, headers)
  assert.equal(reply.status, 200)
  assert.deepEqual(reply.json.result, {
    resultType: 'complete',
    content: [{ type: 'text', text: '{"a":1}' }],
  })
})
