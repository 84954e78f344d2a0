import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { Client as ModernClient, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer as LegacyServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { Agent, fetch } from 'undici'
import { z } from 'zod'
import type { GatewayOptions } from '../../src/gateway/gateway.ts'
import type { Credential } from '../../src/pki/credential.ts'
import { gatewayConnector } from './world/client.ts'
import type { Answer } from './world/upstream.ts'
import { openWorld, type World } from './world/world.ts'

/** A server of the SDK's second generation: it speaks both eras, the older one without sessions. */
function modernServer(name: string): Answer {
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name, version: '1.0.0' })
    server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, (input) => ({
      content: [{ type: 'text', text: `${name}: ${input.text}` }],
    }))
    server.registerTool('secret', { inputSchema: z.object({}) }, () => ({ content: [] }))
    return server
  })
  const node = toNodeHandler(handler)
  return (message, response, request) =>
    void node(request as Parameters<typeof node>[0], response, message)
}

/** A server of the first generation, with sessions. */
function legacyServer(name: string): Answer {
  const transports = new Map<string, StreamableHTTPServerTransport>()
  return (message, response, request) => {
    const answer = async (): Promise<void> => {
      const id = String(request.headers['mcp-session-id'] ?? '')
      const known = transports.get(id)
      if (known !== undefined) return known.handleRequest(request, response, message)
      if (message.method !== 'initialize') {
        response.writeHead(404).end()
        return
      }
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (opened) => void transports.set(opened, transport),
      })
      const server = new LegacyServer({ name, version: '0.9.0' })
      server.registerTool('echo', { inputSchema: { text: z.string() } }, (input) => ({
        content: [{ type: 'text', text: `${name}: ${input.text}` }],
      }))
      await server.connect(transport)
      await transport.handleRequest(request, response, message)
    }
    void answer()
  }
}

function openSdkWorld(): Promise<World> {
  const eras: Record<string, GatewayOptions['upstreams'][number]['eras']> = {
    files: ['modern', 'legacy'],
    web: ['modern'],
    old: ['legacy'],
  }
  return openWorld({
    answers: { files: modernServer('files'), web: modernServer('web'), old: legacyServer('old') },
    upstreams: (configs) => configs.map((each) => ({ ...each, eras: eras[each.server] ?? [] })),
    grants: {
      tenants: {
        acme: Object.fromEntries(
          ['files', 'web', 'old'].map((each) => [each, { tools: { echo: {} }, prefixes: {} }]),
        ),
      },
      subjects: {},
    },
  })
}

function fetchFor(world: World, credential: Credential): typeof globalThis.fetch {
  const { bundle } = world.identities
  const dispatcher = new Agent({
    connect: gatewayConnector({ port: world.gateway.port, credential, bundle }),
  })
  return ((url: string, init: object) =>
    fetch(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch
}

const scopes = 'files:*,web:echo,old:*'

async function connectModern(world: World, path: string): Promise<ModernClient> {
  const credential = world.identities.issue({ toolScopes: scopes })
  const client = new ModernClient(
    { name: 'agent', version: '1.0.0' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  const url = new URL(`https://gateway.test${path}`)
  await client.connect(
    new StreamableHTTPClientTransport(url, { fetch: fetchFor(world, credential) }),
  )
  return client
}

async function connectLegacy(world: World, path: string): Promise<LegacyClient> {
  const credential = world.identities.issue({ toolScopes: scopes })
  const client = new LegacyClient({ name: 'agent', version: '1.0.0' })
  const url = new URL(`https://gateway.test${path}`)
  const transport = new LegacyClientTransport(url, { fetch: fetchFor(world, credential) })
  await client.connect(transport)
  return client
}

const doors = [
  { era: 'modern', path: '/mcp/files', lists: ['echo'], call: 'echo', says: 'files: hi' },
  { era: 'modern', path: '/mcp/web', lists: ['echo'], call: 'echo', says: 'web: hi' },
  {
    era: 'modern',
    path: '/mcp',
    lists: ['files_echo', 'web_echo', 'old_echo'],
    call: 'web_echo',
    says: 'web: hi',
  },
  { era: 'legacy', path: '/mcp/files', lists: ['echo'], call: 'echo', says: 'files: hi' },
  { era: 'legacy', path: '/mcp/old', lists: ['echo'], call: 'echo', says: 'old: hi' },
  {
    era: 'legacy',
    path: '/mcp',
    lists: ['files_echo', 'web_echo', 'old_echo'],
    call: 'old_echo',
    says: 'old: hi',
  },
  // Across eras.
  { era: 'modern', path: '/mcp/old', lists: ['echo'], call: 'echo', says: 'old: hi' },
  {
    era: 'modern',
    path: '/mcp',
    lists: ['files_echo', 'web_echo', 'old_echo'],
    call: 'old_echo',
    says: 'old: hi',
  },
  { era: 'legacy', path: '/mcp/web', lists: ['echo'], call: 'echo', says: 'web: hi' },
  {
    era: 'legacy',
    path: '/mcp',
    lists: ['files_echo', 'web_echo', 'old_echo'],
    call: 'web_echo',
    says: 'web: hi',
  },
] as const

for (const { era, path, lists, call, says } of doors) {
  test(`the SDK's ${era} client lists at ${path} and calls ${call} of ${says.split(':')[0]}`, async () => {
    await using world = await openSdkWorld()
    const client = await (era === 'modern' ? connectModern : connectLegacy)(world, path)
    try {
      const { tools } = await client.listTools()
      assert.deepEqual(
        tools.map((tool) => tool.name),
        lists,
      )
      const result = await client.callTool({ name: call, arguments: { text: 'hi' } })
      assert.deepEqual(result.content, [{ type: 'text', text: says }])
      await assert.rejects(
        Promise.resolve(client.callTool({ name: path === '/mcp' ? 'files_secret' : 'secret' })),
        (error: { code?: unknown; data?: { decisionId?: unknown } }) =>
          error.code === (path === '/mcp/old' ? -32602 : -31403),
      )
      await client.ping().catch((error: unknown) => {
        if (era === 'legacy') throw error
      })
    } finally {
      await client.close()
    }
  })
}

test('a client that negotiates speaks the newest revision at every door', async () => {
  await using world = await openSdkWorld()
  for (const [path, version] of [
    ['/mcp/old', '2026-07-28'],
    ['/mcp/web', '2026-07-28'],
    ['/mcp', '2026-07-28'],
  ] as const) {
    const credential = world.identities.issue({ toolScopes: scopes })
    const client = new ModernClient(
      { name: 'agent', version: '1.0.0' },
      { versionNegotiation: { mode: 'auto' } },
    )
    const url = new URL(`https://gateway.test${path}`)
    const transport = new StreamableHTTPClientTransport(url, { fetch: fetchFor(world, credential) })
    await client.connect(transport)
    assert.equal(client.getNegotiatedProtocolVersion(), version, path)
    const { tools } = await client.listTools()
    assert.ok(tools.some((tool) => tool.name.endsWith('echo')))
    await client.close()
  }
})
