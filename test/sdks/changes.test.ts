import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import {
  Client as NewClient,
  StreamableHTTPClientTransport as NewTransport,
} from '@modelcontextprotocol/client'
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import type { Era } from '../../src/mcp/message.ts'
import { openStage, type Stage } from '../conformance/stage.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'

/*
 * What changes at a server, told to clients of the official SDKs of either era, whichever of the eras the gateway speaks with the server: a
 * session that has subscribed, or a stream of changes, on both sides.
 */

const [mine, others] = ['notes://mine', 'notes://others']

interface Notes extends AsyncDisposable {
  readonly port: number
  /** Says that this has changed, to whoever has asked. */
  changed(uri: string): void
  toolsChanged(): void
}

/** A server of the SDK's second generation that serves both eras. */
async function openNotes(): Promise<Notes> {
  const create = (): McpServer => {
    const resources = { subscribe: true, listChanged: true }
    const capabilities = { tools: { listChanged: true }, resources }
    const server = new McpServer({ name: 'notes', version: '1.0.0' }, { capabilities })
    for (const uri of [mine, others]) {
      server.registerResource(uri, uri, {}, () => ({ contents: [{ uri, text: 'a note' }] }))
    }
    server.registerTool('echo', {}, () => ({ content: [{ type: 'text', text: 'hi' }] }))
    return server
  }
  const modern = createMcpHandler(create)
  const serveModern = toNodeHandler(modern)
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>()
  const subscribed: { readonly server: McpServer; readonly uris: Set<string> }[] = []
  async function begin(): Promise<NodeStreamableHTTPServerTransport> {
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
    })
    const server = create()
    const uris = new Set<string>()
    server.server.setRequestHandler('resources/subscribe', ({ params: { uri } }) => {
      uris.add(uri)
      return {}
    })
    server.server.setRequestHandler('resources/unsubscribe', ({ params: { uri } }) => {
      uris.delete(uri)
      return {}
    })
    subscribed.push({ server, uris })
    await server.connect(transport)
    return transport
  }
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers['mcp-method'] !== undefined) {
      return serveModern(request as Parameters<typeof serveModern>[0], response)
    }
    const transport = sessions.get(String(request.headers['mcp-session-id'])) ?? (await begin())
    return transport.handleRequest(request, response)
  }
  const http = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (http.address() as AddressInfo).port,
    changed(uri) {
      modern.notify.resourceUpdated(uri)
      for (const { server, uris } of subscribed) {
        if (uris.has(uri)) void server.server.sendResourceUpdated({ uri }).catch(() => undefined)
      }
    },
    toolsChanged() {
      modern.notify.toolsChanged()
      for (const { server } of subscribed) if (server.isConnected()) server.sendToolListChanged()
    },
    async [Symbol.asyncDispose]() {
      http.close()
      http.closeAllConnections()
      await once(http, 'close')
      await modern.close()
    },
  }
}

/** What a client was told: the URIs that have changed, and that tools have. */
type Told = string[]

/** Each listens as its SDK does, and gives how to end that. */
const clients: Readonly<
  Record<string, (url: URL, uri: string, told: Told) => Promise<() => Promise<void>>>
> = {
  async 'TypeScript SDK 1.32'(url, uri, told) {
    const client = new Client({ name: 'changes', version: '1.0.0' })
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
      told.push(params.uri)
    })
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      told.push('tools')
    })
    await client.connect(new StreamableHTTPClientTransport(url))
    await client.subscribeResource({ uri })
    return () => client.close()
  },
  async 'TypeScript SDK 2.4, auto'(url, uri, told) {
    const negotiating = { versionNegotiation: { mode: 'auto' as const } }
    const client = new NewClient({ name: 'changes', version: '1.0.0' }, negotiating)
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
      told.push(params.uri)
    })
    client.setNotificationHandler('notifications/tools/list_changed', () => {
      told.push('tools')
    })
    await client.connect(new NewTransport(url))
    assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28')
    const asked = { resourceSubscriptions: [uri], toolsListChanged: true }
    const { honoredFilter } = await client.listen(asked)
    assert.deepEqual(honoredFilter, asked)
    return () => client.close()
  },
}

const opened = new AsyncDisposableStack()
let notes: Notes
const stages: Partial<Record<Era, Stage>> = {}

before(async () => {
  notes = opened.use(await openNotes())
  for (const era of ['modern', 'legacy'] as const) {
    stages[era] = opened.use(await openStage({ notes: { port: notes.port, eras: [era] } }))
  }
})

after(() => opened.disposeAsync())

for (const [name, listen] of Object.entries(clients)) {
  for (const era of ['modern', 'legacy'] as const) {
    for (const [door, before] of [
      ['/mcp/notes', ''],
      ['/mcp', 'notes+'],
    ] as const) {
      test(`${name} hears at ${door} of what it has asked for at a ${era} server, and of nothing else`, async () => {
        requirement('gateway.changes-decided')
        const told: Told = []
        const url = new URL(stages[era]?.url(door) ?? '')
        const close = await listen(url, `${before}${mine}`, told)
        await eventually('the resource', () => {
          notes.changed(others)
          notes.changed(mine)
          return told.includes(`${before}${mine}`)
        })
        await eventually('the tools', () => {
          notes.toolsChanged()
          return told.includes('tools')
        })
        assert.deepEqual([...new Set(told)].toSorted(), [`${before}${mine}`, 'tools'].toSorted())
        await close()
      })
    }
  }
}
