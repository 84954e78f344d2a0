import { CountersignError, quoted } from '../errors.ts'

declare const brand: unique symbol

/** The name of a trust domain: what stands between `spiffe://` and the path. */
export type TrustDomain = string & { readonly [brand]: 'TrustDomain' }

/** RFC 3986 §3.2.2 bounds a host by the DNS: 255 octets (SPIFFE-ID §2.3). */
const trustDomainOctetsMax = 255

/**
 * Parses the name of a trust domain (SPIFFE-ID §2.1): lower case, no port, no user, no percent-encoding, labels of 1 to 63.
 * What looks like an IPv4 address is a name like any other, as §2.1 says; a signer refuses it for its own. Throws `identity/trust-domain`.
 */
export function parseTrustDomain(text: string): TrustDomain {
  if (text.length === 0 || text.length > trustDomainOctetsMax) {
    throw new CountersignError(
      'identity/trust-domain',
      `trust domain has the wrong length, want=1..${trustDomainOctetsMax} got=${text.length}`,
    )
  }
  // An upper-case name would compare equal in TLS name constraints and different here: refuse it at the border.
  if (!/^[a-z0-9._-]+$/.test(text)) {
    throw new CountersignError(
      'identity/trust-domain',
      `trust domain has a character outside its alphabet, want=[a-z0-9._-] got=${quoted(text)}`,
    )
  }
  // Go reads no certificate whose URI has such a host, and kube-apiserver is Go: crypto/x509 checks its labels.
  if (!text.split('.').every((label) => label.length >= 1 && label.length <= 63)) {
    throw new CountersignError(
      'identity/trust-domain',
      `trust domain has a label of another length, want=1..63 got=${quoted(text)}`,
    )
  }
  return text as TrustDomain
}
