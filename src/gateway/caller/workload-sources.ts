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
