import { annotationKeys, grantLabelPrefixes } from '../../identity/governance-key.ts'
import type { WorkloadIdentity } from '../../identity/workload-identity.ts'
import type { Soon } from '../soon.ts'

/** Which pods still run. */
export interface PodSource {
  /** Where it has to be asked for, that is in the turn of the tenant; without one a namespace is one of its own. */
  alive(
    podUid: string,
    namespace: string,
    name: string,
    tenant?: string,
  ): boolean | Promise<boolean>
  readonly staleSeconds: number
  onChange(listener: () => void): () => void
}

/** What the namespaces of workloads say now. */
export interface NamespaceSource {
  /** Why the namespace does not prove any more what the certificate says of this workload, of the claim that it serves now; undefined while it does. */
  drift(identity: WorkloadIdentity, claim?: LiveClaim): Soon<string | undefined>
  readonly staleSeconds: number
  onChange(listener: () => void): () => void
}

/** The claim that a certificate names, as it is now. */
export interface LiveClaim {
  /** Its label, unread. */
  readonly tenant: string | undefined
}

/**
 * What the labels of a namespace do not prove of a workload: the signer has certified its role and its tenant by them, so without them
 * it would get no such certificate. Whom a claim gives a pod to is its own to say, as far as the namespace allows.
 */
export function findDrift(
  { role, tenant, claim: named }: Pick<WorkloadIdentity, 'role' | 'tenant' | 'claim'>,
  labels: Readonly<Record<string, string>>,
  claim?: LiveClaim,
): string | undefined {
  if (role !== undefined && labels[`${grantLabelPrefixes.roles}${role}`] !== 'allow') {
    return `namespace does not allow the role ${role} any more`
  }
  if (named !== undefined && claim === undefined) return 'claims are not followed here'
  if (claim?.tenant !== undefined && claim.tenant !== tenant) {
    return 'claim is of another tenant than the certificate'
  }
  if (tenant !== undefined && !isOfTenant(tenant, labels, claim)) {
    return `namespace is not of the tenant ${tenant} any more`
  }
  return undefined
}

function isOfTenant(
  tenant: string,
  labels: Readonly<Record<string, string>>,
  claim: LiveClaim | undefined,
): boolean {
  const { [annotationKeys.tenant]: own } = labels
  if (own !== undefined || claim?.tenant === undefined) return own === tenant
  return labels[`${grantLabelPrefixes.tenants}${tenant}`] === 'allow'
}
