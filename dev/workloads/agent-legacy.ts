/** An agent of yesterday: @modelcontextprotocol/sdk 1.x, MCP 2025-11-25, with a session at the gateway. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { runAgent } from './agent-desk.ts'

await runAgent(
  async (gateway, fetch) => {
    const client = new Client({ name: 'example-agent', version: '1.0.0' })
    const transport = new StreamableHTTPClientTransport(gateway, { fetch })
    await client.connect(transport)
    return client
  },
  // Its client keeps the stream of its session open beside its calls.
  { connectionsMax: 2 },
)
