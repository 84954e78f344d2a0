import type { TrustDomain } from '../identity/trust-domain.ts'
import { parseBundle } from '../pki/bundle.ts'
import { parseCredentialBundle } from '../pki/credential.ts'
import { verifyX509Svid } from '../pki/x509-svid.ts'
import type { Accepted } from './held.ts'

/** A credential as it stands in a file: its key and chain fit, and these anchors vouch for it now. Throws `pki/bundle`, `pki/credential` and `pki/svid-…`. */
export function verifyCredential(
  credentialBundle: string,
  options: {
    readonly trustDomain: TrustDomain
    /** PEM. */
    readonly trustBundle: string
    readonly identityExtensionOid?: string | undefined
    /** Milliseconds since the epoch. */
    readonly now: number
  },
): Accepted {
  const { trustDomain, trustBundle, identityExtensionOid, now } = options
  const bundle = parseBundle(trustBundle, trustDomain)
  const oid = identityExtensionOid === undefined ? {} : { identityExtensionOid }
  const { svid, intermediates } = parseCredentialBundle(credentialBundle, oid)
  verifyX509Svid(svid, { bundle, intermediates, now })
  const { spiffeId, notBefore, notAfter } = svid
  return { subject: spiffeId.uri, notBefore, notAfter }
}
