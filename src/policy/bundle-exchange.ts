import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { CountersignError } from '../errors.ts'
import { version } from '../version.ts'
import { codeOf } from './error-code.ts'
import type { ServiceTls } from './service-credentials.ts'

/** Why there was no answer that counts. */
export class BundleServiceError extends CountersignError {
  /** As the server said it; undefined where it said nothing. */
  readonly httpCode: number | undefined

  constructor(message: string, options: { readonly cause?: unknown; readonly httpCode?: number }) {
    super('policy/service', message, { cause: options.cause })
    this.httpCode = options.httpCode
  }
}

/** Packed: rules and their data shrink to a fraction of what they may have unpacked. */
export const archiveOctetsMax: number = 16 * 1024 * 1024

/** From the first octet of a body to its last. */
const bodyMillisecondsDefault = 60_000

/** One question, and how far its answer is heard. */
export interface Exchange {
  readonly url: URL
  readonly headers: OutgoingHttpHeaders
  readonly tls: ServiceTls
  readonly signal: AbortSignal
  readonly headerMilliseconds: number
  readonly bodyMilliseconds?: number | undefined
  /** Of the body. */
  readonly octetsMax: number
  /** Who is asked for what, for messages. */
  readonly server: 'bundle server' | 'registry'
  readonly what: 'archive' | 'manifest' | 'token'
}

export interface Received {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  /** Of 200 alone: nothing else is read. */
  readonly body: Buffer
}

/** Asks once: no redirect is followed, no more is read than may come, and nobody is waited for longer. Throws `BundleServiceError`. */
export function sendExchange(exchange: Exchange): Promise<Received> {
  const { url, tls, signal, server, what } = exchange
  const { headerMilliseconds, bodyMilliseconds = bodyMillisecondsDefault } = exchange
  const unwanted = (): BundleServiceError =>
    new BundleServiceError(`${server} is asked no more`, {})
  if (signal.aborted) return Promise.reject(unwanted())
  const received = Promise.withResolvers<Received>()
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  const own = { 'accept-encoding': 'identity', 'user-agent': `countersign/${version}` }
  const headers = { ...own, ...exchange.headers }
  const settings = { ...tls, headers, agent: false, minVersion: 'TLSv1.2' } as const
  let sent: ReturnType<typeof request>
  try {
    sent = request(url, settings)
  } catch (cause) {
    // Keys that do not fit, before anything is sent.
    throw unreachable(cause, server)
  }
  const { reject } = received
  const stop = (): void => reject(unwanted())
  // Whoever waits is told here: a request that was given away to another protocol is destroyed without a word.
  const endIn = (milliseconds: number, verb: string): NodeJS.Timeout =>
    setTimeout(() => {
      reject(new BundleServiceError(`${server} ${verb} in time, want=..${milliseconds} ms`, {}))
    }, milliseconds)
  let timer = endIn(headerMilliseconds, 'does not answer')
  sent.once('response', (response) => {
    clearTimeout(timer)
    timer = endIn(bodyMilliseconds, `does not send the ${what}`)
    receive(response, exchange).then(received.resolve, reject)
  })
  sent.once('upgrade', ({ statusCode: status = 101, headers }, socket) => {
    socket.destroy()
    received.resolve({ status, headers, body: Buffer.alloc(0) })
  })
  sent.on('error', (error) => reject(unreachable(error, server)))
  signal.addEventListener('abort', stop, { once: true })
  sent.end()
  return received.promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
    sent.destroy()
  })
}

async function receive(response: IncomingMessage, exchange: Exchange): Promise<Received> {
  const { statusCode: status = 0, headers } = response
  if (status !== 200) return { status, headers, body: Buffer.alloc(0) }
  const chunks: Buffer[] = []
  checkLength(Number(headers['content-length'] ?? 0), exchange)
  let octets = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      octets += chunk.length
      checkLength(octets, exchange)
      chunks.push(chunk)
    }
  } catch (error) {
    throw unreachable(error, exchange.server)
  }
  return { status, headers, body: Buffer.concat(chunks) }
}

function checkLength(octets: number, { octetsMax, what }: Exchange): void {
  if (octets <= octetsMax) return
  throw new BundleServiceError(`${what} is too large, want=..${octetsMax} octets`, {
    httpCode: 200,
  })
}

/** By its code alone: an error of Node's parser carries what the server sent, which may be the request with its token. */
function unreachable(error: unknown, server: string): BundleServiceError {
  if (error instanceof BundleServiceError) return error
  return new BundleServiceError(`${server} cannot be asked, got=${codeOf(error)}`, {})
}
