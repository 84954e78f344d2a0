import { Agent, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import type { Log } from '../log.ts'
import { readableId } from '../mcp/readable-id.ts'
import { refuse } from '../toolserver/refuse.ts'
import type { VerifiedListener, VerifiedRequest } from '../toolserver/require-countersign.ts'
import { headersInside, headersOutside } from './headers.ts'
import { insideHost, type Inside } from './inside.ts'
import { internalError, judge, unavailable, type Unfit } from './unfit.ts'

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
