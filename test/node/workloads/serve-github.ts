import { AsyncLocalStorage } from 'node:async_hooks'
import { createServer } from 'node:https'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type {
  requireCountersign,
  VerifiedCaller,
} from '../../../src/toolserver/require-countersign.ts'

const callers = new AsyncLocalStorage<VerifiedCaller>()
const repository = z.string()

function text(value: unknown): { content: [{ type: 'text'; text: string }] } {
  return { content: [{ type: 'text', text: JSON.stringify(value) }] }
}

function github(): McpServer {
  const server = new McpServer({ name: 'github', version: '1.0.0' })
  server.registerTool(
    'issues_list',
    { description: 'The open issues of a repository.', inputSchema: z.object({ repository }) },
    (input) => text({ ...input, issues: [] }),
  )
  server.registerTool(
    'issues_create',
    { description: 'Opens an issue.', inputSchema: z.object({ repository, title: z.string() }) },
    (input) => {
      const caller = callers.getStore()
      return text({ ...input, openedBy: caller?.spiffeId, tenant: caller?.tenant })
    },
  )
  server.registerTool(
    'repository_delete',
    { description: 'Deletes a repository.', inputSchema: z.object({ repository }) },
    () => text('deleted'),
  )
  return server
}

/** Serves the tools on port 8443, until SIGTERM. */
export function serveGithub(countersign: Awaited<ReturnType<typeof requireCountersign>>): void {
  const handle = toNodeHandler(createMcpHandler(github))
  const guarded = countersign.guard((request, response, { caller, body }) => {
    // The SDK's own types differ on undefined members (exactOptionalPropertyTypes).
    const incoming = request as Parameters<typeof handle>[0]
    return callers.run(caller, () => handle(incoming, response, JSON.parse(body.toString('utf8'))))
  })
  let draining = false
  const server = createServer(countersign.tlsOptions, (request, response) => {
    if (draining) response.setHeader('connection', 'close')
    guarded(request, response)
  })
  countersign.attach(server)
  server.listen(8443, '0.0.0.0', () => process.stdout.write('listening\n'))
  process.once('SIGTERM', () => {
    // New calls come for a moment yet, and connections that are kept may carry one: each is answered, and told to end.
    draining = true
    setTimeout(() => server.close(() => void countersign[Symbol.asyncDispose]()), 4000)
  })
}
