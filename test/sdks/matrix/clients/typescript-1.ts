/** The TypeScript SDK 1.x, whichever the first word names the folder of. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { runPlan, textOf } from '../run-plan.ts'

const folder = process.argv[2] ?? ''

async function load<T>(file: string): Promise<T> {
  return (await import(pathToFileURL(join(folder, 'dist', 'esm', 'client', file)).href)) as T
}

const clients = await load<{ Client: typeof Client }>('index.js')
const transports = await load<{
  StreamableHTTPClientTransport: typeof StreamableHTTPClientTransport
}>('streamableHttp.js')

await runPlan(async (url, fetch) => {
  const client = new clients.Client({ name: 'matrix', version: '1.0.0' })
  const transport = new transports.StreamableHTTPClientTransport(url, { fetch })
  await client.connect(transport)
  return {
    revision: transport.protocolVersion ?? 'none',
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    async call({ tool: name, arguments: given }, { progress, signal } = {}) {
      const options = {
        ...(progress === undefined ? {} : { onprogress: progress }),
        ...(signal === undefined ? {} : { signal }),
      }
      const result = await client.callTool({ name, arguments: given }, undefined, options)
      return textOf(result.content)
    },
    read: async (uri) => textOf((await client.readResource({ uri })).contents),
    prompt: async (prompt) => textOf((await client.getPrompt(prompt)).messages[0]?.content),
    close: async () => {
      await transport.terminateSession()
      await client.close()
    },
  }
})
