import type { CountersignError } from '../../errors.ts'
import type { ProvedIdentity } from './check.ts'
import type { Claims } from './claims.ts'
import type { Evidence } from './evidence.ts'

/** Reasons of a refusal: they become the reason of the Denied condition, and docs/ISSUANCE.md has a row for each. */
export type DenyReason =
  | 'RequesterNotProved'
  | 'UsagesNotGranted'
  | 'LifetimeTooShort'
  | 'RequestNotDeclared'
  | 'PodNotFound'
  | 'PodMismatch'
  | 'PodTerminating'
  | 'PodEnded'
  | 'NodeMismatch'
  | 'ServiceAccountMismatch'
  | 'VolumeNotDeclared'
  | 'VolumePathsTooLong'
  | 'UnsupportedKeyType'
  | 'CertificateRequestMalformed'
  | 'CertificateRequestNotEmpty'
  | 'ProofOfPossessionInvalid'
  | 'KeyAlreadyIssued'
  | 'InvalidUnverifiedUserAnnotations'
  | 'RoleNotProved'
  | 'TenantNotProved'
  | 'ModelNotGranted'
  | 'ToolScopeNotGranted'
  | 'RefusedByPolicy'

/** One field that cannot be granted: what was asked, what the cluster proves, and what to change. */
export interface FieldRefusal {
  readonly field: string
  readonly asked: string
  readonly proved: string
  readonly change: string
}

/** A refusal is a value: recorded, shown in the condition, never thrown. */
export interface Refusal {
  readonly reason: DenyReason
  /** At least one, the field of `reason` first. */
  readonly fields: readonly FieldRefusal[]
}

/** What one check says about one field. */
export type Finding =
  | {
      readonly kind: 'proved'
      readonly field: string
      readonly value: string
      /** The object and member that proves it. */
      readonly by: string
    }
  | { readonly kind: 'noted'; readonly field: string; readonly note: string }
  | ({
      readonly kind: 'refused'
      readonly reason: DenyReason
      /** It is about who asks, whatever its reason: no mode of enforcement waives it. */
      readonly ofRequester?: true
    } & FieldRefusal)
  | ({ readonly kind: 'undecided'; readonly field: string } & Undecided)

/** Nobody can tell now. */
export interface Undecided {
  readonly why: string
  /** Time does not mend it: somebody has to. */
  readonly grave?: boolean
  /** Not looked at again for so long, unless something about it changes; else with back-off. */
  readonly seconds?: number
  /** What went wrong, for the log. */
  readonly cause?: CountersignError
}

/** A finding with the name of the check that gave it. */
export type NamedFinding = Finding & { readonly check: string }

export type RefusedFinding = Extract<NamedFinding, { readonly kind: 'refused' }>

/**
 * As policy and records are told of it: a kubelet, for all that is shown; not shown; or, as the API server states, the pod itself, or the
 * configured agent for an IssuedCertificate.
 */
export type ToldRequester = 'shown' | 'not-shown' | 'pod' | 'agent'

/** Evidence, the history of the key and policy agree. */
export interface IssueVerdict extends ProvedIdentity {
  readonly kind: 'issue'
  readonly claims: Claims
  /** With the resource versions that it was read at. */
  readonly evidence: Evidence
  readonly dnsNames: readonly string[]
  /** What was asked, as far as profile and policy allow. */
  readonly lifetimeSeconds: number
  /** Where kubelet puts the key and the certificate, as the pod's spec says. */
  readonly projectedPaths: readonly string[]
  /** SHA-256, hex, of the facts that prove it. */
  readonly evidenceDigest: string
  /** What policy was told of who made the request. */
  readonly requester: ToldRequester
  /** What policy allowed it. */
  readonly policy: { readonly revision: string; readonly digest: string }
  /** What would be denied if the namespace were enforced. Nothing of it is in the certificate. */
  readonly wouldDeny?: Refusal
  readonly findings: readonly NamedFinding[]
}

export interface DenyVerdict extends Refusal {
  readonly kind: 'deny'
  readonly message: string
  readonly findings: readonly NamedFinding[]
}

/** Not decided: the request stays pending, which kubelet can live with; a Denied it cannot (KEP-4317). */
export interface WaitVerdict extends Undecided {
  readonly kind: 'wait'
  /** None where nothing could be checked yet. */
  readonly findings: readonly NamedFinding[]
}

export type Verdict = IssueVerdict | DenyVerdict | WaitVerdict
