import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { urlToHttpOptions } from 'node:url'
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
  /** Ends the request, and its answer. Of this exchange alone: what listens to it is never taken away. */
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
  return new Promise((resolve) => {
    const outgoing = httpsRequest({
      ...urlToHttpOptions(connection.server),
      path: pathOf(exchange),
      agent: agents[exchange.kind],
      method: exchange.method,
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
    const stop = (): void => {
      outgoing.destroy(signal.reason as Error)
      // Node tells of it only once the request has a connection, for which it may wait longer than anybody waits for it.
      resolve({ error: signal.reason, stale: false })
    }
    signal.addEventListener('abort', stop, { once: true })
    outgoing.on('error', (error) =>
      resolve({ error, stale: isStaleConnection(error, outgoing.reusedSocket) }),
    )
    outgoing.once('response', (response: IncomingMessage) => resolve({ response }))
    outgoing.end(body)
  })
}

/** Both parts are encoded, and what is not is refused by Node. */
function pathOf({ connection, path, query }: Exchange): string {
  const search = new URLSearchParams(query).toString()
  const whole = `${connection.server.pathname.replace(/\/$/, '')}${path}`
  return search === '' ? whole : `${whole}?${search}`
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
export function readAnswer(
  response: IncomingMessage,
  what: string,
  bytesMax: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= bytesMax) {
        chunks.push(chunk)
        return
      }
      reject(new TooLongError(what, bytesMax))
      response.destroy()
    })
    response.once('end', () => resolve(Buffer.concat(chunks, bytes)))
    response.once('error', reject)
    // Whatever ends it early also says so; nothing that we wait for may depend on that.
    response.once('close', () => reject(new Error('answer was cut')))
  })
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
