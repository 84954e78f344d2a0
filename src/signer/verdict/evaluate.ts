import { workloadSpiffeId } from '../../identity/spiffe-id.ts'
import { lifetimeSecondsMin } from '../../pki/profile.ts'
import type { Evidence, NamespaceEvidence } from './evidence.ts'
import {
  dnsNamesSelected,
  modelsGranted,
  roleProved,
  tenantProved,
  toolScopesGranted,
} from './attribute-checks.ts'
import type { Check, CheckInput, EvaluationProfile, Granted } from './check.ts'
import { noted, proved, refused } from './check.ts'
import type { Claims } from './claims.ts'
import { refusalMessage } from './condition.ts'
import type { DenyVerdict, FieldRefusal, NamedFinding, Refusal, Verdict } from './verdict.ts'
import {
  namespaceIsLive,
  nodeIsLive,
  podBoundToNode,
  podExists,
  podRuns,
  podRunsServiceAccount,
  serviceAccountIsLive,
  volumeDeclared,
} from './workload-checks.ts'

const keyTypeAllowed: Check = {
  name: 'key-type-allowed',
  run: ({ claims, profile }) => {
    const { keyType } = claims.key
    if (profile.keyTypes.includes(keyType)) {
      return { findings: [proved('keyType', keyType, 'key of the request')] }
    }
    const allowed = profile.keyTypes.join('|')
    const refusal: FieldRefusal = {
      field: 'keyType',
      asked: keyType,
      proved: `allowed are ${allowed}`,
      change: `set keyType of the podCertificate source, want=${allowed}`,
    }
    return { findings: [refused('UnsupportedKeyType', refusal)] }
  },
}

const lifetimeBounded: Check = {
  name: 'lifetime-bounded',
  run: ({ claims, profile }) => {
    const { maxExpirationSeconds } = claims
    const lifetimeSeconds = Math.min(maxExpirationSeconds, profile.lifetimeSecondsMax)
    if (lifetimeSeconds < lifetimeSecondsMin) {
      const why = `want=${lifetimeSecondsMin}.. got=${lifetimeSeconds}`
      return { findings: [{ kind: 'undecided', field: 'maxExpirationSeconds', why }] }
    }
    const finding = noted(
      'maxExpirationSeconds',
      `asked ${maxExpirationSeconds}, given ${lifetimeSeconds}`,
    )
    return { findings: [finding], granted: { lifetimeSeconds } }
  },
}

/**
 * Every check there is, in the order in which a reader wants to hear of them: who asks first, then what for. Each row reads
 * claims and evidence for itself, so their order decides nothing but which reason names the refusal.
 */
export const checks: readonly Check[] = [
  podExists,
  podRuns,
  podBoundToNode,
  nodeIsLive,
  podRunsServiceAccount,
  serviceAccountIsLive,
  namespaceIsLive,
  volumeDeclared,
  keyTypeAllowed,
  lifetimeBounded,
  roleProved,
  tenantProved,
  modelsGranted,
  toolScopesGranted,
  dnsNamesSelected,
]

/**
 * Claims × evidence × profile → verdict. Pure. One refused field refuses the request; a refusal on evidence that is not live,
 * and anything undecided, waits instead.
 */
export function evaluate(claims: Claims, evidence: Evidence, profile: EvaluationProfile): Verdict {
  const { findings, granted } = runChecks({ claims, evidence, profile })
  // What a restarted kubelet asks for ended pods is nobody's fault; anything else that is refused is, and names the refusal.
  const refusals = findings
    .filter((finding) => finding.kind === 'refused')
    .toSorted((a, b) => Number(a.reason === 'PodEnded') - Number(b.reason === 'PodEnded'))
  const [first] = refusals
  if (first !== undefined) {
    if (!evidence.live) {
      return { kind: 'wait', why: `evidence against ${first.field} is not live yet` }
    }
    const fields = refusals.map(({ field, asked, proved: shown, change }) => ({
      field,
      asked,
      proved: shown,
      change,
    }))
    return denied({ reason: first.reason, fields }, findings)
  }
  const undecided = findings.find((finding) => finding.kind === 'undecided')
  if (undecided !== undefined) return { kind: 'wait', why: `${undecided.field}: ${undecided.why}` }
  const namespace = foundNamespace(evidence)
  if (namespace === undefined || granted.lifetimeSeconds === undefined) {
    return { kind: 'wait', why: 'evidence is not complete' }
  }
  return {
    kind: 'issue',
    spiffeId: workloadSpiffeId({
      trustDomain: profile.trustDomain,
      namespace: claims.request.namespace,
      serviceAccount: claims.serviceAccount.name,
    }),
    namespace: { name: claims.request.namespace, uid: namespace.uid },
    serviceAccount: claims.serviceAccount,
    pod: claims.pod,
    node: claims.node,
    ...(granted.role === undefined ? {} : { role: granted.role }),
    ...(granted.tenant === undefined ? {} : { tenant: granted.tenant }),
    ceiling: { models: granted.models ?? [], toolScopes: granted.toolScopes ?? [] },
    dnsNames: granted.dnsNames ?? [],
    lifetimeSeconds: granted.lifetimeSeconds,
    projectedPaths: granted.projectedPaths ?? [],
    findings,
  }
}

/** A refusal as a verdict, with the message that its reader needs. */
export function denied(refusal: Refusal, findings: readonly NamedFinding[] = []): DenyVerdict {
  return { kind: 'deny', ...refusal, message: refusalMessage(refusal), findings }
}

function runChecks(input: CheckInput): {
  readonly findings: readonly NamedFinding[]
  readonly granted: Granted
} {
  const findings: NamedFinding[] = []
  let granted: Granted = {}
  for (const check of checks) {
    const result = check.run(input)
    granted = { ...granted, ...result.granted }
    for (const finding of result.findings) findings.push({ ...finding, check: check.name })
  }
  return { findings, granted }
}

function foundNamespace(evidence: Evidence): NamespaceEvidence | undefined {
  return evidence.namespace.state === 'found' ? evidence.namespace.object : undefined
}
