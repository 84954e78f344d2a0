import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Arrived, Door } from './arrived.ts'

const doorOfAll: Door = { kind: 'all', name: 'mcp' }

/** A name that a tool server might have: who asks for one that there is not is told so as a caller, not as a stranger. */
const serverPath = /^\/mcp\/([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)$/

/**
 * Takes requests to their doors, by the exact text of their target: no query, no encoded character, no trailing slash leads to one.
 * Everything else is answered with a status and no more.
 */
export function createDoors(
  handle: (arrived: Arrived) => void,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const { url = '', method } = request
    const door = doorOf(url)
    if (door !== undefined && method === 'POST') handle({ door, request, response })
    // Neither era is offered a stream of its own: MCP 2025-11-25 transports allow 405 for both.
    else if (door !== undefined) refuseBare(request, response, 405)
    // The other forms of a target name a host beside the Host header, or none (RFC 9112 §3.2).
    else refuseBare(request, response, url.startsWith('/') ? 404 : 400)
  }
}

function doorOf(url: string): Door | undefined {
  if (url === '/mcp') return doorOfAll
  const server = serverPath.exec(url)?.[1]
  return server === undefined ? undefined : { kind: 'one', name: `mcp/${server}`, server }
}

function refuseBare(
  request: IncomingMessage,
  response: ServerResponse,
  status: 400 | 404 | 405,
): void {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
  // A body that nobody asked for is not read to its end.
  const isLast = status === 400 || length !== '0' || encoding !== undefined
  response.writeHead(status, {
    'content-length': '0',
    ...(status === 405 ? { allow: 'POST' } : {}),
    ...(isLast ? { connection: 'close' } : {}),
  })
  response.end()
}
