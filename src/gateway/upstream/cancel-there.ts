import { sessionHeaders } from './headers.ts'
import { deliver } from './deliver.ts'
import type { ExchangeOptions } from './exchange.ts'

/**
 * Tells a legacy server that nobody waits for the answer to a request any more: to it the end of a connection says nothing of the kind
 * (MCP 2025-11-25 cancellation). Whether that arrives or not, the request is over here.
 */
export function cancelThere(
  { upstream, request }: Pick<ExchangeOptions, 'upstream' | 'request'>,
  requestId: string | number,
): Promise<unknown> {
  const message = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } }
  const body = Buffer.from(JSON.stringify(message))
  return deliver({ upstream, request: { headers: sessionHeaders(request.headers), body } })
}
