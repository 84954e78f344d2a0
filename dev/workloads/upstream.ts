import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'

/** An MCP server that somebody runs: one that listens, or a program that speaks on its standard input and output. */
export type Upstream =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'command'; readonly program: string; readonly words: readonly string[] }

/** Connects with whichever revision of MCP the server speaks. Rejects with whatever was in the way. */
export async function connectUpstream(
  upstream: Upstream,
  options: {
    /** The whole environment of a program; it is the user's own, so it gets all that its user has. */
    readonly environment: Readonly<Record<string, string | undefined>>
    /** A program's standard error: into the log of the pod, or nowhere. */
    readonly stderr: 'inherit' | 'ignore'
    readonly timeoutMilliseconds: number
  },
): Promise<Client> {
  const { environment, stderr, timeoutMilliseconds: timeout } = options
  const client = new Client(
    { name: 'countersign-dev', version: '1.0.0' },
    { versionNegotiation: { mode: 'auto' } },
  )
  const set = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  const transport =
    upstream.kind === 'url'
      ? new StreamableHTTPClientTransport(new URL(upstream.url))
      : new StdioClientTransport({
          command: upstream.program,
          args: [...upstream.words],
          env: Object.fromEntries(set),
          stderr,
        })
  try {
    await client.connect(transport, { timeout })
    return client
  } catch (error) {
    await client.close().catch(() => {})
    throw error
  }
}
