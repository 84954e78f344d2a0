import { request as httpRequest, Agent as HttpAgent, type IncomingMessage } from 'node:http'
import { request as httpsRequest, Agent as HttpsAgent } from 'node:https'
import { CountersignError } from '../../errors.ts'
import { version } from '../../version.ts'
import { codeOf } from '../error-code.ts'
import { readBearer, readTls, type ServiceCredentials } from '../service-credentials.ts'

/** Where decisions are sent, in OPA's own words. */
export interface UploadTarget extends ServiceCredentials {
  /** https, or http on loopback. */
  readonly url: string
  /** Below the URL: `logs`, or `logs/<partition>`. */
  readonly resource: string
  readonly responseHeaderTimeoutSeconds: number
}

/** Why a chunk is not with its receiver, as far as we know. */
export class UploadError extends CountersignError {
  /** As the receiver said it; undefined where it said nothing. */
  readonly httpCode: number | undefined
  /** How long it wants to be left alone. */
  readonly waitMilliseconds: number

  constructor(
    message: string,
    said: { readonly httpCode?: number; readonly waitMilliseconds?: number } = {},
  ) {
    super('policy/upload', message)
    this.httpCode = said.httpCode
    this.waitMilliseconds = said.waitMilliseconds ?? 0
  }
}

/** Sends one chunk. Throws `UploadError` where it is not taken. */
export interface Poster extends Disposable {
  post(body: Buffer, signal: AbortSignal): Promise<void>
}

/** Whatever a receiver says, in the end it is asked again. */
const retryAfterMillisecondsMax = 3_600_000

/** Of an answer that says no more than its status. */
const answerOctetsMax = 64 * 1024

interface Connecting {
  readonly agent: HttpAgent | HttpsAgent
  /** What it was made of: files are renewed where they are mounted. */
  readonly material: string
}

/** Sends as OPA does. Redirects are not followed; the connection stays open between two chunks. */
export function createPoster(target: UploadTarget): Poster {
  const url = new URL(`${target.url.replace(/\/+$/, '')}/${target.resource}`)
  const isTls = url.protocol === 'https:'
  let connecting: Connecting | undefined
  const connect = async (): Promise<HttpAgent | HttpsAgent> => {
    const tls = isTls ? await readTls(target) : {}
    const material = JSON.stringify(tls)
    if (connecting?.material !== material) {
      connecting?.agent.destroy()
      const how = { keepAlive: true, maxSockets: 1 }
      const agent = isTls
        ? new HttpsAgent({ ...how, ...tls, minVersion: 'TLSv1.2' })
        : new HttpAgent(how)
      connecting = { agent, material }
    }
    return connecting.agent
  }
  return {
    async post(body, signal) {
      const { agent, headers } = await prepare(target, connect)
      const sending = { url, agent, headers, body, signal }
      const milliseconds = target.responseHeaderTimeoutSeconds * 1000
      check(
        await sendOnce(sending, milliseconds).catch((error: unknown) => {
          // A connection that was kept has ended while we wrote: that says nothing of the receiver.
          if (!(error instanceof StaleConnection)) throw error
          return sendOnce(sending, milliseconds)
        }),
      )
    },
    [Symbol.dispose]: () => connecting?.agent.destroy(),
  }
}

/** What goes wrong with a file here names the file, never what it holds. */
async function prepare(
  target: UploadTarget,
  connect: () => Promise<HttpAgent | HttpsAgent>,
): Promise<Pick<Sending, 'agent' | 'headers'>> {
  try {
    const bearer = await readBearer(target)
    const own = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
    const headers = { ...own, 'user-agent': `countersign/${version}`, ...bearer }
    return { agent: await connect(), headers }
  } catch (error) {
    throw new UploadError(messageOf(error))
  }
}

interface Sending {
  readonly url: URL
  readonly agent: HttpAgent | HttpsAgent
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly signal: AbortSignal
}

class StaleConnection extends UploadError {}

type Answer = Pick<IncomingMessage, 'statusCode' | 'headers'>

function sendOnce(sending: Sending, headerMilliseconds: number): Promise<Answer> {
  const { url, agent, headers, body, signal } = sending
  if (signal.aborted) return Promise.reject(new UploadError('nothing is sent any more'))
  const answered = Promise.withResolvers<Answer>()
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  let sent: ReturnType<typeof request>
  try {
    sent = request(url, {
      method: 'POST',
      agent,
      headers: { ...headers, 'content-length': body.length },
    })
  } catch (error) {
    // Keys that do not fit, before anything is sent.
    return Promise.reject(unreachable(error))
  }
  const end = (error: UploadError): void => {
    answered.reject(error)
    sent.destroy()
  }
  const stop = (): void => end(new UploadError('nothing is sent any more'))
  const timer = setTimeout(
    () => end(new UploadError(`receiver does not answer in time, want=..${headerMilliseconds} ms`)),
    headerMilliseconds,
  )
  sent.once('response', (response) => {
    const { statusCode, headers: said } = response
    void endOf(response).then(() => answered.resolve({ statusCode, headers: said }))
  })
  sent.once('upgrade', (_, socket) => {
    socket.destroy()
    end(new UploadError('receiver answers 101, want=2xx', { httpCode: 101 }))
  })
  sent.on('error', (error) =>
    answered.reject(sent.reusedSocket ? new StaleConnection(messageOf(error)) : unreachable(error)),
  )
  signal.addEventListener('abort', stop, { once: true })
  sent.end(body)
  return answered.promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  })
}

/** Reads what nobody needs, so that the connection can be kept; it is not, where there is much of that. */
function endOf(response: IncomingMessage): Promise<void> {
  let octets = 0
  response.on('data', (chunk: Buffer) => {
    octets += chunk.length
    if (octets > answerOctetsMax) response.destroy()
  })
  response.on('error', () => {})
  return new Promise((resolve) => void response.once('close', resolve))
}

function check({ statusCode = 0, headers }: Answer): void {
  if (statusCode >= 200 && statusCode < 300) return
  throw new UploadError(`receiver answers ${statusCode}, want=2xx`, {
    httpCode: statusCode,
    waitMilliseconds: retryAfterOf(headers['retry-after'], Date.now()),
  })
}

/** RFC 9110 §10.2.3: seconds, or a date. What is neither says nothing. */
export function retryAfterOf(text: string | undefined, now: number): number {
  if (text === undefined) return 0
  const milliseconds = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  return Number.isFinite(milliseconds)
    ? Math.min(Math.max(0, milliseconds), retryAfterMillisecondsMax)
    : 0
}

/** By its code alone: an error of Node's parser carries what the receiver sent, which may be the request with its token. */
function unreachable(error: unknown): UploadError {
  return new UploadError(`receiver cannot be reached, got=${messageOf(error)}`)
}

export function messageOf(error: unknown): string {
  return error instanceof CountersignError ? error.message : codeOf(error)
}
