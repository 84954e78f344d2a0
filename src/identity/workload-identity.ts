import type { Ceiling } from './ceiling.ts'
import type { Role } from './role.ts'
import type { SpiffeId } from './spiffe-id.ts'
import type { Tenant } from './tenant.ts'

/** An object of the cluster: the name may be used again one day, the UID never is. */
export interface Named {
  readonly name: string
  readonly uid: string
}

/** Who a workload was proved to be when its certificate was issued: what the certificate's identity extension says. */
export interface WorkloadIdentity {
  readonly spiffeId: SpiffeId
  readonly cluster: string
  readonly namespace: Named
  readonly serviceAccount: Named
  readonly pod: Named
  readonly node: Named
  /** 32 hex digits: 16 random octets, drawn for one issuance and never reassigned. */
  readonly issuanceId: string
  /** 64 hex digits: SHA-256 of the evidence behind the verdict. */
  readonly evidenceDigest: string
  /** 64 hex digits: SHA-256 of the issuance policy that was asked. */
  readonly policyDigest: string
  readonly role?: Role
  readonly tenant?: Tenant
  readonly ceiling: Ceiling
  /** The live object that the pod was given to after it started: for another claim, or for none, it is somebody else. */
  readonly claim?: Named
}
