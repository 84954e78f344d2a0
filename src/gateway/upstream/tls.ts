import { hash } from 'node:crypto'
import { isIP, type LookupFunction } from 'node:net'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { clearDeadline } from '../../deadline.ts'
import { CountersignError } from '../../errors.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { Bundle, BundleSource } from '../../pki/bundle.ts'
import type { CredentialSource } from '../../pki/credential.ts'
import { intermediatesOf } from '../../pki/peer-chain.ts'
import { revocableCa, type Revocable } from '../../pki/revocation.ts'
import {
  parseX509Svid,
  verifyX509Svid,
  type SvidOptions,
  type X509Svid,
} from '../../pki/x509-svid.ts'
import { checkedLookup } from './reachable.ts'

/** The longest delay that `setTimeout` keeps. */
const delayMillisecondsMax = 2_147_483_647

export interface ConnectorOptions {
  readonly url: URL
  readonly spiffeId: SpiffeId
  readonly credential: CredentialSource
  readonly trustBundle: BundleSource
  readonly identityExtensionOid?: string | undefined
  readonly timeoutMilliseconds: number
  readonly now: () => number
  /** Why this certificate is not let in though it is good: it is revoked, or its pod is gone. A promise where that must be asked for. */
  readonly refuses?: Refuses | undefined
  /** Told of each connection: what is wrong with it, or nothing when the upstream proved to be the one expected. */
  readonly tried?: (error: Error | undefined) => void
  readonly lookup?: LookupFunction
}

export type Refuses = (
  svid: X509Svid,
  above: readonly Revocable[],
) => string | undefined | Promise<string | undefined>

/** Opens connections to one upstream, and knows those that are open. */
export interface Connector {
  connect(done: (error: Error | null, socket: TLSSocket | null) => void): void
  /** A new certificate or bundle: for the connections from now on. */
  renew(): void
  /** Ends the open connections whose other end would not be let in any more. */
  judgeAgain(): void
}

interface Server {
  readonly svid: X509Svid
  readonly intermediates: readonly Buffer[]
  /** The bundle that the chain was last verified with: another one means verifying again. */
  verifiedWith: Bundle | undefined
  /** The CAs between it and the anchor of that bundle, as they may be revoked. */
  above: readonly Revocable[]
}

/**
 * TLS 1.3, our certificate, and theirs judged by its SPIFFE ID. Host names prove nothing here: a certificate with only a URI name fails
 * Node's check, and one whose common name is the host would pass it.
 */
export function createConnector(options: ConnectorOptions): Connector {
  const { url, timeoutMilliseconds, tried = () => {} } = options
  const host = hostOf(url)
  const { lookup = checkedLookup(host) } = options
  const place = {
    host,
    port: url.port === '' ? 443 : Number(url.port),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: true,
    checkServerIdentity: () => undefined,
    lookup,
  }
  const open = new Map<TLSSocket, Server>()
  const readServer = createServerReader(options)
  let secureContext = contextOf(options)
  return {
    connect(done) {
      const socket = connect({ ...place, secureContext })
      const timer = setTimeout(() => {
        socket.destroy(new Error(`no connection in time, want=..${timeoutMilliseconds} ms`))
      }, timeoutMilliseconds)
      let isSettled = false
      const settle = (error: Error | null): void => {
        if (isSettled) return
        isSettled = true
        clearTimeout(timer)
        socket.off('error', settle).off('close', end)
        if (error !== null) socket.on('error', () => {}).destroy()
        tried(error ?? undefined)
        done(error, error === null ? socket : null)
      }
      const end = (): void => {
        settle(Object.assign(new Error('upstream has ended the connection'), { code: 'ENDED' }))
      }
      socket.once('error', settle).once('close', end)
      // No session is ever resumed: it would not show a certificate that is judged anew.
      socket.once('secureConnect', () => {
        try {
          const server = readServer(socket)
          const refusal = verifyServer(server, options)
          // What changes while it is asked about is judged as with all that are open.
          open.set(socket, server)
          socket.once('close', () => open.delete(socket))
          endAt(socket, server.svid.notAfter.getTime() - options.now())
          if (refusal === undefined) settle(null)
          else refusal.then(settle, settle)
        } catch (refused) {
          settle(refused as Error)
        }
      })
    },
    renew() {
      secureContext = contextOf(options)
    },
    judgeAgain() {
      for (const [socket, server] of open) {
        const end = (refused: unknown): void => {
          if (refused !== null) socket.destroy(refused as Error)
        }
        try {
          verifyServer(server, options)?.then(end, end)
        } catch (refused) {
          end(refused)
        }
      }
    },
  }
}

/** As connections want it: an address of IPv6 without its brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

function contextOf({ credential, trustBundle }: ConnectorOptions): SecureContext {
  const { chainPem, privateKeyPem } = credential.current()
  return createSecureContext({
    cert: chainPem,
    key: privateKeyPem,
    ca: trustBundle.current().pem,
    minVersion: 'TLSv1.3',
  })
}

/** Throws `gateway/upstream-identity`, `pki/svid`. */
function createServerReader({
  credential,
  identityExtensionOid,
}: ConnectorOptions): (socket: TLSSocket) => Server {
  const read = createSvidReader(identityExtensionOid === undefined ? {} : { identityExtensionOid })
  return (socket) => {
    // Before the leaf, which Node takes off the chain when it is asked for it (nodejs/node#65579).
    const intermediates = intermediatesOf(socket, credential.current())
    const raw = socket.getPeerX509Certificate()?.raw
    if (!socket.authorized || raw === undefined) {
      throw new CountersignError('gateway/upstream-identity', 'upstream has shown no certificate')
    }
    return { svid: read(raw), intermediates, verifiedWith: undefined, above: [] }
  }
}

/** Of the replicas of one server; some eight kilobytes each. */
const keptMax = 64

/** Reads a certificate once for all connections on which it is shown: each stream of a session has one of its own. Throws `pki/svid`. */
function createSvidReader(options: SvidOptions): (der: Buffer) => X509Svid {
  const kept = new Map<string, X509Svid>()
  return (der) => {
    const sha256 = hash('sha256', der, 'hex')
    const known = kept.get(sha256)
    if (known !== undefined) return known
    const svid = parseX509Svid(der, options)
    const [oldest] = kept.keys()
    if (kept.size >= keptMax && oldest !== undefined) kept.delete(oldest)
    kept.set(sha256, svid)
    return svid
  }
}

/** Throws `gateway/upstream-identity`, `gateway/upstream-revoked`, `pki/…`; a promise of one where the last must be asked for. */
function verifyServer(
  server: Server,
  options: ConnectorOptions,
): Promise<CountersignError | null> | undefined {
  const { svid, intermediates } = server
  const { spiffeId, trustBundle, now, refuses } = options
  if (svid.spiffeId.uri !== spiffeId.uri) {
    throw new CountersignError(
      'gateway/upstream-identity',
      `upstream is somebody else, want=${spiffeId.uri} got=${svid.spiffeId.uri}`,
    )
  }
  const bundle = trustBundle.current()
  if (server.verifiedWith !== bundle) {
    server.above = verifyX509Svid(svid, { bundle, intermediates, now: now() }).map(revocableCa)
    server.verifiedWith = bundle
  }
  const refused = refuses?.(svid, server.above)
  if (typeof refused === 'string') throw revoked(refused)
  return refused?.then((asked) => (asked === undefined ? null : revoked(asked)))
}

function revoked(why: string): CountersignError {
  return new CountersignError('gateway/upstream-revoked', why)
}

/** An open connection outlives its certificate unless somebody ends it. */
function endAt(socket: TLSSocket, milliseconds: number): void {
  const end = (): void => {
    socket.destroy(new CountersignError('gateway/upstream-identity', 'certificate has expired'))
  }
  const timer = setTimeout(end, Math.min(milliseconds, delayMillisecondsMax)).unref()
  socket.once('close', () => clearDeadline(timer))
}
