import type { ServerResponse } from 'node:http'

/** A refusal is a JSON-RPC error and ends the connection: its peer is not who it should be. */
export function refuse(
  response: ServerResponse,
  o: {
    readonly status: number
    readonly message: string
    /** Default: not let in. */
    readonly code?: number
    readonly headers?: Readonly<Record<string, string>>
  },
  rawId = 'null',
): void {
  const { status, message, code = -31403, headers = {} } = o
  const body = `{"jsonrpc":"2.0","id":${rawId},"error":${JSON.stringify({ code, message })}}`
  const own = { 'content-type': 'application/json', connection: 'close' }
  response.writeHead(status, { ...headers, ...own }).end(body)
}
