import type { IncomingMessage } from 'node:http'

/** Why a request that was verified is not handed on. */
export interface Unfit {
  readonly status: number
  readonly message: string
  readonly code: number
  readonly headers?: Readonly<Record<string, string>>
}

export const invalidRequest = -32600
export const internalError = -32603
const methods: ReadonlySet<string> = new Set(['POST', 'GET', 'DELETE'])

/** What no MCP request is (2025-11-25 and 2026-07-28, transports): a server has more doors than this one, and they are not to be found. */
export function judge(
  { method = '', url }: IncomingMessage,
  { body, path }: { readonly body: Buffer; readonly path: string },
): Unfit | undefined {
  if (url !== path) {
    return { status: 404, code: invalidRequest, message: 'nothing is served at this path' }
  }
  if (!methods.has(method)) {
    const headers = { allow: [...methods].join(', ') }
    return { status: 405, code: invalidRequest, message: `want=${headers.allow}`, headers }
  }
  // The body of a POST has been judged, and no other one.
  if (method === 'POST' || body.length === 0) return undefined
  return { status: 400, code: invalidRequest, message: `want=no body with ${method}` }
}

export function unavailable(message: string): Unfit {
  return { status: 503, code: internalError, message, headers: { 'retry-after': '1' } }
}
