import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as httpsRequest, type Agent } from 'node:https'
import { Readable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { CountersignError } from '../errors.ts'

export interface PreparedRequest {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  /** A stream is read once, so a request that has begun to read it is not sent again. */
  readonly body: string | Uint8Array | ReadableStream<Uint8Array> | undefined
  readonly signal: AbortSignal | undefined
  /** How long a new connection may take until the server has proved itself. */
  readonly connectMilliseconds: number
}

const probeMilliseconds = 15_000

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
 * not: a tool may have done its work (RFC 9112 §9.3.1). Once it is aborted it rejects with the signal's reason, as does its body.
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

async function attempt(
  request: PreparedRequest,
  agent: Agent,
  { last = false }: { readonly last?: boolean } = {},
): Promise<IncomingMessage | 'repeat'> {
  const { url, method, headers, signal } = request
  signal?.throwIfAborted()
  return await new Promise((resolve, reject) => {
    let isWritten = false
    let isKept = false
    const outgoing = httpsRequest(url, { agent, method, headers })
    const release = endWith(signal, outgoing, reject)
    outgoing.once('socket', (socket) => {
      // Of one that is handed from request to request Node does not say that it is reused; a new one has proved nothing yet.
      isKept = outgoing.reusedSocket || (socket as TLSSocket).authorized
      const write = (): void => {
        // What has failed may be on its way again: no octet of it goes out here any more.
        if (outgoing.destroyed || !socket.writable) return
        isWritten = true
        writeBody(outgoing, request.body)
      }
      // A turn of the loop, so that the end of a kept connection is seen if it has come already.
      if (isKept) setImmediate(write)
      else whenConnected(outgoing, request.connectMilliseconds, write)
    })
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      release()
      const isRepeatable = !isWritten || (isKept && isSentTwiceAsOnce(request))
      if (!last && isRepeatable && connectionErrors.has(error.code)) resolve('repeat')
      else reject(isKept ? error : hungUp(error, isWritten))
    })
    outgoing.once('response', (incoming) => {
      incoming.once('close', release)
      if (last || !isNotReceived(incoming) || isStream(request.body)) return resolve(incoming)
      incoming.resume()
      resolve('repeat')
    })
  })
}

/** Ends the request, and the body of its answer, when the signal is aborted; gives what ends that. */
function endWith(
  signal: AbortSignal | undefined,
  outgoing: ClientRequest,
  reject: (reason: unknown) => void,
): () => void {
  if (signal === undefined) return () => {}
  let answer: IncomingMessage | undefined
  const end = (): void => {
    reject(signal.reason)
    answer?.destroy(signal.reason as Error)
    outgoing.destroy(signal.reason as Error)
  }
  outgoing.once('response', (incoming) => {
    answer = incoming
  })
  signal.addEventListener('abort', end, { once: true })
  return () => signal.removeEventListener('abort', end)
}

function whenConnected(
  outgoing: ClientRequest,
  connectMilliseconds: number,
  connected: () => void,
): void {
  const late = Object.assign(new Error(`not connected within ${connectMilliseconds} ms`), {
    code: 'ETIMEDOUT',
  })
  const timer = setTimeout(() => outgoing.destroy(late), connectMilliseconds)
  outgoing.once('close', () => clearTimeout(timer))
  outgoing.socket?.once('secureConnect', () => {
    clearTimeout(timer)
    // What slept, or a way that forgot the connection, is noticed within half a minute of silence.
    outgoing.socket?.setKeepAlive(true, probeMilliseconds)
    connected()
  })
}

function writeBody(outgoing: ClientRequest, body: PreparedRequest['body']): void {
  if (!isStream(body)) return void outgoing.end(body)
  const source = Readable.fromWeb(body)
  source.once('error', (error) => outgoing.destroy(error))
  outgoing.once('close', () => source.destroy())
  return void source.pipe(outgoing)
}

function isStream(body: PreparedRequest['body']): body is ReadableStream<Uint8Array> {
  return body instanceof ReadableStream
}

function isSentTwiceAsOnce({ method, body }: PreparedRequest): boolean {
  return idempotentMethods.has(method) && !isStream(body)
}

function isNotReceived({ statusCode, headers }: IncomingMessage): boolean {
  return statusCode === 408 && headers.connection?.toLowerCase() === 'close'
}

/**
 * Of a new connection. TLS 1.3 lets a client send before the server has looked at its certificate (RFC 8446 §4.4.2), and what was sent keeps
 * the alert from being read: so looks a certificate that is not accepted.
 */
function hungUp(cause: NodeJS.ErrnoException, isWritten: boolean): Error {
  // What could not be written to its end is mostly too large.
  if (cause.code !== 'ECONNRESET') return cause
  const code = 'agent/hung-up'
  if (!isWritten) {
    const message = 'the server ended a new connection while it was being made, twice'
    return new CountersignError(code, message, { cause, hint: 'nothing was sent: try again' })
  }
  const hint =
    'it may not accept this certificate: is it current, and of the trust domain of the server?'
  const message = 'the server ended a new connection without an answer'
  return new CountersignError(code, message, { cause, hint })
}
