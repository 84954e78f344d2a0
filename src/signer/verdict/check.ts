import type { Ceiling } from '../../identity/ceiling.ts'
import type { Model } from '../../identity/model.ts'
import type { Role } from '../../identity/role.ts'
import { workloadSpiffeId } from '../../identity/spiffe-id.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { Tenant } from '../../identity/tenant.ts'
import type { ToolScope } from '../../identity/tool-scope.ts'
import type { TrustDomain } from '../../identity/trust-domain.ts'
import type { Named } from '../../identity/workload-identity.ts'
import type { KeyType } from '../../pki/subject-key.ts'
import type { IssuancePolicy } from '../../policy/issuance-policy.ts'
import type { Claims } from './claims.ts'
import type { EnforcementMode } from './enforcement.ts'
import type { Evidence, Found } from './evidence.ts'
import type { DenyReason, FieldRefusal, Finding, ToldRequester } from './verdict.ts'

/** What an evaluation needs of the certificate profile, and the cluster's DNS domain where it is configured. */
export interface EvaluationProfile {
  readonly trustDomain: TrustDomain
  readonly keyTypes: readonly KeyType[]
  readonly lifetimeSecondsMax: number
  readonly clusterDomain?: string
  /** What becomes of a pod that is somebody's to give and has not been given: it waits unless told. */
  readonly unclaimed?: Unclaimed
}

/** It gets no certificate yet; or one of its pool, without a tenant and without a ceiling. */
export type Unclaimed = 'wait' | 'pool'

/** What the checks prove for the certificate. A check only ever adds what it has evidence for. */
export interface Granted {
  readonly role?: Role
  readonly tenant?: Tenant
  readonly models?: readonly Model[]
  readonly toolScopes?: readonly ToolScope[]
  readonly claim?: Named
  readonly dnsNames?: readonly string[]
  readonly projectedPaths?: readonly string[]
  readonly lifetimeSeconds?: number
  /** What policy agreed. */
  readonly policy?: { readonly revision: string; readonly digest: string }
}

/** Whether the cluster lets nobody but kubelets make requests, and did when this one was made; or that a pod made it, as the API server states. */
export type Requester = ToldRequester | 'unknown'

/** As policy and records are told: what is not known is not shown. */
export function toldOf(requester: Requester): ToldRequester {
  return requester === 'unknown' ? 'not-shown' : requester
}

export interface CheckInput {
  readonly claims: Claims
  readonly evidence: Evidence
  readonly profile: EvaluationProfile
  /** The UID of the pod that a certificate for this key was issued to; undefined for a key never seen. */
  readonly keyOwner: string | undefined
  /** The UID of the request that it was issued to. */
  readonly keyRequest?: string | undefined
  /** A request of another pod that was made before for this key, and that nobody has answered. */
  readonly keyAsked?: string | undefined
  readonly policy: {
    readonly decide: IssuancePolicy['decide']
    readonly requester: Requester
    /** Milliseconds. */
    readonly now: number
  }
  /** Of the request's namespace; `enforce` unless told. */
  readonly mode?: Exclude<EnforcementMode, 'off'>
}

/** What the rows before have said. */
export interface Established {
  readonly findings: readonly Finding[]
  readonly granted: Granted
}

/** Who the evidence shows the pod to be, with what it may ever do. */
export interface ProvedIdentity {
  readonly spiffeId: SpiffeId
  readonly namespace: Named
  readonly serviceAccount: Named
  /** Or the IssuedCertificate that it is for. */
  readonly pod: Named
  readonly node: Named
  readonly role?: Role
  readonly tenant?: Tenant
  readonly ceiling: Ceiling
  readonly claim?: Named
}

export interface CheckResult {
  readonly findings: readonly Finding[]
  readonly granted?: Granted
}

/** A row of the table: named, reads claims and evidence, gives findings. It neither throws nor remembers. */
export interface Check {
  readonly name: string
  readonly run: (input: CheckInput, before: Established) => CheckResult
}

/** Undefined while the namespace was not found: nothing is proved without it. */
export function provedIdentity(
  { claims, evidence, profile }: CheckInput,
  granted: Granted,
): ProvedIdentity | undefined {
  if (evidence.namespace.state !== 'found') return undefined
  const { pod, serviceAccount, node } = claims.asked.spec
  const { issued } = claims.asked.stated ?? {}
  const { name, uid } = evidence.namespace.object
  const { role, tenant, models = [], toolScopes = [], claim } = granted
  const { trustDomain } = profile
  const names = { trustDomain, namespace: name, serviceAccount: serviceAccount.name }
  return {
    spiffeId: workloadSpiffeId(names),
    namespace: { name, uid },
    serviceAccount,
    pod: issued === undefined ? pod : { name: issued.name, uid: issued.uid },
    node,
    ...(role === undefined ? {} : { role }),
    ...(tenant === undefined ? {} : { tenant }),
    ceiling: { models, toolScopes },
    ...(claim === undefined ? {} : { claim }),
  }
}

export function proved(field: string, value: string, by: string): Finding {
  return { kind: 'proved', field, value, by }
}

export function noted(field: string, note: string): Finding {
  return { kind: 'noted', field, note }
}

export function refused(
  reason: DenyReason,
  refusal: FieldRefusal,
): Extract<Finding, { readonly kind: 'refused' }> {
  return { kind: 'refused', reason, ...refusal }
}

/** The one way to an object: a check body runs only when the object was found, otherwise the row says why it cannot. */
export function withFound<T>(
  found: Found<T>,
  absent: { readonly reason: DenyReason } & FieldRefusal,
  body: (object: T) => CheckResult,
): CheckResult {
  if (found.state === 'absent') return { findings: [{ kind: 'refused', ...absent }] }
  return ifFound(found, absent.field, body)
}

/** For rows about members of an object whose absence another row already refuses. */
export function ifFound<T>(
  found: Found<T>,
  field: string,
  body: (object: T) => CheckResult,
): CheckResult {
  if (found.state === 'found') return body(found.object)
  const why = found.state === 'unknown' ? found.why : 'the object that proves it is absent'
  return { findings: [{ kind: 'undecided', field, why }] }
}
