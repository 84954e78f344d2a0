import { constants } from 'node:crypto'
import type { ServerOptions } from 'node:https'
import type { ForeignDomains } from '../../federation/foreign-domains.ts'
import type { BundleSource } from '../../pki/bundle.ts'
import type { CredentialSource } from '../../pki/credential.ts'

/** What the listener's TLS is made of. */
export interface TlsMaterial {
  readonly credential: CredentialSource
  readonly trustBundle: BundleSource
  /** Whoever else may shake hands; who it is, and by whose anchors, is judged afterwards. */
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
    ca: `${trustBundle.current().pem}${foreign?.pem() ?? ''}`,
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: true,
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}
