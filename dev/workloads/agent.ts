/** An agent of today: @modelcontextprotocol/client 2.x, MCP 2026-07-28, pointed at the gateway. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { runAgent } from './agent-desk.ts'

await runAgent(async (gateway, fetch) => {
  const client = new Client(
    { name: 'example-agent', version: '1.0.0' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  await client.connect(new StreamableHTTPClientTransport(gateway, { fetch }))
  return client
})
