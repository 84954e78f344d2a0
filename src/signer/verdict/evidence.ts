import { hash } from 'node:crypto'
import { canonicalJson } from '../../canonical-json.ts'
import type { Named } from '../../identity/workload-identity.ts'

/**
 * What one look at the cluster gave. `absent` is only ever said by a live read that the API server answered by quorum:
 * a cache that lacks an object has said nothing, and says `unknown` here.
 */
export type Found<T> =
  | { readonly state: 'found'; readonly object: T; readonly seen?: Seen }
  | { readonly state: 'absent' }
  | { readonly state: 'unknown'; readonly why: string }

/** Where a fact was read, to notice that it does not hold any more. */
export interface Seen {
  /** From a cache, which goes on following the object. */
  readonly cached: boolean
  /** Undefined of a list. */
  readonly resourceVersion?: string
}

/** One `podCertificate` source of a projected volume, as the pod's own spec declares it. */
export interface DeclaredCertificate {
  readonly volume: string
  readonly signerName: string
  readonly keyType: string
  readonly maxExpirationSeconds: number | undefined
  readonly annotations: Readonly<Record<string, string>>
  /** The files that the source projects: bundle, key, chain. */
  readonly paths: readonly string[]
}

export interface PodEvidence {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly nodeName: string | undefined
  readonly serviceAccountName: string
  readonly phase: string
  readonly terminating: boolean
  readonly mirror: boolean
  readonly labels: Readonly<Record<string, string>>
  readonly certificates: readonly DeclaredCertificate[]
  /** The CertificateSigningRequests that its annotations declare; undefined where they declare none. */
  readonly signingRequests?: DeclaredSigningRequests
  /** The controller of the pod, where it is of a group whose kinds give pods to claims. */
  readonly owner?: PodOwner
}

export interface PodOwner extends Named {
  readonly apiVersion: string
  readonly kind: string
  readonly controller?: true
}

/** What a pod's author lets the pod itself ask for. */
export interface DeclaredSigningRequests {
  readonly signerName: string
  /** The governance annotations of the pod. */
  readonly annotations: Readonly<Record<string, string>>
}

export interface NamespaceEvidence {
  readonly name: string
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
}

export interface ServiceAccountEvidence {
  readonly name: string
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
  /** Only the annotations of Countersign: others are nobody's business here. */
  readonly annotations: Readonly<Record<string, string>>
}

/** Whom a pod was given to after it started, as its owners show: each was looked up by its name and has the UID that was referred to. */
export type ClaimEvidence =
  /** It is nobody's to give: its own namespace says all of it. */
  | { readonly state: 'none' }
  | { readonly state: 'unclaimed'; readonly why: string }
  | {
      readonly state: 'claimed'
      readonly kind: string
      readonly name: string
      readonly uid: string
      /** Its label, unread. */
      readonly tenant?: string
      /** The UIDs from the pod's owner up. */
      readonly owners: readonly string[]
    }

export interface NodeEvidence {
  readonly name: string
  readonly uid: string
}

export interface ServiceEvidence {
  readonly name: string
  /** Undefined or empty: the Service selects no pod by itself. */
  readonly selector: Readonly<Record<string, string>> | undefined
  readonly externalName: boolean
}

/** What an IssuedCertificate declares. */
export interface IssuedCertificateEvidence {
  readonly name: string
  readonly uid: string
  readonly terminating: boolean
  readonly hosts: readonly string[]
  /** The governance annotations that it lets its agent ask for, the tenant among them. */
  readonly annotations: Readonly<Record<string, string>>
}

/** Plain facts about the objects that a request names. */
export interface Evidence {
  /** Every fact was read from the API server for this verdict. Without it nothing may be denied. */
  readonly live: boolean
  readonly pod: Found<PodEvidence>
  readonly namespace: Found<NamespaceEvidence>
  readonly serviceAccount: Found<ServiceAccountEvidence>
  readonly node: Found<NodeEvidence>
  /** The Services of the request's namespace. */
  readonly services: Found<readonly ServiceEvidence[]>
  /** Of a request that an agent makes for one: then the pod and the node are the agent's. */
  readonly issued?: Found<IssuedCertificateEvidence>
  /** Only where claims are followed. */
  readonly claim?: Found<ClaimEvidence>
}

/** SHA-256, hex, of the facts in canonical JSON (RFC 8785). Where they were read is not a fact about the workload. */
export function evidenceDigest(evidence: Evidence): string {
  const { live: _, ...members } = evidence
  const facts = Object.fromEntries(
    Object.entries(members).map(([name, found]) => [name, { ...found, seen: undefined }]),
  )
  return hash('sha256', canonicalJson(facts, 'kubernetes/answer'), 'hex')
}

/** Whether a Service's own selector picks a pod with these labels. No selector picks nothing, an ExternalName neither. */
export function selectsPod(
  service: ServiceEvidence,
  podLabels: Readonly<Record<string, string>>,
): boolean {
  const wanted = Object.entries(service.selector ?? {})
  if (service.externalName || wanted.length === 0) return false
  return wanted.every(([key, value]) => podLabels[key] === value)
}
