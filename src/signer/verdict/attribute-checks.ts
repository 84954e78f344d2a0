import { quoted } from '../../errors.ts'
import { parseModels, parseToolScopes } from '../../identity/ceiling.ts'
import { isDnsLabel } from '../../identity/kubernetes-name.ts'
import { servingRoles } from '../../identity/role.ts'
import { containsToolScope } from '../../identity/tool-scope.ts'
import type { Check, CheckResult, EvaluationProfile } from './check.ts'
import { ifFound, noted, proved, refused } from './check.ts'
import { proveTenant, unlessUnclaimed } from './claim-proof.ts'
import type { Claims } from './claims.ts'
import { selectsPod } from './evidence.ts'
import type {
  Evidence,
  NamespaceEvidence,
  PodEvidence,
  ServiceAccountEvidence,
  ServiceEvidence,
} from './evidence.ts'
import { annotationKeys, grantLabelPrefixes } from '../../identity/governance-key.ts'
import { allowanceGap, joinedGaps, readProof } from './proof.ts'
import type { Gap, Proof } from './proof.ts'
import { proveRole, roleGap } from './role-proof.ts'
import type { DenyReason, Finding } from './verdict.ts'

/*
 * What is asked beside the name. Namespace labels belong to cluster administrators, service accounts to the owners of the
 * namespace. A role and a ceiling are the intersection of the two, so neither can widen them alone.
 */

/** Nothing of the pod: what they prove holds for whichever pod of the service account asks. */
export interface AttributeInput {
  readonly claims: Pick<Claims, 'attributes'>
  readonly evidence: Pick<Evidence, 'namespace' | 'serviceAccount' | 'claim'>
}

interface AttributeCheck {
  readonly name: string
  readonly run: (input: AttributeInput) => CheckResult
}

const roleProved: AttributeCheck = {
  name: 'role-proved',
  run: ({ claims, evidence }) =>
    ifFound(evidence.serviceAccount, 'role', (serviceAccount) =>
      ifFound(evidence.namespace, 'role', (namespace) => {
        const proof = { serviceAccount, namespace }
        const { role: asked } = claims.attributes
        const gap = asked === undefined ? undefined : roleGap(asked, proof)
        const refusals =
          asked === undefined || gap === undefined
            ? []
            : [refused('RoleNotProved', { field: 'role', asked: quoted(asked), ...gap })]
        const result = proveRole(proof)
        return result.role === undefined
          ? { findings: [...refusals, noted('role', `none: ${result.why}`)] }
          : {
              findings: [...refusals, proved('role', result.role, result.by)],
              granted: { role: result.role },
            }
      }),
    ),
}

const tenantProved: AttributeCheck = {
  name: 'tenant-proved',
  run: ({ claims, evidence }) =>
    ifFound(evidence.namespace, 'tenant', (namespace) =>
      unlessUnclaimed(evidence, 'tenant', (claim) => {
        const found = proveTenant(namespace, claim)
        if ('contradiction' in found) {
          const { contradiction: why } = found
          return { findings: [{ kind: 'undecided', field: 'tenant', why, grave: true }] }
        }
        const { tenant: asked } = claims.attributes
        const findings = compared('TenantNotProved', { field: 'tenant', asked, ...found })
        const { value: tenant } = found.proof
        return tenant === undefined ? { findings } : { findings, granted: { tenant } }
      }),
    ),
}

const modelsGranted: AttributeCheck = {
  name: 'models-granted',
  run: ({ claims, evidence }) =>
    granting(evidence, 'models', (serviceAccount, namespace) => {
      const proof = readProof(serviceAccount.annotations[annotationKeys.models], parseModels)
      const { findings, granted } = split(claims.attributes.models, {
        field: 'models',
        reason: 'ModelNotGranted',
        text: (model) => model,
        gap: (model) =>
          ceilingGap(serviceAccount, namespace, {
            key: annotationKeys.models,
            listed: proof.value?.includes(model) ?? false,
            problem: proof.problem,
            member: model,
            label: `${grantLabelPrefixes.models}${model}`,
          }),
      })
      return { findings, granted: { models: granted } }
    }),
}

const toolScopesGranted: AttributeCheck = {
  name: 'tool-scopes-granted',
  run: ({ claims, evidence }) =>
    granting(evidence, 'toolScopes', (serviceAccount, namespace) => {
      const proof = readProof(
        serviceAccount.annotations[annotationKeys.toolScopes],
        parseToolScopes,
      )
      const { findings, granted } = split(claims.attributes.toolScopes, {
        field: 'toolScopes',
        reason: 'ToolScopeNotGranted',
        text: (scope) => scope.text,
        gap: (scope) =>
          ceilingGap(serviceAccount, namespace, {
            key: annotationKeys.toolScopes,
            listed: proof.value?.some((wider) => containsToolScope(wider, scope)) ?? false,
            problem: proof.problem,
            member: scope.text,
            label: `${grantLabelPrefixes.tools}${scope.server}`,
          }),
      })
      return { findings, granted: { toolScopes: granted } }
    }),
}

/** The two that hold a ceiling, of a pod that serves somebody. */
function granting(
  { serviceAccount, namespace, claim }: AttributeInput['evidence'],
  field: string,
  body: (serviceAccount: ServiceAccountEvidence, namespace: NamespaceEvidence) => CheckResult,
): CheckResult {
  return ifFound(serviceAccount, field, (account) =>
    ifFound(namespace, field, (space) =>
      unlessUnclaimed({ ...(claim && { claim }) }, field, () => body(account, space)),
    ),
  )
}

export const attributeChecks: readonly AttributeCheck[] = [
  roleProved,
  tenantProved,
  modelsGranted,
  toolScopesGranted,
]

/** A certificate has room for names, not for every Service that somebody may create in front of a pod. */
const servicesMax = 16

/** Never asked for: the names of Services that pick the pod, for roles that answer connections. */
export const dnsNamesSelected: Check = {
  name: 'dns-names-selected',
  run: ({ claims, evidence, profile }) => {
    // Its pod is the agent's, which no Service of the certificate's namespace selects.
    if (claims.asked.stated?.issued !== undefined) return { findings: [] }
    return ifFound(evidence.serviceAccount, 'dnsNames', (serviceAccount) =>
      ifFound(evidence.namespace, 'dnsNames', (namespace) => {
        const { role } = proveRole({ serviceAccount, namespace })
        if (role === undefined || !servingRoles.includes(role)) return { findings: [] }
        return ifFound(evidence.pod, 'dnsNames', (pod) =>
          ifFound(evidence.services, 'dnsNames', (services) =>
            selectedNames(services, { pod, namespace: claims.asked.metadata.namespace, profile }),
          ),
        )
      }),
    )
  },
}

function selectedNames(
  services: readonly ServiceEvidence[],
  options: {
    readonly pod: PodEvidence
    readonly namespace: string
    readonly profile: EvaluationProfile
  },
): CheckResult {
  const { pod, namespace, profile } = options
  const selecting = services
    .filter((service) => isDnsLabel(service.name) && selectsPod(service, pod.labels))
    .map((service) => service.name)
    .toSorted()
  const dnsNames = selecting.slice(0, servicesMax).flatMap((name) => {
    const short = `${name}.${namespace}.svc`
    const { clusterDomain } = profile
    return clusterDomain === undefined ? [short] : [short, `${short}.${clusterDomain}`]
  })
  return { findings: dnsFindings(selecting, dnsNames), granted: { dnsNames } }
}

function dnsFindings(selecting: readonly string[], dnsNames: readonly string[]): Finding[] {
  if (selecting.length === 0) return [noted('dnsNames', 'no Service selects the pod')]
  const findings = [proved('dnsNames', dnsNames.join(', '), 'selectors of Services')]
  if (selecting.length > servicesMax) {
    findings.push(
      noted('dnsNames', `more Services than fit, want=..${servicesMax} got=${selecting.length}`),
    )
  }
  return findings
}

/** A single value: asked for and proved must be equal; not asked for, it is filled in from the proof, which no claim takes away. */
function compared(
  reason: DenyReason,
  claim: {
    readonly field: string
    readonly asked: string | undefined
    readonly proof: Proof<string>
    readonly by: string
  },
): readonly Finding[] {
  const { field, asked, proof, by } = claim
  const none = `none: ${by} ${proof.problem}`
  const shown = proof.value === undefined ? noted(field, none) : proved(field, proof.value, by)
  if (asked === undefined || asked === proof.value) return [shown]
  const refusal = refused(reason, {
    field,
    asked: quoted(asked),
    proved: proof.value === undefined ? none : quoted(proof.value),
    change: `set ${by} to ${quoted(asked)}, or do not ask for it`,
  })
  return [refusal, shown]
}

/** Why the two proofs together do not hold one member of a ceiling; undefined when they do. */
function ceilingGap(
  serviceAccount: ServiceAccountEvidence,
  namespace: NamespaceEvidence,
  grant: {
    readonly key: string
    readonly listed: boolean
    readonly problem: string
    readonly member: string
    readonly label: string
  },
): Gap | undefined {
  const { key, listed, problem, member, label } = grant
  const annotation = `annotation ${key} of service account ${quoted(serviceAccount.name, 253)}`
  return joinedGaps([
    listed
      ? undefined
      : {
          proved: `${annotation} ${problem === '' ? 'does not cover it' : problem}`,
          change: `add ${quoted(member, 192)} to ${annotation}`,
        },
    allowanceGap(namespace, label),
  ])
}

function split<T>(
  asked: readonly T[],
  claim: {
    readonly field: string
    readonly reason: DenyReason
    readonly text: (member: T) => string
    readonly gap: (member: T) => Gap | undefined
  },
): { readonly findings: readonly Finding[]; readonly granted: readonly T[] } {
  const by = 'service account annotation and namespace labels'
  const findings: Finding[] = []
  const granted: T[] = []
  for (const member of asked) {
    const gap = claim.gap(member)
    if (gap === undefined) {
      granted.push(member)
      findings.push(proved(claim.field, claim.text(member), by))
    } else {
      findings.push(
        refused(claim.reason, {
          field: claim.field,
          asked: quoted(claim.text(member), 192),
          ...gap,
        }),
      )
    }
  }
  return { findings, granted }
}
