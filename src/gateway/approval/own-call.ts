import type { WorkloadIdentity } from '../../identity/workload-identity.ts'
import type { ApprovalRequest } from './approval.ts'

/** The parts of what policy is told of a caller that say who it is. */
export interface Requester {
  readonly id: string
  readonly properties: {
    readonly tenant?: string
    readonly namespace: string
    readonly serviceAccount: string
    readonly pod: { readonly uid: string }
  }
}

export function requesterOf({ subject }: Pick<ApprovalRequest, 'subject'>): Requester {
  return JSON.parse(subject) as Requester
}

/**
 * Whether somebody is the one whose call waits: by SPIFFE ID, by service account or by pod. Policy says so too, and whatever it says nobody
 * approves their own.
 */
export function isOwnCall(
  spiffeId: string,
  { namespace, serviceAccount, pod }: WorkloadIdentity,
  request: Pick<ApprovalRequest, 'subject'>,
): boolean {
  const { id, properties } = requesterOf(request)
  return (
    id === spiffeId ||
    properties.pod.uid === pod.uid ||
    (properties.namespace === namespace.name && properties.serviceAccount === serviceAccount.name)
  )
}
