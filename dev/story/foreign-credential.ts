import { generateKeyPairSync } from 'node:crypto'
import type { WorkloadIdentity } from '../../src/identity/workload-identity.ts'
import {
  createSelfSignedAuthority,
  parseAuthority,
  staticAuthoritySource,
} from '../../src/pki/authority.ts'
import { createIssuer } from '../../src/pki/issue.ts'
import { createProfile } from '../../src/pki/profile.ts'
import { parseSubjectKey } from '../../src/pki/subject-key.ts'

const lifetimeSeconds = 3600

/** A certificate that says all that a genuine one says, signed by an authority that nobody trusts. */
export async function issueForeignCredential(
  identity: WorkloadIdentity,
): Promise<{ cert: string; key: string }> {
  const now = Date.now
  const { trustDomain } = identity.spiffeId
  const pem = createSelfSignedAuthority({ trustDomain, lifetimeSeconds: 24 * lifetimeSeconds, now })
  const issuer = createIssuer({
    profile: createProfile({ trustDomain, cluster: identity.cluster, production: false }),
    authorities: staticAuthoritySource(parseAuthority({ ...pem, trustDomain, now })),
    now,
  })
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = parseSubjectKey(publicKey.export({ format: 'der', type: 'spki' }))
  const prepared = issuer.prepare({ identity, dnsNames: [], key, lifetimeSeconds })
  return {
    cert: (await issuer.issue(prepared)).chainPem,
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}
