/**
 * The front of somebody's own MCP server: asks for client certificates as every tool server does, and hands on what was
 * verified. Whichever revision of MCP the server speaks, the front speaks all of them, with tools and nothing else.
 */
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, Server } from '@modelcontextprotocol/server'
import type { Client } from '@modelcontextprotocol/client'
import { serve } from './serve.ts'
import { setting } from './environment.ts'
import { connectUpstream, type Upstream } from './upstream.ts'

const upstream = JSON.parse(setting('UPSTREAM')) as Upstream
const timeoutMilliseconds = 60_000
let connected: Promise<Client> | undefined

/** One connection for everybody; one that has ended is made again at the next request. */
function connection(): Promise<Client> {
  connected ??= connectUpstream(upstream, {
    environment: process.env,
    stderr: 'inherit',
    timeoutMilliseconds,
  }).then(
    (client) => {
      client.onclose = () => {
        connected = undefined
      }
      return client
    },
    (error: unknown) => {
      connected = undefined
      throw error
    },
  )
  return connected
}

function front(): Server {
  const server = new Server({ name: 'own', version: '1.0.0' }, { capabilities: { tools: {} } })
  server.setRequestHandler('tools/list', async ({ params }) =>
    (await connection()).listTools(params),
  )
  server.setRequestHandler('tools/call', async ({ params }) =>
    (await connection()).callTool(params),
  )
  return server
}

const handle = toNodeHandler(createMcpHandler(front))

await serve((request, response, { body }) => {
  // The SDK's own types differ on undefined members (exactOptionalPropertyTypes).
  const incoming = request as Parameters<typeof handle>[0]
  return handle(incoming, response, JSON.parse(body.toString('utf8')))
})
