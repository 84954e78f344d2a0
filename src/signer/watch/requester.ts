import { isDeepStrictEqual } from 'node:util'
import {
  admissionPolicies,
  admissionPolicyBindings,
  type AdmissionObject,
} from '../../kubernetes/admission-policy.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { startInformer, type Informer } from '../../kubernetes/informer.ts'
import type { KubernetesObject } from '../../kubernetes/resource.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Condition } from '../../readiness.ts'
import type { Requester } from '../issue/records.ts'

/** A watch that was lost for longer shows nothing. */
const staleSecondsMax = 10

/** API servers take a policy up a moment after it is written, and their clocks differ. */
const settlingMilliseconds = 10_000

/** Whether the cluster let nobody but a kubelet make a request. */
export interface RequesterProof extends AsyncDisposable {
  readonly synced: Promise<void>
  /** `shown` of a request that was made while the policy was in force, as it is still. */
  of(request: KubernetesObject): Requester
  condition(): Omit<Condition, 'name'>
}

export interface RequesterProofOptions {
  readonly client: ApiClient
  /** Of the policy, and of the binding that has its name. */
  readonly name: string
  readonly signerName: string
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
}

/** Follows the admission policy of the chart and its binding. Of another text than the chart's, nothing is shown. */
export function watchRequesterPolicy(options: RequesterProofOptions): RequesterProof {
  const { client, name, signerName, log, metrics, now } = options
  const following = { client, log, metrics, fieldSelector: `metadata.name=${name}` }
  const policies = startInformer({ ...following, resource: admissionPolicies })
  const bindings = startInformer({ ...following, resource: admissionPolicyBindings })
  const ages = [firstSeen(policies, now), firstSeen(bindings, now)]
  const synced = Promise.all([policies.synced, bindings.synced]).then(() => {})
  synced.catch(() => {})

  const gap = (): string | undefined => {
    if (![policies, bindings].every(isCurrent)) return 'what the API server has is not known now'
    const policy = policies.get(name)
    const binding = bindings.get(name)
    if (policy === undefined) return `there is no policy ${name}`
    if (binding === undefined) return `policy ${name} has no binding of its name`
    return policyGap(policy, signerName) ?? bindingGap(binding, name)
  }
  return {
    synced,
    of({ metadata: { creationTimestamp } }) {
      if (creationTimestamp === undefined || gap() !== undefined) return 'not-shown'
      const since = Math.max(...ages.map((age) => age(name)))
      return creationTimestamp.getTime() >= since + settlingMilliseconds ? 'shown' : 'not-shown'
    },
    condition() {
      const why = gap()
      const reason =
        why === undefined
          ? `${name} lets nobody but kubelets make requests`
          : `records say of no request that a kubelet made it: ${why}`
      // Who has only audit asked for has what was asked for.
      return { ok: [policies, bindings].every(isCurrent), optional: true, reason }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([policies, bindings].map((each) => each[Symbol.asyncDispose]()))
    },
  }
}

function isCurrent(cache: Informer<unknown>): boolean {
  return cache.hasSynced && cache.staleSeconds <= staleSecondsMax
}

/** Since when an object says what it says, in milliseconds: as the API server keeps it, or since it was first seen to. */
function firstSeen(
  objects: Informer<AdmissionObject>,
  now: () => number,
): (name: string) => number {
  let known: AdmissionObject | undefined
  let seenAt = Number.POSITIVE_INFINITY
  return (name) => {
    const object = objects.get(name)
    if (object === undefined) return Number.POSITIVE_INFINITY
    if (object.writtenAt !== undefined) return object.writtenAt.getTime()
    const isSame =
      known?.metadata.uid === object.metadata.uid && isDeepStrictEqual(known.spec, object.spec)
    if (!isSame) seenAt = now()
    known = object
    return seenAt
  }
}

/** What the chart's policy says in its own words, spaces apart. */
const expressionOfKubelets =
  "request.userInfo.username == 'system:node:' + object.spec.nodeName && 'system:nodes' in request.userInfo.groups"

function policyGap(
  { spec, typeWarnings }: AdmissionObject,
  signerName: string,
): string | undefined {
  const { failurePolicy, matchConstraints, matchConditions, paramKind, validations } = spec
  if (failurePolicy !== 'Fail') return 'its failurePolicy is not Fail'
  if (typeWarnings > 0) return 'the API server cannot evaluate its expressions'
  if (paramKind !== undefined) return 'it has parameters'
  if (!coversRequests(matchConstraints)) return 'it does not look at every new request'
  const conditions = expressionsOf(matchConditions)
  const ours = [`object.spec.signerName == '${signerName}'`]
  if (conditions.length > 0 && !isDeepStrictEqual(conditions, ours)) {
    return `its matchConditions leave out requests for ${signerName}`
  }
  if (!expressionsOf(validations).includes(expressionOfKubelets)) {
    return 'no validation compares the user with the node'
  }
  return undefined
}

/** Exactly what the chart writes: whatever else may stand there may narrow it. */
function coversRequests(matchConstraints: unknown): boolean {
  const { matchPolicy, resourceRules, ...others } = recordOf(matchConstraints)
  const narrowing = Object.values(others).filter((value) => !isEmpty(value))
  const [rule, another] = Array.isArray(resourceRules) ? (resourceRules as unknown[]) : []
  const { apiGroups, apiVersions, operations, resources, scope = '*' } = recordOf(rule)
  return (
    narrowing.length === 0 &&
    another === undefined &&
    matchPolicy === 'Equivalent' &&
    scope === '*' &&
    isDeepStrictEqual(
      [apiGroups, apiVersions, operations, resources],
      [['certificates.k8s.io'], ['*'], ['CREATE'], ['podcertificaterequests']],
    )
  )
}

function bindingGap({ spec }: AdmissionObject, name: string): string | undefined {
  const { policyName, validationActions, matchResources, paramRef } = spec
  if (policyName !== name) return 'its binding binds another policy'
  const actions: readonly unknown[] = Array.isArray(validationActions) ? validationActions : []
  if (!actions.includes('Deny')) return 'its binding does not deny'
  const narrowing = Object.entries(recordOf(matchResources)).filter(
    ([member, value]) => member !== 'matchPolicy' && !isEmpty(value),
  )
  if (paramRef !== undefined || narrowing.length > 0)
    return 'its binding is for a part of the cluster'
  return undefined
}

function expressionsOf(entries: unknown): readonly string[] {
  if (!Array.isArray(entries)) return []
  return entries.map((entry: unknown) => {
    const { expression } = recordOf(entry)
    return typeof expression === 'string' ? expression.trim().replaceAll(/\s+/g, ' ') : ''
  })
}

/** As the API server fills in what was left out: `{}` and `[]` select everything. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || Object.keys(recordOf(value)).length === 0
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
