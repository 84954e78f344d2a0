import {
  openCountersignFetch,
  type CountersignFetch,
  type CountersignFetchOptions,
} from '../../src/agent/countersign-fetch.ts'
import { callDirectly } from './call-directly.ts'
import { answerCommands } from './commands.ts'
import { setting, workloadEnvironment } from './environment.ts'

/** What both generations of the SDK's client can do. */
export interface ToolClient {
  listTools(): Promise<{ readonly tools: readonly { readonly name: string }[] }>
  callTool(call: { name: string; arguments: Record<string, unknown> }): Promise<unknown>
}

/** Runs an agent of the story: connects to the gateway at the first command and keeps the connection open. */
export async function runAgent(
  connect: (gateway: URL, fetch: CountersignFetch['fetch']) => Promise<ToolClient>,
  // One connection, so that the story can show what happens to an open one.
  { connectionsMax = 1 }: Pick<CountersignFetchOptions, 'connectionsMax'> = {},
): Promise<void> {
  const environment = workloadEnvironment()
  await using gateway = await openCountersignFetch({
    ...environment,
    server: setting('GATEWAY_SPIFFE_ID'),
    connectionsMax,
  })
  let client: Promise<ToolClient> | undefined
  const connected = (): Promise<ToolClient> => {
    client ??= connect(new URL(setting('GATEWAY_URL')), gateway.fetch).catch((error: unknown) => {
      client = undefined
      throw error
    })
    return client
  }
  await answerCommands({
    async list() {
      const { tools } = await (await connected()).listTools()
      return { tools: tools.map((tool) => tool.name), localPort: gateway.localPort }
    },
    async call({ tool, arguments: input }) {
      const call = { name: String(tool), arguments: input as Record<string, unknown> }
      return { result: await (await connected()).callTool(call), localPort: gateway.localPort }
    },
    direct: ({ url, server }) => callDirectly(environment, String(url), String(server)),
  })
}
