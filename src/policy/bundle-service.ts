import {
  archiveOctetsMax,
  BundleServiceError,
  sendExchange,
  type Received,
} from './bundle-exchange.ts'
import { readBearer, readTls, type ServiceCredentials } from './service-credentials.ts'

/** Where bundles come from, in OPA's own words. */
export interface BundleServiceConfig extends ServiceCredentials {
  /** https, or http on loopback. */
  readonly url: string
  /** Below the URL. */
  readonly resource: string
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

/** RFC 1952 §2.3.1 */
const gzipBegin = Buffer.from([0x1f, 0x8b])

/** What servers send in the place of an archive, by their own names. Any other may be what we have asked with. */
const shownTypes: ReadonlySet<string> = new Set([
  '',
  'application/json',
  'application/octet-stream',
  'application/problem+json',
  'application/xml',
  'text/html',
  'text/plain',
  'text/xml',
])

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
  const { bodyMilliseconds } = options
  return {
    async ask({ etag, waitSeconds, signal }) {
      const prefer = waitSeconds === undefined ? '' : `;wait=${waitSeconds}`
      const headers = {
        accept: `${longPollType}, application/gzip, application/octet-stream`,
        prefer: `modes=snapshot${prefer}`,
        ...(etag === undefined ? {} : { 'if-none-match': etag }),
        ...(await readBearer(config)),
      }
      const headerMilliseconds = (config.responseHeaderTimeoutSeconds + (waitSeconds ?? 0)) * 1000
      const tls = await readTls(config)
      const bounds = { headerMilliseconds, bodyMilliseconds, octetsMax: archiveOctetsMax }
      const names = { server: 'bundle server', what: 'archive' } as const
      return read(await sendExchange({ url, headers, tls, signal, ...bounds, ...names }), etag)
    },
  }
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
    const got = `${body.length} octets of ${typeOf(contentType)}`
    throw new BundleServiceError(`bundle server answers without a gzip archive, got=${got}`, {
      httpCode: 200,
    })
  }
  return { kind: 'bundle', isLongPoll, archive: body, etag: etagOf(headers.etag) }
}

/** RFC 9110 §8.3.1, without its parameters. */
function typeOf(contentType: string): string {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  return shownTypes.has(type) ? `"${type}"` : 'another type'
}

/** RFC 9110 §8.8.3. What is none is sent back to nobody. */
function etagOf(etag: string | undefined): string | undefined {
  return etag !== undefined && /^(?:W\/)?"[\x21\x23-\x7e]{0,1024}"$/.test(etag) ? etag : undefined
}
