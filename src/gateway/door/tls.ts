import { constants } from 'node:crypto'
import type { ServerOptions } from 'node:https'
import type { BundleSource } from '../../pki/bundle.ts'
import type { CredentialSource } from '../../pki/credential.ts'

/** What the listener's TLS is made of. */
export interface TlsMaterial {
  readonly credential: CredentialSource
  readonly trustBundle: BundleSource
}

/**
 * TLS 1.3 only: 1.2 sends client certificates in clear. No session tickets: a resumed session is accepted with a certificate that has
 * expired since.
 */
export function tlsOptions({ credential, trustBundle }: TlsMaterial): ServerOptions {
  const { chainPem, privateKeyPem } = credential.current()
  return {
    cert: chainPem,
    key: privateKeyPem,
    ca: trustBundle.current().pem,
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: true,
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}
