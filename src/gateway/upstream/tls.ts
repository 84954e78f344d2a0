import type { TLSSocket } from 'node:tls'
import buildConnector from 'undici/lib/core/connect.js'
import { CountersignError } from '../../errors.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { BundleSource } from '../../pki/bundle.ts'
import type { CredentialSource } from '../../pki/credential.ts'
import { parseX509Svid, verifyX509Svid } from '../../pki/x509-svid.ts'
import { intermediatesOf } from '../../pki/peer-chain.ts'

/** The longest delay that `setTimeout` keeps. */
const delayMillisecondsMax = 2_147_483_647

export interface ConnectorOptions {
  readonly spiffeId: SpiffeId
  readonly credential: CredentialSource
  readonly trustBundle: BundleSource
  readonly identityExtensionOid?: string | undefined
  readonly timeoutMilliseconds: number
  readonly now: () => number
  /** Told of each connection: what is wrong with it, or nothing when the upstream proved to be the one expected. */
  readonly tried?: (error: Error | undefined) => void
}

/**
 * Opens connections to one upstream: TLS 1.3, our certificate, and theirs judged by its SPIFFE ID. Host names prove nothing here:
 * a certificate with only a URI name fails Node's check, and one whose common name is the host would pass it.
 */
export function connectorTo(options: ConnectorOptions): buildConnector.connector {
  const own = options.credential.current()
  const open = buildConnector({
    cert: own.chainPem,
    key: own.privateKeyPem,
    ca: options.trustBundle.current().pem,
    minVersion: 'TLSv1.3',
    rejectUnauthorized: true,
    checkServerIdentity: () => undefined,
    // A resumed session would not show a certificate that is judged anew.
    maxCachedSessions: 0,
    timeout: options.timeoutMilliseconds,
  })
  const { tried = () => {} } = options
  return (target, callback) => {
    open(target, (error, socket) => {
      if (error !== null || socket === null) {
        tried(error ?? new Error('no socket'))
        callback(error ?? new Error('no socket'), null)
        return
      }
      try {
        const notAfter = verifyServer(socket as TLSSocket, options)
        endAt(socket as TLSSocket, notAfter.getTime() - options.now())
      } catch (refused) {
        socket.destroy()
        tried(refused as Error)
        callback(refused as Error, null)
        return
      }
      tried(undefined)
      callback(null, socket)
    })
  }
}

/** Throws `gateway/upstream-identity`, `pki/…`. */
function verifyServer(socket: TLSSocket, options: ConnectorOptions): Date {
  const { spiffeId, trustBundle, credential, identityExtensionOid, now } = options
  const raw = socket.getPeerX509Certificate()?.raw
  if (!socket.authorized || raw === undefined) {
    throw new CountersignError('gateway/upstream-identity', 'upstream has shown no certificate')
  }
  const svid = parseX509Svid(
    raw,
    identityExtensionOid === undefined ? {} : { identityExtensionOid },
  )
  if (svid.spiffeId.uri !== spiffeId.uri) {
    throw new CountersignError(
      'gateway/upstream-identity',
      `upstream is somebody else, want=${spiffeId.uri} got=${svid.spiffeId.uri}`,
    )
  }
  const intermediates = intermediatesOf(socket, credential.current())
  verifyX509Svid(svid, { bundle: trustBundle.current(), intermediates, now: now() })
  return svid.notAfter
}

/** An open connection outlives its certificate unless somebody ends it. */
function endAt(socket: TLSSocket, milliseconds: number): void {
  const end = (): void => {
    socket.destroy(new CountersignError('gateway/upstream-identity', 'certificate has expired'))
  }
  const timer = setTimeout(end, Math.min(milliseconds, delayMillisecondsMax)).unref()
  socket.once('close', () => clearTimeout(timer))
}
