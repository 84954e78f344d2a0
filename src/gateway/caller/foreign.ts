import { CountersignError } from '../../errors.ts'
import type { ForeignDomain } from '../../federation/foreign-domains.ts'
import { intersectCeilings } from '../../identity/ceiling.ts'
import type { WorkloadIdentity } from '../../identity/workload-identity.ts'
import { parseX509Svid, type X509Svid } from '../../pki/x509-svid.ts'

/** As long as a certificate of our own may live: whether a pod elsewhere still runs nobody here can tell. */
const lifetimeSecondsMax = 86_400

/**
 * Reads the certificate of another trust domain's workload, with what its extension says there put into words that mean something here.
 * It is of no tenant of ours, whatever its tenant is called; its namespace has the trust domain before it, which no name of ours can have;
 * it is an agent or of no role; and its ceiling is what both trust domains give it. Throws `pki/svid`.
 */
export function readForeign(svid: X509Svid, domain: ForeignDomain): X509Svid {
  const seconds = (svid.notAfter.getTime() - svid.notBefore.getTime()) / 1000
  if (seconds > lifetimeSecondsMax) {
    throw new CountersignError(
      'pki/svid',
      `certificate of another trust domain lives too long, want=..${lifetimeSecondsMax}s got=${seconds}s`,
    )
  }
  const { identityExtensionOid } = domain
  const read =
    identityExtensionOid === undefined
      ? svid
      : parseX509Svid(svid.der, { identityExtensionOid, isKeyProven: true })
  return { ...read, identity: read.identity && hereOf(read.identity, domain) }
}

function hereOf(identity: WorkloadIdentity, domain: ForeignDomain): WorkloadIdentity {
  const { role, tenant: _elsewhere, namespace, ...rest } = identity
  return {
    ...rest,
    ...(role === 'agent' ? { role } : {}),
    namespace: { ...namespace, name: `${domain.trustDomain}/${namespace.name}` },
    ceiling: intersectCeilings(identity.ceiling, domain.ceiling),
  }
}
