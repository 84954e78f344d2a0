/**
 * A tool server of yesterday: @modelcontextprotocol/sdk 1.x, MCP 2025-11-25, with sessions. Notes are kept in memory, one
 * shelf a tenant.
 */
import { randomUUID } from 'node:crypto'
import { AsyncLocalStorage } from 'node:async_hooks'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { z } from 'zod'
import type { VerifiedCaller } from '../../src/toolserver/require-countersign.ts'
import { serve } from './serve.ts'

const sessionsMax = 1_000
const shelves = new Map<string, string[]>()
const sessions = new Map<string, StreamableHTTPServerTransport>()
const callers = new AsyncLocalStorage<VerifiedCaller>()

function shelf(): string[] {
  const tenant = callers.getStore()?.tenant ?? ''
  const notes = shelves.get(tenant) ?? []
  shelves.set(tenant, notes)
  return notes
}

function notes(): McpServer {
  const server = new McpServer({ name: 'notes', version: '1.0.0' })
  server.registerTool(
    'search',
    { description: "The tenant's notes that hold a word.", inputSchema: { word: z.string() } },
    ({ word }) => ({
      content: shelf()
        .filter((note) => note.includes(word))
        .map((note) => ({ type: 'text', text: note })),
    }),
  )
  server.registerTool(
    'write',
    { description: "Puts a note on the tenant's shelf.", inputSchema: { note: z.string() } },
    ({ note }) => ({ content: [{ type: 'text', text: `note ${shelf().push(note)} is written` }] }),
  )
  return server
}

async function openSession(): Promise<StreamableHTTPServerTransport> {
  const oldest = sessions.keys().next().value
  if (sessions.size >= sessionsMax && oldest !== undefined) sessions.delete(oldest)
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id),
  })
  await notes().connect(transport)
  return transport
}

await serve(
  async (request, response, { caller, body }) => {
    const [id] = request.headersDistinct['mcp-session-id'] ?? []
    const transport = (id === undefined ? undefined : sessions.get(id)) ?? (await openSession())
    const parsed: unknown = body.length === 0 ? undefined : JSON.parse(body.toString('utf8'))
    await callers.run(caller, () => transport.handleRequest(request, response, parsed))
  },
  { server: 'notes' },
)
