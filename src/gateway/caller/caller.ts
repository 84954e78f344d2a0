import type { TLSSocket } from 'node:tls'
import { Bag } from '../../bag.ts'
import { CountersignError } from '../../errors.ts'
import type { Bundle } from '../../pki/bundle.ts'
import type { CredentialSource } from '../../pki/credential.ts'
import { intermediatesOf } from '../../pki/peer-chain.ts'
import type { X509Svid } from '../../pki/x509-svid.ts'
import { identityRefusal, type Refusal } from '../refusal.ts'
import type { Account, BodyRoom, Unsent } from '../shares.ts'
import { createCertificateReader, type CertificateReading, type Certified } from './certified.ts'

/** Who is at the other end of one TLS connection: parsed once, judged on every request. */
export interface Caller extends Certified {
  readonly unsent: Unsent
  readonly bodies: BodyRoom
  /** Ends one open answer each, and says why in it. */
  readonly streams: Bag<(refusal: Refusal) => void>
  /** Why nothing is done for it any more, whatever was begun: its identity has ended since. */
  ended: Refusal | undefined
  /** Requests of this connection between their first check and the end of their answer. */
  open: number
  /** Asked only where no anchor has issued its certificate itself: Node takes longer to tell than the certificate takes to be read. */
  readonly intermediates: () => readonly Buffer[]
  /** The bundle that the chain was last verified with: another one means verifying again. */
  verifiedWith: Bundle | undefined
}

export interface CallerOptions extends CertificateReading {
  readonly credential: CredentialSource
  readonly unsentOf: (account: Account) => Unsent
  readonly bodiesOf: (account: Account) => BodyRoom
}

/** A caller that is not even judged, with its certificate where that could be read. */
export interface Stranger {
  readonly refusal: Refusal
  readonly svid: X509Svid | undefined
}

/** Reads the certificate of a finished handshake. `socket.authorized` is no evidence: it survives the certificate. */
export function createCallerReader(
  options: CallerOptions,
): (socket: TLSSocket) => Caller | Stranger {
  const { credential, unsentOf, bodiesOf } = options
  const readCertificate = createCertificateReader(options)
  return (socket) => {
    const raw = socket.getPeerX509Certificate()?.raw
    if (!socket.authorized || raw === undefined) return stranger('no client certificate')
    try {
      const read = readCertificate(raw)
      if (!('identity' in read)) {
        const { svid } = read
        const refusal = identityRefusal('certificate has no identity extension', svid.spiffeId.uri)
        return { refusal, svid }
      }
      // Those that we have now: its chain was made while they were good.
      const { intermediates } = credential.current()
      return {
        ...read,
        unsent: unsentOf(read.account),
        streams: new Bag(),
        bodies: bodiesOf(read.account),
        ended: undefined,
        open: 0,
        intermediates: () => intermediatesOf(socket, { intermediates }),
        verifiedWith: undefined,
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
