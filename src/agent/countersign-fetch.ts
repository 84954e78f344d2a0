import type { IncomingMessage } from 'node:http'
import { Agent, type AgentOptions } from 'node:https'
import { Readable } from 'node:stream'
import type { PeerCertificate } from 'node:tls'
import { CountersignError } from '../errors.ts'
import { parseSpiffeId } from '../identity/spiffe-id.ts'
import { silentLog, type Log } from '../log.ts'
import { openBundleFile, type BundleSource } from '../pki/bundle.ts'
import { openCredentialFile, type Credential, type CredentialSource } from '../pki/credential.ts'
import { parseX509Svid } from '../pki/x509-svid.ts'
import { createPlaces } from './places.ts'
import { sendRequest, type PreparedRequest } from './send-request.ts'

/** A `fetch` that shows this pod's certificate and talks to one server only, known by its SPIFFE ID. */
export interface CountersignFetch extends AsyncDisposable {
  readonly fetch: (url: string | URL, init?: RequestInit) => Promise<Response>
  /** The local port of the connection that answered last: tells whether two requests shared one. */
  readonly localPort: number | undefined
}

export interface CountersignFetchOptions {
  /** Path of the mounted one-file bundle: PKCS#8 key, then the chain. */
  readonly credentialBundle: string
  /** Path of the mounted trust bundle. */
  readonly trustBundle: string
  /** The SPIFFE ID that the server must prove; its host name proves nothing. */
  readonly server: string
  /**
   * At most so many connections, so at most so many requests whose answers are not read to their end; 64 by default, which is what a gateway
   * grants one pod. A request beyond them waits for `waitMilliseconds`, then it is rejected with `agent/connections`.
   */
  readonly connectionsMax?: number
  /** 5,000 by default. */
  readonly waitMilliseconds?: number
  /** How long a new connection may take until the server has proved itself; 10,000 by default. */
  readonly connectMilliseconds?: number
  readonly log?: Log
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

/**
 * What an agent gives its MCP client: `new StreamableHTTPClientTransport(url, { fetch })`. New connections follow the
 * mounted files as they rotate. Throws `pki/credential` or `pki/bundle` when they are not there or not usable.
 */
export async function openCountersignFetch(
  options: CountersignFetchOptions,
): Promise<CountersignFetch> {
  const { log = silentLog, now = Date.now, connectionsMax = 64 } = options
  const { waitMilliseconds = 5000, connectMilliseconds = 10_000 } = options
  const server = parseSpiffeId(options.server)
  const credential = await openCredentialFile({ file: options.credentialBundle, log })
  const trustBundle = await openBundleFile({
    file: options.trustBundle,
    trustDomain: server.trustDomain,
    now,
    log,
  })
  const newAgent = (): Agent =>
    new Agent({ ...tlsOptions(credential, trustBundle, server.uri), maxSockets: connectionsMax })
  const places = createPlaces({ placesMax: connectionsMax, waitMilliseconds })
  let agent = newAgent()
  let localPort: number | undefined
  /** Of certificates before this one, with requests that are under way. */
  let retired: readonly Agent[] = []
  const renew = (): void => {
    const idle = Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? [])
    // What is under way keeps its connection to its end, and nobody has it after that.
    agent.maxFreeSockets = 0
    retired = [...retired, agent].filter(({ sockets }) => Object.keys(sockets).length > 0)
    agent = newAgent()
    for (const socket of idle) socket.destroy()
  }
  const detach = [credential.onChange(renew), trustBundle.onChange(renew)]
  return {
    async fetch(url, init = {}) {
      const request = prepare(new URL(url), init, connectMilliseconds)
      const leave = await places.enter(request.signal)
      try {
        const incoming = await sendRequest(request, () => agent)
        localPort = incoming.socket.localPort
        // The connection is another request's from the last octet on, not only when the body is done with.
        incoming.once('end', leave).once('close', leave)
        return responseOf(incoming)
      } catch (error) {
        leave()
        throw explained(error, credential.current(), now())
      }
    },
    get localPort() {
      return localPort
    },
    async [Symbol.asyncDispose]() {
      for (const each of detach) each()
      for (const each of [...retired, agent]) each.destroy()
      await credential[Symbol.asyncDispose]()
      await trustBundle[Symbol.asyncDispose]()
    },
  }
}

function tlsOptions(
  credential: CredentialSource,
  trustBundle: BundleSource,
  server: string,
): AgentOptions {
  const { chainPem, privateKeyPem } = credential.current()
  return {
    cert: chainPem,
    key: privateKeyPem,
    ca: trustBundle.current().pem,
    minVersion: 'TLSv1.3',
    keepAlive: true,
    // The chain is OpenSSL's to verify; whose certificate it is, is ours (X509-SVID §5.2).
    checkServerIdentity: (_host: string, peer: PeerCertificate) => checkServer(peer, server),
  }
}

function checkServer(peer: PeerCertificate, server: string): Error | undefined {
  try {
    const { uri } = parseX509Svid(peer.raw).spiffeId
    if (uri === server) return undefined
    return new CountersignError(
      'agent/server-identity',
      `server is not who it should be: want=${server} got=${uri}`,
    )
  } catch (error) {
    return error as Error
  }
}

function prepare(url: URL, init: RequestInit, connectMilliseconds: number): PreparedRequest {
  const { method = 'GET', body, signal } = init
  const headers = new Headers(init.headers)
  return {
    url,
    method,
    body: bodyOf(body ?? undefined, headers),
    headers: Object.fromEntries(headers),
    signal: signal ?? undefined,
    connectMilliseconds,
  }
}

/** Text and octets as they are, so that they may be sent a second time; of all else, what `Response` makes of it (Fetch §5.2). */
function bodyOf(body: RequestInit['body'], headers: Headers): PreparedRequest['body'] {
  if (body === undefined || body === null) return undefined
  if (typeof body === 'string' || body instanceof Uint8Array) return body
  const extracted = new Response(body)
  const type = extracted.headers.get('content-type')
  if (type !== null && !headers.has('content-type')) headers.set('content-type', type)
  return extracted.body ?? undefined
}

/** What a server does to a certificate that it does not accept. */
const refusals: ReadonlySet<unknown> = new Set(['agent/hung-up', 'ECONNRESET', 'EPIPE'])

/** Where the certificate has expired, a server that ended the connection has done so for that. */
function explained(error: unknown, { svid }: Credential, now: number): unknown {
  const { code } = error as { readonly code?: unknown }
  const isRefusal = refusals.has(code) || (typeof code === 'string' && code.includes('_ALERT_'))
  if (!isRefusal || now < svid.notAfter.getTime()) return error
  return new CountersignError(
    'agent/certificate-expired',
    `the mounted certificate has expired: notAfter=${svid.notAfter.toISOString()}`,
    { cause: error, hint: 'kubelet has not renewed it: the events of the pod say why' },
  )
}

/** Statuses of answers that have no body (Fetch §2.2.3). */
const nullBodyStatuses: ReadonlySet<number> = new Set([202, 204, 205, 304])

/** Older versions of Node count chunks where octets are meant, and read ahead without end. */
const strategy = new ByteLengthQueuingStrategy({ highWaterMark: 64 * 1024 })

function responseOf(incoming: IncomingMessage): Response {
  const headers = new Headers()
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  const status = incoming.statusCode ?? 0
  try {
    if (!nullBodyStatuses.has(status)) {
      const body = Readable.toWeb(incoming, { strategy }) as ReadableStream<Uint8Array>
      return new Response(body, { status, headers })
    }
    incoming.resume()
    return new Response(null, { status, headers })
  } catch (error) {
    // A status or a header that `Response` does not take.
    incoming.destroy()
    throw error
  }
}
