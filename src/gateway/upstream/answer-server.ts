import type { Era } from '../../mcp/message.ts'
import { deliver } from './deliver.ts'
import type { ExchangeOptions } from './exchange.ts'
import { sessionHeaders } from './headers.ts'
import type { ServerRequest } from './judge-answer.ts'

/** Answers a request of the server, and says whether it did. */
export type ServerAnswerer = (era: Era, request: Pick<ServerRequest, 'method' | 'rawId'>) => boolean

/** So many in answer to one request; a server that asks more has its call refused. */
const answersMax = 16

/**
 * A legacy server may ask its client something on the stream of a call. Nothing of that reaches an agent: to a ping the gateway answers
 * that the client is there (MCP 2025-11-25 ping), to anything else that the client cannot (-32601), and the call goes on.
 */
export function createServerAnswerer(
  exchange: Pick<ExchangeOptions, 'upstream' | 'request'>,
): ServerAnswerer {
  let answers = 0
  return (era, request) => {
    answers += 1
    if (era !== 'legacy' || answers > answersMax) return false
    // Whether it arrives or not, the call goes on.
    void answer(exchange, request)
    return true
  }
}

/**
 * The same of a server that has long to ask, such as on the stream of a session where it wants to know now and then whether somebody is there:
 * so many at a time, and what is more is answered nothing.
 */
export function createSteadyAnswerer(
  exchange: Pick<ExchangeOptions, 'upstream' | 'request'>,
): (request: Pick<ServerRequest, 'method' | 'rawId'>) => void {
  let underWay = 0
  return (request) => {
    if (underWay >= answersMax) return
    underWay += 1
    void answer(exchange, request).then(() => (underWay -= 1))
  }
}

function answer(
  { upstream, request }: Pick<ExchangeOptions, 'upstream' | 'request'>,
  { rawId, method }: Pick<ServerRequest, 'method' | 'rawId'>,
): Promise<unknown> {
  const outcome =
    method === 'ping' ? '"result":{}' : '"error":{"code":-32601,"message":"Method not found"}'
  const body = Buffer.from(`{"jsonrpc":"2.0","id":${rawId},${outcome}}`)
  return deliver({ upstream, request: { headers: sessionHeaders(request.headers), body } })
}
