import type { IncomingMessage, ServerResponse } from 'node:http'
import { badRequest, formatRefusal } from '../refusal.ts'
import type { Arrived, Door } from './arrived.ts'

const doorOfAll: Door = { kind: 'all', name: 'mcp' }

/** A name that a tool server might have: who asks for one that there is not is told so as a caller, not as a stranger. */
const serverPath = /^\/mcp\/([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)$/

/**
 * Takes requests to their doors, by the exact text of their target: no query, no encoded character, no trailing slash leads to one.
 * Everything else is answered with a status and an error of nobody's request, which is the last answer on the connection of a stranger.
 */
export function createDoors(
  handle: (arrived: Arrived) => void,
  /** Whether nobody has been let in on the connection of a request. */
  isStranger: (request: IncomingMessage) => boolean,
): (request: IncomingMessage, response: ServerResponse) => void {
  function refuseBare(request: IncomingMessage, response: ServerResponse, status: Bare): void {
    replyBare(request, response, { status, isLast: status === 400 || isStranger(request) })
  }
  return (request, response) => {
    const { url = '' } = request
    const door = doorOf(url)
    if (door !== undefined && isServed(request)) handle({ door, request, response })
    // A stream without a session is offered to neither era: MCP 2025-11-25 transports allow 405 for both.
    else if (door !== undefined) refuseBare(request, response, 405)
    // The other forms of a target name a host beside the Host header, or none (RFC 9112 §3.2).
    else refuseBare(request, response, url.startsWith('/') ? 404 : 400)
  }
}

/** A message, or of a session its stream or its end (MCP 2025-11-25 transports). */
function isServed({ method, headers }: IncomingMessage): boolean {
  if (method === 'POST') return true
  return (method === 'GET' || method === 'DELETE') && headers['mcp-session-id'] !== undefined
}

function doorOf(url: string): Door | undefined {
  if (url === '/mcp') return doorOfAll
  const server = serverPath.exec(url)?.[1]
  return server === undefined ? undefined : { kind: 'one', name: `mcp/${server}`, server }
}

type Bare = keyof typeof why

const why = {
  400: 'target is no path',
  404: 'nothing is served here',
  405: 'only POST is served here',
}

function replyBare(
  request: IncomingMessage,
  response: ServerResponse,
  { status, isLast }: { readonly status: Bare; readonly isLast: boolean },
): void {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
  // A body that nobody asked for is not read to its end.
  const hasBody = length !== '0' || encoding !== undefined
  const body = formatRefusal(badRequest(status, why[status]), undefined)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...(status === 405 ? { allow: 'GET, POST, DELETE' } : {}),
    ...(isLast || hasBody ? { connection: 'close' } : {}),
  })
  response.end(request.method === 'HEAD' ? '' : body)
}
