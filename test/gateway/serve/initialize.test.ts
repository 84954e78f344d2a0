import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { initializeParams, legacy, modern } from '../world/client.ts'
import { openWorld } from '../world/world.ts'

const asked = ['2024-11-05', '2025-03-26', '2026-07-28', 'latest', '2099-01-01']

suite('a client that asks for a version that is not served', () => {
  for (const version of asked) {
    for (const path of ['/mcp', '/mcp/files']) {
      test(`is offered the newest legacy one: ${version} at ${path}`, async () => {
        await using world = await openWorld()
        const agent = await world.agent()
        const { body, headers } = legacy('initialize', initializeParams)
        const other = body.replace('2025-11-25', version)
        const reply = await agent.post(path, other, headers)
        assert.equal(reply.status, 200, reply.text)
        assert.equal(reply.json.result?.['protocolVersion'], '2025-11-25')
        // Upstreams are asked for what is served, in octets that are otherwise the client's.
        const [first] = world.upstreams['files']?.received ?? []
        assert.equal(first?.body, body)
        const session = String(reply.headers['mcp-session-id'])
        const ping = legacy('ping', undefined, { session })
        assert.equal((await agent.post(path, ping.body, ping.headers)).status, 200)
      })
    }
  }
})

test('a version that is served is asked for in the octets of the client', async () => {
  await using world = await openWorld()
  const agent = await world.agent()
  const { body, headers } = legacy('initialize', initializeParams)
  const spaced = body.replace('"2025-11-25"', ' "2025-06-\\u00318" ')
  const reply = await agent.post('/mcp/files', spaced, headers)
  assert.equal(reply.status, 200, reply.text)
  assert.equal(world.upstreams['files']?.received[0]?.body, spaced)
})

suite('a door serves every version, whatever the servers behind it speak', () => {
  for (const eras of [['modern', 'legacy'], ['modern'], ['legacy']] as const) {
    for (const path of ['/mcp', '/mcp/files']) {
      test(`of ${eras.join(' and ')} at ${path}`, async () => {
        await using world = await openWorld({
          upstreams: (configs) => configs.map((config) => ({ ...config, eras })),
        })
        const agent = await world.agent()
        const { body, headers } = modern('tools/list')
        const strange = await agent.post(path, body.replaceAll('2026-07-28', '2099-01-01'), {
          ...headers,
          'mcp-protocol-version': '2099-01-01',
        })
        assert.deepEqual([strange.status, strange.json.error?.code], [400, -32022])
        const data = { supported: ['2026-07-28'], requested: '2099-01-01' }
        assert.partialDeepStrictEqual(strange.json.error?.data, data)
        const asked = legacy('initialize', { ...initializeParams, protocolVersion: '2026-07-28' })
        const opened = await agent.post(path, asked.body, asked.headers)
        assert.equal(opened.json.result?.['protocolVersion'], '2025-11-25', opened.text)
        const discovery = modern('server/discover')
        const discovered = await agent.post(path, discovery.body, discovery.headers)
        const supportedVersions = ['2026-07-28', '2025-11-25', '2025-06-18']
        assert.deepEqual(discovered.json.result?.['supportedVersions'], supportedVersions)
      })
    }
  }
})
