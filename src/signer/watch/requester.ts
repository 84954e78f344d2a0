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
import type { Requester } from '../verdict/check.ts'

/** A watch that was lost for longer shows nothing. */
const staleSecondsMax = 10

/** A watch that hangs shows what is no more for so long. */
const idleSecondsMax = 15

/** API servers take a policy up a moment after it is written, and their clocks differ. */
const settlingMilliseconds = 10_000

/** Whether the cluster let nobody but a kubelet make a request. */
export interface RequesterProof extends AsyncDisposable {
  readonly synced: Promise<void>
  /**
   * `shown` of a request that was made while the policy was in force, as it is still; `unknown` where it is in force now and nobody saw
   * whether it was then, and where nobody sees now.
   */
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
  const fieldSelector = `metadata.name=${name}`
  const following = { client, log, metrics, fieldSelector, idleSeconds: idleSecondsMax }
  const policies = startInformer({ ...following, resource: admissionPolicies })
  const bindings = startInformer({ ...following, resource: admissionPolicyBindings })
  const times = [sinceOf(policies, name, now), sinceOf(bindings, name, now)]
  const synced = Promise.all([policies.synced, bindings.synced]).then(() => {})
  synced.catch(() => {})

  const isSeen = (): boolean => [policies, bindings].every(isCurrent)
  const gap = (): string | undefined =>
    protectionGap({ policy: policies.get(name), binding: bindings.get(name) }, { name, signerName })
  return {
    synced,
    of({ metadata: { creationTimestamp } }) {
      if (!isSeen()) return 'unknown'
      if (creationTimestamp === undefined || gap() !== undefined) return 'not-shown'
      const since = Math.max(...times.map((time) => time()))
      return creationTimestamp.getTime() >= since + settlingMilliseconds ? 'shown' : 'unknown'
    },
    condition() {
      const why = isSeen() ? gap() : 'what the API server has is not known now'
      const reason =
        why === undefined
          ? `${name} lets nobody but kubelets make requests`
          : `records say of no request that a kubelet made it: ${why}`
      // Who has only audit asked for has what was asked for.
      return { ok: isSeen(), optional: true, reason }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([policies, bindings].map((each) => each[Symbol.asyncDispose]()))
    },
  }
}

function isCurrent(cache: Informer<unknown>): boolean {
  return cache.hasSynced && cache.staleSeconds <= staleSecondsMax
}

/**
 * Since when this process has seen an object as it is. What the API server keeps of times does not tell: a writer who only takes something
 * away leaves none.
 */
function sinceOf(
  objects: Informer<AdmissionObject>,
  name: string,
  now: () => number,
): () => number {
  let since = Number.POSITIVE_INFINITY
  objects.onEvent(({ type, object }) => {
    if (object.metadata.name !== name) return
    since = type === 'deleted' ? Number.POSITIVE_INFINITY : now()
  })
  return () => since
}

/** What the chart's policy says in its own words, spaces apart. */
const expressionOfKubelets =
  "request.userInfo.username == 'system:node:' + object.spec.nodeName && 'system:nodes' in request.userInfo.groups"

/** Why the two let somebody who is no kubelet make a request for the signer; undefined where they do not. */
export function protectionGap(
  {
    policy,
    binding,
  }: {
    readonly policy: AdmissionObject | undefined
    readonly binding: AdmissionObject | undefined
  },
  { name, signerName }: { readonly name: string; readonly signerName: string },
): string | undefined {
  if (policy === undefined) return `there is no policy ${name}`
  if (binding === undefined) return `policy ${name} has no binding of its name`
  return policyGap(policy, signerName) ?? bindingGap(binding, name)
}

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
  const { apiGroups, apiVersions, operations, resources, scope = '*', ...more } = recordOf(rule)
  return (
    narrowing.length === 0 &&
    Object.values(more).every(isEmpty) &&
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
