import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { CountersignError } from '../errors.ts'
import type { Connection, ConnectionOptions } from './connection.ts'

/** One request on its way to the API server. */
export interface Exchange {
  readonly connection: Connection
  readonly userAgent: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query: Readonly<Record<string, string>> | undefined
  readonly body: Buffer | undefined
  readonly contentType: string | undefined
  /** Whom to act as, by the API server's impersonation headers. */
  readonly as: { readonly user: string; readonly groups: readonly string[] } | undefined
  /** `stream`: its answer may last, so it gets a connection of its own. `lease`: whoever waits for others here loses what it holds. */
  readonly kind: 'plain' | 'lease' | 'stream'
  readonly signal: AbortSignal
}

/** The server may close an idle connection at the very moment that we reuse it, mostly without reading the request. */
function isStaleConnection(error: unknown, reused: boolean): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return reused && (code === 'ECONNRESET' || code === 'EPIPE')
}

async function sendOnce(
  exchange: Exchange,
  { agents, headers }: ConnectionOptions,
): Promise<{ response: IncomingMessage } | { error: unknown; stale: boolean }> {
  const { connection, body, as, signal } = exchange
  const url = new URL(connection.server)
  url.pathname = `${url.pathname.replace(/\/$/, '')}${exchange.path}`
  url.search = new URLSearchParams(exchange.query).toString()
  return new Promise((resolve) => {
    const outgoing = httpsRequest(url, {
      agent: agents[exchange.kind],
      method: exchange.method,
      signal,
      headers: {
        ...headers,
        accept: 'application/json',
        'user-agent': exchange.userAgent,
        ...(body === undefined
          ? {}
          : { 'content-type': exchange.contentType ?? 'application/json' }),
        ...(body === undefined ? {} : { 'content-length': String(body.length) }),
        ...(as === undefined
          ? {}
          : { 'impersonate-user': as.user, 'impersonate-group': [...as.groups] }),
      },
    })
    // Node tells of an abort only once the request has a connection, for which it may wait longer than anybody waits for it.
    const stop = (): void => resolve({ error: signal.reason, stale: false })
    signal.addEventListener('abort', stop, { once: true })
    outgoing.on('error', (error) => {
      signal.removeEventListener('abort', stop)
      resolve({ error, stale: isStaleConnection(error, outgoing.reusedSocket) })
    })
    outgoing.once('response', (response: IncomingMessage) => {
      signal.removeEventListener('abort', stop)
      resolve({ response })
    })
    outgoing.end(body)
  })
}

/**
 * The answer as soon as it begins. A create could happen twice, so it is never sent again, except after a 401: nobody has looked at
 * it then, and a credential that was renewed meanwhile may be taken.
 */
export async function send(exchange: Exchange): Promise<IncomingMessage> {
  const { connection, method, signal } = exchange
  let renewed = false
  for (let attempt = 1; ; attempt++) {
    const options = await connection.options()
    signal.throwIfAborted()
    const outcome = await sendOnce(exchange, options)
    if ('response' in outcome) {
      const { response } = outcome
      if (response.statusCode !== 401 || renewed || !(await connection.renew(options))) {
        return response
      }
      renewed = true
      response.resume()
      continue
    }
    const again = outcome.stale && method !== 'POST' && attempt <= 3
    if (!again || signal.aborted) throw outcome.error
  }
}

/** The whole body; one longer than `bytesMax` is a `TooLongError`. */
export async function readAnswer(
  response: IncomingMessage,
  what: string,
  bytesMax: number,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of readChunks(response, what, bytesMax)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** An answer that is longer than it may be: less of it at once may be short enough. */
export class TooLongError extends CountersignError {
  constructor(what: string, bytesMax: number) {
    super('kubernetes/answer', `${what}: answer length: want=at most ${bytesMax} bytes got=more`)
  }
}

/** The body as it comes; one longer than `bytesMax` is a `TooLongError`. */
export async function* readChunks(
  response: IncomingMessage,
  what: string,
  bytesMax: number,
): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bytesMax) {
      response.destroy()
      throw new TooLongError(what, bytesMax)
    }
    yield chunk
  }
}

export function isSuccess(status = 0): boolean {
  return status >= 200 && status < 300
}
