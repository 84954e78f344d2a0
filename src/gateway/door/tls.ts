import { constants } from 'node:crypto'
import type { ServerOptions } from 'node:https'
import type { ForeignDomains } from '../../federation/foreign-domains.ts'
import type { BundleSource } from '../../pki/bundle.ts'
import type { CredentialSource } from '../../pki/credential.ts'

/** What the listener's TLS is made of. */
export interface TlsMaterial {
  readonly credential: CredentialSource
  readonly trustBundle: BundleSource
  /** Where there are any, everybody may shake hands; who it is, and by whose anchors, is judged afterwards. */
  readonly foreign?: ForeignDomains | undefined
}

/**
 * TLS 1.3 only: 1.2 sends client certificates in clear. No session tickets: a resumed session is accepted with a certificate that has
 * expired since.
 */
export function tlsOptions({ credential, trustBundle, foreign }: TlsMaterial): ServerOptions {
  const { chainPem, privateKeyPem } = credential.current()
  return {
    cert: chainPem,
    key: privateKeyPem,
    ...(foreign === undefined || foreign.isEmpty ? ours(trustBundle) : anybody),
    minVersion: 'TLSv1.3',
    requestCert: true,
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

function ours(trustBundle: BundleSource): Pick<ServerOptions, 'ca' | 'rejectUnauthorized'> {
  return { ca: trustBundle.current().pem, rejectUnauthorized: true }
}

/**
 * OpenSSL knows one list of anchors. It takes each of them for any name, goes by the first of a name whatever others are called the same,
 * reads none behind one that it cannot read, and shakes hands with nobody once their names together are too long to be sent. So what one
 * trust domain publishes would decide for all of them. It is given none, also to send: clients that choose by them would show
 * nothing.
 */
const anybody = { ca: [], rejectUnauthorized: false } satisfies ServerOptions
