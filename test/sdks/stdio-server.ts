import { once } from 'node:events'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { z } from 'zod'

/*
 * A server of the TypeScript SDK on standard input and output, as people have them: it knows nothing of certificates or of HTTP.
 */

const server = new McpServer({ name: 'notes', version: '1.0.0' })
let cancelled = 0

const text = (value: unknown): { content: { type: 'text'; text: string }[] } => ({
  content: [{ type: 'text', text: JSON.stringify(value) }],
})

server.registerTool('who', {}, (extra) =>
  text({ pid: process.pid, cancelled, caller: extra['_meta']?.['countersign.dev/caller'] }),
)

server.registerTool('count', { inputSchema: { to: z.int().max(10) } }, async ({ to }, extra) => {
  const progressToken = extra['_meta']?.progressToken
  for (let progress = 1; progress <= to; progress += 1) {
    if (progressToken === undefined) break
    const params = { progressToken, progress, total: to }
    await extra.sendNotification({ method: 'notifications/progress', params })
  }
  return text(`counted to ${to}`)
})

server.registerTool('wait', {}, async ({ signal, sendNotification, _meta }) => {
  const progressToken = _meta?.progressToken ?? ''
  const params = { progressToken, progress: 1 }
  await sendNotification({ method: 'notifications/progress', params })
  await once(signal, 'abort')
  cancelled += 1
  return text('nobody waits for it')
})

await server.connect(new StdioServerTransport())
