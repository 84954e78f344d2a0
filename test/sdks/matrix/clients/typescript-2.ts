/** The TypeScript SDK 2.x: as it is by default, or, where the first word says so, as it negotiates. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { runPlan, textOf } from '../run-plan.ts'

const options = process.argv[2] === 'auto' ? { versionNegotiation: { mode: 'auto' as const } } : {}

await runPlan(async (url, fetch) => {
  const client = new Client({ name: 'matrix', version: '1.0.0' }, options)
  await client.connect(new StreamableHTTPClientTransport(url, { fetch }))
  return {
    revision: client.getNegotiatedProtocolVersion() ?? 'none',
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    async call({ tool: name, arguments: given }, { progress, signal } = {}) {
      const result = await client.callTool(
        { name, arguments: { ...given } },
        {
          ...(progress === undefined ? {} : { onprogress: progress }),
          ...(signal === undefined ? {} : { signal }),
        },
      )
      return textOf(result.content)
    },
    read: async (uri) => textOf((await client.readResource({ uri })).contents),
    prompt: async (prompt) => textOf((await client.getPrompt(prompt)).messages[0]?.content),
    close: () => client.close(),
  }
})
