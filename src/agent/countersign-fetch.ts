import { Agent, request as httpsRequest, type AgentOptions } from 'node:https'
import { Readable } from 'node:stream'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { CountersignError } from '../errors.ts'
import { parseSpiffeId } from '../identity/spiffe-id.ts'
import { silentLog, type Log } from '../log.ts'
import { openBundleFile, type BundleSource } from '../pki/bundle.ts'
import { openCredentialFile, type CredentialSource } from '../pki/credential.ts'
import { parseX509Svid } from '../pki/x509-svid.ts'

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
    fetch: (url, init = {}) =>
      send(new URL(url), init, agent, (socket) => {
        localPort = socket.localPort
      }),
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

function send(
  url: URL,
  init: RequestInit,
  agent: Agent,
  onAnswer: (socket: TLSSocket) => void,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(url, {
      agent,
      method: init.method ?? 'GET',
      headers: Object.fromEntries(new Headers(init.headers)),
      ...(init.signal ? { signal: init.signal } : {}),
    })
    outgoing.once('error', reject)
    outgoing.once('response', (incoming) => {
      onAnswer(incoming.socket as TLSSocket)
      const headers = new Headers()
      for (const [name, values] of Object.entries(incoming.headersDistinct)) {
        for (const value of values ?? []) headers.append(name, value)
      }
      const status = incoming.statusCode ?? 0
      const empty = status === 202 || status === 204 || status === 304
      if (empty) incoming.resume()
      const body = empty ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>)
      resolve(new Response(body, { status, headers }))
    })
    const { body } = init
    if (typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body)
    else if (body === undefined || body === null) outgoing.end()
    else
      outgoing.destroy(
        new CountersignError('agent/request-body', 'want=a text or octets as the body'),
      )
  })
}
