import type { IncomingMessage } from 'node:http'
import { Agent, type AgentOptions } from 'node:https'
import { Readable } from 'node:stream'
import type { PeerCertificate } from 'node:tls'
import { CountersignError } from '../errors.ts'
import { parseSpiffeId } from '../identity/spiffe-id.ts'
import { silentLog, type Log } from '../log.ts'
import { openBundleFile, type BundleSource } from '../pki/bundle.ts'
import { openCredentialFile, type CredentialSource } from '../pki/credential.ts'
import { parseX509Svid } from '../pki/x509-svid.ts'
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
  /** At most this many connections, 8 by default. */
  readonly connectionsMax?: number
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
  const { log = silentLog, now = Date.now, connectionsMax = 8 } = options
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
  let agent = newAgent()
  let localPort: number | undefined
  const renew = (): void => {
    // Requests under way keep their sockets: only the idle ones end here.
    const idle = Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? [])
    agent = newAgent()
    for (const socket of idle) socket.destroy()
  }
  const detach = [credential.onChange(renew), trustBundle.onChange(renew)]
  return {
    async fetch(url, init = {}) {
      const incoming = await sendRequest(prepare(new URL(url), init), () => agent)
      localPort = incoming.socket.localPort
      try {
        return responseOf(incoming)
      } catch (error) {
        // A status that `Response` does not take.
        incoming.destroy()
        throw error
      }
    },
    get localPort() {
      return localPort
    },
    async [Symbol.asyncDispose]() {
      for (const each of detach) each()
      agent.destroy()
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

function prepare(url: URL, { method, headers, body, signal }: RequestInit): PreparedRequest {
  if (body !== undefined && body !== null && typeof body !== 'string' && !isOctets(body)) {
    throw new CountersignError('agent/request-body', 'want=a text or octets as the body')
  }
  return {
    url,
    method: method ?? 'GET',
    headers: Object.fromEntries(new Headers(headers)),
    body: body ?? undefined,
    signal: signal ?? undefined,
  }
}

function isOctets(body: object): body is Uint8Array<ArrayBuffer> {
  return body instanceof Uint8Array
}

/** Statuses of answers that have no body (Fetch §2.2.3). */
const nullBodyStatuses: ReadonlySet<number> = new Set([202, 204, 205, 304])

function responseOf(incoming: IncomingMessage): Response {
  const headers = new Headers()
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  const status = incoming.statusCode ?? 0
  const empty = nullBodyStatuses.has(status)
  if (empty) incoming.resume()
  const body = empty ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>)
  return new Response(body, { status, headers })
}
