import { Agent, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import type { Log } from '../log.ts'
import { readableId } from '../mcp/readable-id.ts'
import { refuse } from '../toolserver/refuse.ts'
import type { VerifiedListener, VerifiedRequest } from '../toolserver/require-countersign.ts'
import { headersInside, headersOutside } from './headers.ts'
import { insideHost, type Inside } from './inside.ts'

/** Servers end a connection that nobody uses after two seconds or later: it is never theirs that ends first. */
const idleMilliseconds = 1500

export interface Forwarder extends Disposable {
  readonly listener: VerifiedListener
}

/** Hands verified requests to the server inside, octet for octet, and its answers back as they come. */
export function createForwarder(options: {
  readonly inside: Inside
  /** Requests under way, streams among them. */
  readonly requestsMax: number
  /** Why nothing is handed on at this moment. */
  readonly shut: () => string | undefined
  readonly log: Log
}): Forwarder {
  const { inside, requestsMax, shut, log } = options
  const agent = new Agent({ keepAlive: true, timeout: idleMilliseconds })
  let open = 0
  return {
    listener(incoming, response, verified) {
      const { body } = verified
      const unfit = judge(incoming, { body, path: inside.path })
      if (unfit !== undefined) return refuse(response, unfit, readableId(body))
      const closed = open < requestsMax ? shut() : 'too many requests are under way'
      if (closed !== undefined) return refuse(response, unavailable(closed), readableId(body))
      open += 1
      response.once('close', () => (open -= 1))
      handOn({ incoming, response, verified, inside, agent, log })
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}

interface Unfit {
  readonly status: number
  readonly message: string
  readonly code: number
  readonly headers?: Readonly<Record<string, string>>
}

const invalidRequest = -32600
const internalError = -32603
const methods: ReadonlySet<string> = new Set(['POST', 'GET', 'DELETE'])

/** What no MCP request is (2025-11-25 and 2026-07-28, transports): a server has more doors than this one, and they are not to be found. */
function judge(
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

function unavailable(message: string): Unfit {
  return { status: 503, code: internalError, message, headers: { 'retry-after': '1' } }
}

function handOn(o: {
  readonly incoming: IncomingMessage
  readonly response: ServerResponse
  readonly verified: VerifiedRequest
  readonly inside: Inside
  readonly agent: Agent
  readonly log: Log
}): void {
  const { incoming, response, verified, inside, agent, log } = o
  const body = incoming.method === 'POST' ? verified.body : undefined
  const asked = request({
    agent,
    host: insideHost,
    port: inside.port,
    path: inside.path,
    method: incoming.method,
    headers: headersInside(incoming.rawHeaders, { caller: verified.caller, body }),
  })
  // Whoever gives up outside ends the work inside.
  response.once('close', () => {
    if (!response.writableFinished) asked.destroy()
  })
  const fail = (fault: Unfit): void => {
    if (response.headersSent) response.destroy()
    else refuse(response, fault, readableId(verified.body))
  }
  asked.once('error', (error: NodeJS.ErrnoException) => {
    if (response.destroyed) return
    log.warn({ error }, 'the server inside has not answered')
    fail(faultOf(error))
  })
  // A change of the protocol (101) ends the connection, and is no error to Node.
  asked.once('close', () => {
    if (!response.headersSent && !response.destroyed) fail(notAnswered)
  })
  asked.once('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, headersOutside(answer.rawHeaders))
    // A stream is open before its first event comes.
    response.flushHeaders()
    pipeline(answer, response, (error) => {
      if (error !== null && error !== undefined) asked.destroy()
    })
  })
  asked.end(body)
}

const notAnswered: Unfit = {
  status: 502,
  code: internalError,
  message: 'the server inside has not answered',
}

/** Nothing was received where nobody listens; of all else nobody can know. */
function faultOf({ code }: NodeJS.ErrnoException): Unfit {
  if (code === 'ECONNREFUSED') return unavailable('the server inside does not listen')
  return notAnswered
}
