import type { TLSSocket } from 'node:tls'
import { Bag } from '../../bag.ts'
import { CountersignError } from '../../errors.ts'
import type { Bundle } from '../../pki/bundle.ts'
import type { CredentialSource } from '../../pki/credential.ts'
import { intermediatesOf } from '../../pki/peer-chain.ts'
import type { Revocable } from '../../pki/revocation.ts'
import type { X509Svid } from '../../pki/x509-svid.ts'
import { identityRefusal, type Refusal } from '../refusal.ts'
import type { Account, BodyRoom, Unsent } from '../../shares.ts'
import {
  createCertificateReader,
  type CertificateReading,
  type Certified,
  type Named,
} from './certified.ts'

/** A certificate as it was shown on one connection. */
export interface Shown extends Named {
  /** Asked only where no anchor has issued its certificate itself: Node takes longer to tell than the certificate takes to be read. */
  readonly intermediates: () => readonly Buffer[]
  /** The bundle that the chain was last verified with: another one means verifying again. */
  verifiedWith: Bundle | undefined
  /** The CAs between it and the anchor of that bundle, as they may be revoked. */
  above: readonly Revocable[]
}

/** Who is at the other end of one TLS connection: parsed and verified once, judged on every request. */
export interface Caller extends Certified, Shown {
  readonly unsent: Unsent
  readonly bodies: BodyRoom
  /** Ends one open answer each, and says why in it. */
  readonly streams: Bag<(refusal: Refusal) => void>
  /** Why nothing is done for it any more, whatever was begun: its identity has ended since. */
  ended: Refusal | undefined
  /** Requests of this connection between their first check and the end of their answer. */
  open: number
}

export interface CallerOptions extends CertificateReading {
  readonly credential: CredentialSource
  readonly unsentOf: (account: Account) => Unsent
  readonly bodiesOf: (account: Account) => BodyRoom
  /** Why nobody stands behind what was shown, if nobody does. */
  readonly judgeTrust: (shown: Shown) => Refusal | undefined
}

/** Somebody for whom nothing is done, with the certificate where its trust domain stands behind it. */
export interface Stranger {
  readonly refusal: Refusal
  readonly svid: X509Svid | undefined
}

/**
 * Reads the certificate of a finished handshake, which proves its key and no more: `socket.authorized` says nothing where other trust
 * domains are known, and survives the certificate elsewhere. Who is not proved is nobody: nothing is taken, learned or ended in the
 * name that it shows.
 */
export function createCallerReader(
  options: CallerOptions,
): (socket: TLSSocket) => Caller | Stranger {
  const { credential, unsentOf, bodiesOf, judgeTrust } = options
  const readCertificate = createCertificateReader(options)
  return (socket) => {
    const raw = socket.getPeerX509Certificate()?.raw
    if (raw === undefined) return stranger('no client certificate')
    try {
      // Those that we have now: its chain was made while they were good.
      const { intermediates } = credential.current()
      const shown = {
        ...readCertificate(raw),
        intermediates: () => intermediatesOf(socket, { intermediates }),
        verifiedWith: undefined,
        above: [],
      }
      const { svid } = shown
      const { uri } = svid.spiffeId
      const untrusted = judgeTrust(shown)
      if (untrusted !== undefined) {
        const { message, detail = 'at its handshake' } = untrusted
        return stranger(message, `${detail}, shown=${uri}`)
      }
      if (!('identity' in shown))
        return { refusal: identityRefusal('certificate has no identity extension', uri), svid }
      return {
        ...shown,
        unsent: unsentOf(shown.account),
        streams: new Bag(),
        bodies: bodiesOf(shown.account),
        ended: undefined,
        open: 0,
      }
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      return stranger('certificate is no X.509 SVID', error.message)
    }
  }
}

/** Somebody whose certificate tells nothing. */
export function stranger(message: string, detail?: string): Stranger {
  return { refusal: identityRefusal(message, detail), svid: undefined }
}
