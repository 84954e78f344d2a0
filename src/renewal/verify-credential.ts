import { parseCredentialBundle, type Credential } from '../pki/credential.ts'
import type { Bundle } from '../pki/bundle.ts'
import { verifyX509Svid } from '../pki/x509-svid.ts'

/** A credential as it stands in a file: its key and chain fit, and these anchors vouch for it now. Throws `pki/credential` and `pki/svid-…`. */
export function verifyCredential(
  credentialBundle: string,
  options: {
    readonly bundle: Bundle
    readonly identityExtensionOid?: string | undefined
    /** Milliseconds since the epoch. */
    readonly now: number
  },
): Credential {
  const { bundle, identityExtensionOid, now } = options
  const oid = identityExtensionOid === undefined ? {} : { identityExtensionOid }
  const credential = parseCredentialBundle(credentialBundle, oid)
  const { svid, intermediates } = credential
  verifyX509Svid(svid, { bundle, intermediates, now })
  return credential
}
