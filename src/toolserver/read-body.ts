import type { IncomingHttpHeaders } from 'node:http'
import { Gathered } from '../mcp/gathered.ts'

/** A request, or what stands for one. */
export interface Incoming extends AsyncIterable<Buffer> {
  readonly headers: IncomingHttpHeaders
}

/** The body; undefined where it is larger than that. Nobody has been judged yet, so it takes memory for its octets, not for its pieces. */
export async function readBody(request: Incoming, octetsMax: number): Promise<Buffer | undefined> {
  const declared = Number(request.headers['content-length'] ?? 0)
  if (declared > octetsMax) return undefined
  const body = new Gathered({ octets: declared, octetsMax })
  let octets = 0
  for await (const chunk of request) {
    octets += chunk.length
    if (octets > octetsMax) return undefined
    body.push(chunk)
  }
  return body.whole()
}
