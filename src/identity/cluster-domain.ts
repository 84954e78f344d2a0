import { CountersignError, quoted } from '../errors.ts'
import { isDnsLabel } from './kubernetes-name.ts'

/** What is left of a name's 253 octets for it: a Service and its namespace have 63 each, and `.svc.` and a dot stand between. */
const octetsMax = 121

/**
 * Parses the DNS domain of a cluster's Services, as kubelet and the DNS server have it: lower-case labels, no dot at the end.
 * Any other would make names that no certificate may hold. Throws `identity/cluster-domain`.
 */
export function parseClusterDomain(text: string): string {
  const refused = (message: string): CountersignError =>
    new CountersignError('identity/cluster-domain', `cluster domain ${message}`)
  if (text.length === 0 || text.length > octetsMax) {
    throw refused(`has the wrong length, want=1..${octetsMax} got=${text.length}`)
  }
  const labels = text.split('.')
  const odd = labels.find((label) => !isDnsLabel(label))
  if (odd !== undefined) {
    throw refused(`has a label that is none, want=[a-z0-9-]{1,63} got=${quoted(odd)}`)
  }
  // A last label of digits is what tells an IPv4 address from a name (RFC 1123 §2.1).
  if (/^[0-9]+$/.test(labels.at(-1) ?? '')) {
    throw refused(`is an IP address or ends like one, got=${quoted(text)}`)
  }
  return text
}
