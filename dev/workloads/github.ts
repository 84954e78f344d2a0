/**
 * A tool server of today: @modelcontextprotocol/server 2.x, which speaks MCP 2026-07-28 and, without sessions, the
 * revisions before it. Issues are kept in memory.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { VerifiedCaller } from '../../src/toolserver/require-countersign.ts'
import { serve } from './serve.ts'

interface Issue {
  readonly repository: string
  readonly number: number
  readonly title: string
  readonly openedBy: string
}

const issues: Issue[] = []
const callers = new AsyncLocalStorage<VerifiedCaller>()
const repository = z.string().describe('owner/name')

function text(value: unknown): { content: [{ type: 'text'; text: string }] } {
  return { content: [{ type: 'text', text: JSON.stringify(value) }] }
}

function github(): McpServer {
  const server = new McpServer({ name: 'github', version: '1.0.0' })
  server.registerTool(
    'issues_list',
    { description: 'The open issues of a repository.', inputSchema: z.object({ repository }) },
    (input) => text(issues.filter((issue) => issue.repository === input.repository)),
  )
  server.registerTool(
    'issues_create',
    {
      description: 'Opens an issue.',
      inputSchema: z.object({ repository, title: z.string() }),
    },
    (input) => {
      const caller = callers.getStore()
      const issue = { ...input, number: issues.length + 1, openedBy: caller?.spiffeId ?? '' }
      issues.push(issue)
      return text({ ...issue, tenant: caller?.tenant })
    },
  )
  server.registerTool(
    'issues_delete',
    {
      description: 'Deletes an issue for good.',
      inputSchema: z.object({ repository, number: z.number().int() }),
    },
    () => text('deleted'),
  )
  server.registerTool(
    'repository_delete',
    { description: 'Deletes a repository for good.', inputSchema: z.object({ repository }) },
    () => text('deleted'),
  )
  return server
}

const handle = toNodeHandler(createMcpHandler(github))

await serve(
  (request, response, { caller, body }) => {
    // The SDK's own types differ on undefined members (exactOptionalPropertyTypes).
    const incoming = request as Parameters<typeof handle>[0]
    return callers.run(caller, () => handle(incoming, response, JSON.parse(body.toString('utf8'))))
  },
  { server: 'github' },
)
