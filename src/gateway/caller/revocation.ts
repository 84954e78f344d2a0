import { annotationKeys, grantLabelPrefixes } from '../../identity/governance-key.ts'
import type { WorkloadIdentity } from '../../identity/workload-identity.ts'
import type { X509Svid } from '../../pki/x509-svid.ts'
import type { Soon } from '../refusal.ts'

/** Which certificates are no longer accepted. Every field that is given must match; at least one is. */
export interface Revocation {
  readonly name: string
  readonly podUid?: string
  readonly serviceAccount?: { readonly namespace: string; readonly name: string }
  readonly tenant?: string
  readonly issuanceId?: string
  /** Certificates whose notBefore is earlier. */
  readonly issuedBefore?: Date
  readonly reason: string
}

/** The revocations in force. */
export interface RevocationSource {
  find(svid: X509Svid): Revocation | undefined
  /** Seconds since the source was last known to be complete; 0 while it is. */
  readonly staleSeconds: number
  onChange(listener: () => void): () => void
}

/** Which pods still run. */
export interface PodSource {
  alive(podUid: string, namespace: string, name: string): boolean | Promise<boolean>
  readonly staleSeconds: number
  onChange(listener: () => void): () => void
}

/** What the namespaces of workloads say now. */
export interface NamespaceSource {
  /** Why the namespace does not prove any more what the certificate says of this workload; undefined while it does. */
  drift(identity: WorkloadIdentity): Soon<string | undefined>
  readonly staleSeconds: number
  onChange(listener: () => void): () => void
}

/**
 * What the labels of a namespace do not prove of a workload: the signer has certified its role and its tenant by them, so without them
 * it would get no such certificate.
 */
export function findDrift(
  { role, tenant }: Pick<WorkloadIdentity, 'role' | 'tenant'>,
  labels: Readonly<Record<string, string>>,
): string | undefined {
  if (role !== undefined && labels[`${grantLabelPrefixes.roles}${role}`] !== 'allow') {
    return `namespace does not allow the role ${role} any more`
  }
  if (tenant !== undefined && labels[annotationKeys.tenant] !== tenant) {
    return `namespace is not of the tenant ${tenant} any more`
  }
  return undefined
}

/** Whether the revocation takes this certificate. One without an identity extension has no pod, tenant or issuance to match. */
export function matchRevocation(revocation: Revocation, svid: X509Svid): boolean {
  const { podUid, serviceAccount, tenant, issuanceId, issuedBefore } = revocation
  const { identity } = svid
  const given = [podUid, serviceAccount, tenant, issuanceId, issuedBefore]
  if (given.every((field) => field === undefined)) return false
  if (podUid !== undefined && identity?.pod.uid !== podUid) return false
  if (issuanceId !== undefined && identity?.issuanceId !== issuanceId) return false
  if (tenant !== undefined && identity?.tenant !== tenant) return false
  if (serviceAccount !== undefined) {
    if (identity?.namespace.name !== serviceAccount.namespace) return false
    if (identity.serviceAccount.name !== serviceAccount.name) return false
  }
  return issuedBefore === undefined || svid.notBefore.getTime() < issuedBefore.getTime()
}

/** A source over a list that its owner replaces: the first match in order of name. */
export function findRevocation(
  revocations: Iterable<Revocation>,
  svid: X509Svid,
): Revocation | undefined {
  for (const revocation of revocations) {
    if (matchRevocation(revocation, svid)) return revocation
  }
  return undefined
}
