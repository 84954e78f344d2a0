/** An agent: the mounted certificate, an MCP client of the official SDK 1.x, the gateway. */
import { createInterface } from 'node:readline'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { gateway, ways } from './gateway.ts'

const fetch = ways[process.argv[2] === 'undici' ? 'undici' : 'countersign']

const transport = new StreamableHTTPClientTransport(gateway, { fetch })
const client = new Client({ name: 'agent-typescript', version: '1.0.0' })
await client.connect(transport)
const { tools } = await client.listTools()
for (const { name } of tools) console.log('sees', name)
// Each line of its input is a repository, in which it opens an issue.
for await (const repository of createInterface({ input: process.stdin })) {
  const asked = { repository, title: 'Hello from TypeScript' }
  try {
    const answer = await client.callTool({ name: 'github_issues_create', arguments: asked })
    console.log('answered', JSON.stringify(answer.content))
  } catch (error) {
    console.log('refused', (error as Error).message)
  }
}
await transport.terminateSession()
await client.close()
