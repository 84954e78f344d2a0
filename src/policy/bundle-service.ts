import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { readBoundedFile } from '../bounded-file.ts'
import { CountersignError, quoted } from '../errors.ts'
import { version } from '../version.ts'

/** Where bundles come from, in OPA's own words. Files are read for each request: they are renewed where they are mounted. */
export interface BundleServiceConfig {
  /** https, or http on loopback. */
  readonly url: string
  /** Below the URL. */
  readonly resource: string
  /** Node's own authorities when absent. */
  readonly tls?: { readonly caCert: string } | undefined
  readonly credentials?:
    | {
        readonly bearer?: { readonly tokenPath: string } | undefined
        readonly clientTls?: { readonly cert: string; readonly privateKey: string } | undefined
      }
    | undefined
  readonly responseHeaderTimeoutSeconds: number
}

/** What a bundle server has said. */
export type BundleAnswer = {
  /** The server holds requests until there is something new. */
  readonly isLongPoll: boolean
} & (
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'bundle'
      readonly archive: Buffer
      readonly etag: string | undefined
    }
)

export interface BundleQuestion {
  /** Of the bundle in force. */
  readonly etag: string | undefined
  /** How long the server may wait until there is something new. */
  readonly waitSeconds: number | undefined
  readonly signal: AbortSignal
}

export interface BundleService {
  /** Throws `BundleServiceError`. */
  ask(question: BundleQuestion): Promise<BundleAnswer>
}

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

/** Tokens, keys and chains are far smaller. */
const credentialOctetsMax = 1024 * 1024

/** RFC 1952 §2.3.1 */
const gzipBegin = Buffer.from([0x1f, 0x8b])

/** OPA's word for a server that holds a request (`Prefer: wait`). */
const longPollType = 'application/vnd.openpolicyagent.bundles'

/**
 * Asks a bundle server as OPA does: `If-None-Match`, `Prefer: modes=snapshot;wait=…`, 200 or 304. Redirects are not followed, no body
 * is read beyond `archiveOctetsMax`, and nobody is waited for longer than the deadlines.
 */
export function createBundleService(
  config: BundleServiceConfig,
  options: { readonly bodyMilliseconds?: number } = {},
): BundleService {
  const url = new URL(`${config.url.replace(/\/+$/, '')}/${config.resource}`)
  const bodyMilliseconds = options.bodyMilliseconds ?? bodyMillisecondsDefault
  return {
    async ask({ etag, waitSeconds, signal }) {
      const prefer = waitSeconds === undefined ? '' : `;wait=${waitSeconds}`
      const headers = {
        accept: `${longPollType}, application/gzip, application/octet-stream`,
        'accept-encoding': 'identity',
        prefer: `modes=snapshot${prefer}`,
        'user-agent': `countersign/${version}`,
        ...(etag === undefined ? {} : { 'if-none-match': etag }),
        ...(await readBearer(config)),
      }
      const headerMilliseconds = (config.responseHeaderTimeoutSeconds + (waitSeconds ?? 0)) * 1000
      const tls = await readTls(config)
      const exchange = { url, headers, tls, signal, headerMilliseconds, bodyMilliseconds }
      return read(await send(exchange), etag)
    },
  }
}

async function readBearer({
  credentials,
}: BundleServiceConfig): Promise<{ readonly authorization?: string }> {
  if (credentials?.bearer === undefined) return {}
  const token = (await readCredential(credentials.bearer.tokenPath)).trim()
  // RFC 6750 §2.1, b64token: nothing of a file may begin another header.
  if (!/^[A-Za-z0-9\-._~+/]+=*$/.test(token)) {
    throw new BundleServiceError('bearer token is no token, want=b64token of RFC 6750', {})
  }
  return { authorization: `Bearer ${token}` }
}

interface Tls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

async function readTls({ tls, credentials }: BundleServiceConfig): Promise<Tls> {
  const { clientTls } = credentials ?? {}
  const [ca, cert, key] = await Promise.all(
    [tls?.caCert, clientTls?.cert, clientTls?.privateKey].map(async (file) =>
      file === undefined ? undefined : await readCredential(file),
    ),
  )
  // Of an empty text, as a file has that is written anew, Node makes the authorities of the system.
  if (ca === '') throw new BundleServiceError('file of authorities is empty', {})
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  }
}

async function readCredential(file: string): Promise<string> {
  try {
    // Mounted files are links of the kubelet, so links are followed.
    const found = await readBoundedFile(file, credentialOctetsMax)
    if (found !== undefined) return found.content.toString()
  } catch (cause) {
    const message = `file of the bundle service cannot be read, got=${quoted(file, 200)}`
    throw new BundleServiceError(message, { cause })
  }
  throw new BundleServiceError(`file of the bundle service is too large: ${quoted(file, 200)}`, {})
}

interface Exchange {
  readonly url: URL
  readonly headers: OutgoingHttpHeaders
  readonly tls: Tls
  readonly signal: AbortSignal
  readonly headerMilliseconds: number
  readonly bodyMilliseconds: number
}

interface Received {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  /** Of 200 alone: nothing else is read. */
  readonly body: Buffer
}

function send(exchange: Exchange): Promise<Received> {
  const { url, headers, tls, signal, headerMilliseconds, bodyMilliseconds } = exchange
  if (signal.aborted) return Promise.reject(unwanted())
  const received = Promise.withResolvers<Received>()
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  const settings = { ...tls, headers, agent: false, minVersion: 'TLSv1.2' } as const
  let sent: ReturnType<typeof request>
  try {
    sent = request(url, settings)
  } catch (cause) {
    // Keys that do not fit, before anything is sent.
    throw unreachable(cause)
  }
  const { reject } = received
  const stop = (): void => reject(unwanted())
  // Whoever waits is told here: a request that was given away to another protocol is destroyed without a word.
  const endIn = (milliseconds: number, what: string): NodeJS.Timeout =>
    setTimeout(() => {
      reject(new BundleServiceError(`${what} in time, want=..${milliseconds} ms`, {}))
    }, milliseconds)
  let timer = endIn(headerMilliseconds, 'bundle server does not answer')
  sent.once('response', (response) => {
    clearTimeout(timer)
    timer = endIn(bodyMilliseconds, 'bundle server does not send the bundle')
    receive(response).then(received.resolve, reject)
  })
  sent.once('upgrade', ({ statusCode: status = 101, headers }, socket) => {
    socket.destroy()
    received.resolve({ status, headers, body: Buffer.alloc(0) })
  })
  sent.on('error', (error) => reject(unreachable(error)))
  signal.addEventListener('abort', stop, { once: true })
  sent.end()
  return received.promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
    sent.destroy()
  })
}

async function receive(response: IncomingMessage): Promise<Received> {
  const { statusCode: status = 0, headers } = response
  if (status !== 200) return { status, headers, body: Buffer.alloc(0) }
  const chunks: Buffer[] = []
  checkLength(Number(headers['content-length'] ?? 0))
  let octets = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      octets += chunk.length
      checkLength(octets)
      chunks.push(chunk)
    }
  } catch (error) {
    throw unreachable(error)
  }
  return { status, headers, body: Buffer.concat(chunks) }
}

function checkLength(octets: number): void {
  if (octets <= archiveOctetsMax) return
  throw new BundleServiceError(`bundle is too large, want=..${archiveOctetsMax} octets packed`, {
    httpCode: 200,
  })
}

function read({ status, headers, body }: Received, etag: string | undefined): BundleAnswer {
  const contentType = headers['content-type'] ?? ''
  const isLongPoll = contentType === longPollType
  if (status === 304 && etag !== undefined) return { kind: 'unchanged', isLongPoll }
  if (status !== 200) {
    const want = etag === undefined ? '200' : '200 or 304'
    throw new BundleServiceError(`bundle server answers ${status}, want=${want}`, {
      httpCode: status,
    })
  }
  // A page that tells of an error is none, and says so by its type.
  if (!gzipBegin.equals(body.subarray(0, gzipBegin.length))) {
    const got = `${body.length} octets of ${quoted(contentType)}`
    throw new BundleServiceError(`bundle server answers without a gzip archive, got=${got}`, {
      httpCode: 200,
    })
  }
  return { kind: 'bundle', isLongPoll, archive: body, etag: etagOf(headers.etag) }
}

/** RFC 9110 §8.8.3. What is none is sent back to nobody. */
function etagOf(etag: string | undefined): string | undefined {
  return etag !== undefined && /^(?:W\/)?"[\x21\x23-\x7e]{0,1024}"$/.test(etag) ? etag : undefined
}

function unwanted(): BundleServiceError {
  return new BundleServiceError('bundle server is asked no more', {})
}

/** By its code alone: an error of Node's parser carries what the server sent, which may be the request with its token. */
function unreachable(error: unknown): BundleServiceError {
  if (error instanceof BundleServiceError) return error
  const { code, message } = error as NodeJS.ErrnoException
  const got = code ?? quoted(message)
  return new BundleServiceError(`bundle server cannot be asked, got=${got}`, {})
}
