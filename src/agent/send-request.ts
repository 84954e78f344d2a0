import type { IncomingMessage } from 'node:http'
import { request as httpsRequest, type Agent } from 'node:https'

/** A request that can be sent more than once. */
export interface PreparedRequest {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | undefined
  readonly signal: AbortSignal | undefined
}

/** What ends a connection, or keeps one from being made: nothing that a second attempt would meet again for certain. */
const connectionErrors: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
])

/** RFC 9110 §9.2.2: whatever became of the first, a second one changes nothing more. */
const idempotentMethods: ReadonlySet<string> = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PUT'])

/**
 * Sends a request, and once more on a fresh connection where the first was certainly not begun: no connection could be made, a kept
 * one ended before an octet was written, or the server says 408 and ends the connection, which is to say that it has not received the
 * request (RFC 9110 §15.5.9). An idempotent request is also repeated when a kept connection ends without an answer. Every other one is
 * not: a tool may have done its work (RFC 9112 §9.3.1).
 */
export async function sendRequest(
  request: PreparedRequest,
  agent: () => Agent,
): Promise<IncomingMessage> {
  const first = await attempt(request, agent())
  if (first !== 'repeat') return first
  const { freeSockets } = agent()
  for (const socket of Object.values(freeSockets).flatMap((each) => each ?? [])) socket.destroy()
  const second = await attempt(request, agent(), { last: true })
  if (second === 'repeat') throw new TypeError('the last attempt is not repeated')
  return second
}

function attempt(
  request: PreparedRequest,
  agent: Agent,
  { last = false }: { readonly last?: boolean } = {},
): Promise<IncomingMessage | 'repeat'> {
  const { url, method, headers, body, signal } = request
  return new Promise((resolve, reject) => {
    let written = false
    let failed = false
    const outgoing = httpsRequest(url, {
      agent,
      method,
      headers,
      ...(signal === undefined ? {} : { signal }),
    })
    outgoing.once('socket', (socket) => {
      if (!outgoing.reusedSocket) {
        socket.once('secureConnect', () => {
          written = true
        })
        outgoing.end(body)
        return
      }
      // A turn of the loop, so that the end of this connection is seen if it has come already.
      setImmediate(() => {
        // What has failed may be on its way again: no octet of it goes out here any more.
        if (failed || !socket.writable) return
        written = true
        outgoing.end(body)
      })
    })
    outgoing.once('error', (error: NodeJS.ErrnoException) => {
      failed = true
      const repeatable = !written || (outgoing.reusedSocket && idempotentMethods.has(method))
      if (!last && repeatable && connectionErrors.has(error.code)) resolve('repeat')
      else reject(error)
    })
    outgoing.once('response', (incoming) => {
      if (last || !isNotReceived(incoming)) return resolve(incoming)
      incoming.resume()
      resolve('repeat')
    })
  })
}

function isNotReceived({ statusCode, headers }: IncomingMessage): boolean {
  return statusCode === 408 && headers.connection?.toLowerCase() === 'close'
}
