import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { ElicitResultSchema, UrlElicitationRequiredError } from '@modelcontextprotocol/sdk/types.js'
import { Agent, fetch } from 'undici'
import { requirement } from '../../requirements.ts'
import { gatewayConnector } from '../world/client.ts'
import { openOne } from '../world/eras.ts'
import type { Answer, Stream } from '../world/upstream.ts'

/*
 * A client of the SDK's second generation, and a server of its first, which asks on the stream of the call or on that of its session.
 */

const form = {
  message: 'how many?',
  requestedSchema: { type: 'object' as const, properties: { n: { type: 'number' as const } } },
}

const pageUrl = 'https://login.example/x'

function serverOf(): { readonly answer: Answer; readonly stream: Stream } {
  const transports = new Map<string, StreamableHTTPServerTransport>()
  async function open(): Promise<StreamableHTTPServerTransport> {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (opened) => void transports.set(opened, transport),
    })
    const server = new McpServer({ name: 'old', version: '0.9.0' })
    server.registerTool('session', {}, async () => {
      const { content } = await server.server.elicitInput(form)
      return { content: [{ type: 'text', text: `on the session: ${String(content?.['n'])}` }] }
    })
    server.registerTool('call', {}, async (extra) => {
      const asked = { method: 'elicitation/create' as const, params: form }
      const { content } = await extra.sendRequest(asked, ElicitResultSchema)
      return { content: [{ type: 'text', text: `on the call: ${String(content?.['n'])}` }] }
    })
    let isOpened = false
    server.registerTool('pages', {}, () => {
      if (isOpened) return { content: [{ type: 'text', text: 'after the page' }] }
      isOpened = true
      const asked = { mode: 'url' as const, elicitationId: 'e', message: 'log in', url: pageUrl }
      throw new UrlElicitationRequiredError([asked])
    })
    await server.connect(transport)
    return transport
  }
  return {
    answer(message, response, request) {
      const known = transports.get(String(request.headers['mcp-session-id'] ?? ''))
      if (known === undefined && message.method !== 'initialize') {
        response.writeHead(404).end()
        return
      }
      void (known === undefined ? open() : Promise.resolve(known)).then((transport) =>
        transport.handleRequest(request, response, message),
      )
    },
    stream(response, request) {
      const known = transports.get(String(request.headers['mcp-session-id'] ?? ''))
      if (known === undefined) response.writeHead(404).end()
      else void known.handleRequest(request, response)
    },
  }
}

test('what a server of the SDK’s first generation asks, a client of its second answers', async () => {
  requirement('gateway.asks-across')
  const { answer, stream } = serverOf()
  const asks = { elicitation: { form: true, urlHosts: ['login.example'] } }
  await using world = await openOne('legacy', answer, {
    streams: { files: stream },
    grants: { tenants: { acme: { files: { prefixes: { '': {} }, asks } } }, subjects: {} },
  })
  const { bundle } = world.identities
  const credential = world.identities.issue({ toolScopes: 'files:*' })
  const dispatcher = new Agent({
    connect: gatewayConnector({ port: world.gateway.port, credential, bundle }),
  })
  const fetched = ((url: string, init: object) =>
    fetch(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch
  const client = new Client(
    { name: 'agent', version: '1.0.0' },
    {
      capabilities: { elicitation: { form: {}, url: {} } },
      versionNegotiation: { mode: { pin: '2026-07-28' } },
    },
  )
  const pages: string[] = []
  client.setRequestHandler('elicitation/create', ({ params }) => {
    if (params.mode !== 'url') return { action: 'accept', content: { n: 3 } }
    pages.push(params.url)
    return { action: 'accept' }
  })
  const url = new URL('https://gateway.test/mcp/files')
  await client.connect(new StreamableHTTPClientTransport(url, { fetch: fetched }))
  for (const name of ['call', 'session', 'call']) {
    const { content } = await client.callTool({ name, arguments: {} })
    assert.deepEqual(content, [{ type: 'text', text: `on the ${name}: 3` }])
  }
  requirement('gateway.pages-across')
  const { content } = await client.callTool({ name: 'pages', arguments: {} })
  assert.deepEqual([content, pages], [[{ type: 'text', text: 'after the page' }], [pageUrl]])
  await client.close()
  await dispatcher.destroy()
})
