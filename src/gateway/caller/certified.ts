import { hash } from 'node:crypto'
import {
  noForeignDomains,
  type ForeignDomain,
  type ForeignDomains,
} from '../../federation/foreign-domains.ts'
import type { WorkloadIdentity } from '../../identity/workload-identity.ts'
import { parseX509Svid, type X509Svid } from '../../pki/x509-svid.ts'
import type { DecisionSubject } from '../../policy/authorizer.ts'
import { formatInput, type InputText } from '../../policy/input.ts'
import { accountOf, type Account } from '../../shares.ts'
import { readForeign } from './foreign.ts'

/** A certificate that says at least whose it is. */
export interface Named {
  readonly svid: X509Svid
  /** Whose it is, where it is not of our own trust domain. */
  readonly foreign: ForeignDomain | undefined
}

/** What a certificate says, and nothing of the connection on which it came: nobody changes it, so all connections of it have the same. */
export interface Certified extends Named {
  readonly identity: WorkloadIdentity
  /** SPIFFE ID and pod UID, and that of its claim: what owns a session. A renewed certificate is the same owner, another claim is not. */
  readonly owner: string
  /** What policy is told of it, as text: all of it from its certificate. */
  readonly subjectText: InputText
  /** What it takes of the gateway is taken on this account. */
  readonly account: Account
}

/** Some eight kilobytes each. */
const keptMaxDefault = 512

/** How certificates are read. */
export interface CertificateReading {
  readonly identityExtensionOid?: string | undefined
  readonly foreign?: ForeignDomains | undefined
}

/**
 * Reads certificates of finished handshakes, and keeps what it has read by their octets: agents open several connections, and the same
 * ones again. One without our extension gives no more than whose it is. That anybody stands behind it nobody has looked at here. Throws
 * `pki/svid`.
 */
export function createCertificateReader(
  { identityExtensionOid, foreign = noForeignDomains }: CertificateReading,
  keptMax: number = keptMaxDefault,
): (der: Buffer) => Certified | Named {
  const kept = new Map<string, Certified>()
  return (der) => {
    const sha256 = hash('sha256', der, 'hex')
    const known = kept.get(sha256)
    if (known !== undefined) return known
    const shown = parseX509Svid(der, {
      isKeyProven: true,
      ...(identityExtensionOid === undefined ? {} : { identityExtensionOid }),
    })
    const domain = foreign.of(shown.spiffeId.trustDomain)
    const svid = domain === undefined ? shown : readForeign(shown, domain)
    const { identity } = svid
    if (identity === undefined) return { svid, foreign: domain }
    const certified: Certified = {
      svid,
      identity,
      foreign: domain,
      owner: ownerOf(identity),
      subjectText: formatInput(subjectOf(svid, identity)),
      account: accountOf(identity),
    }
    const [oldest] = kept.keys()
    if (kept.size >= keptMax && oldest !== undefined) kept.delete(oldest)
    kept.set(sha256, certified)
    return certified
  }
}

/** What was given to a pod while it served somebody is of no use to it for anybody else. */
function ownerOf({ spiffeId, pod, claim }: WorkloadIdentity): string {
  const served = claim === undefined ? '' : ` ${claim.uid}`
  return `${spiffeId.uri} ${pod.uid}${served}`
}

/** What policy is told of a caller: only what its certificate proves. */
function subjectOf(svid: X509Svid, identity: WorkloadIdentity): DecisionSubject {
  const { role, tenant, ceiling, namespace, serviceAccount, pod, claim } = identity
  return {
    type: 'identity',
    id: svid.spiffeId.uri,
    properties: {
      ...(role === undefined ? {} : { role }),
      ...(tenant === undefined ? {} : { tenant }),
      models: ceiling.models,
      toolScopes: ceiling.toolScopes.map((scope) => scope.text),
      namespace: namespace.name,
      serviceAccount: serviceAccount.name,
      pod: { name: pod.name, uid: pod.uid },
      ...(claim === undefined ? {} : { claim: { name: claim.name, uid: claim.uid } }),
      certificate: { sha256: svid.sha256, notAfter: svid.notAfter.toISOString() },
    },
  }
}
