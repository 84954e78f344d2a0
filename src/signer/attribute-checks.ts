import { CountersignError, quoted } from '../errors.ts'
import { parseModels, parseToolScopes } from '../identity/ceiling.ts'
import { isDnsLabel } from '../identity/kubernetes-name.ts'
import { parseRole, servingRoles } from '../identity/role.ts'
import { parseTenant } from '../identity/tenant.ts'
import { containsToolScope } from '../identity/tool-scope.ts'
import type { Check } from './check.ts'
import { ifFound, noted, proved, refused } from './check.ts'
import { selectsPod } from './evidence.ts'
import type { NamespaceEvidence, ServiceAccountEvidence } from './evidence.ts'
import { annotationKeys, grantLabelPrefixes } from './governance-key.ts'
import type { DenyReason, Finding } from './verdict.ts'

/*
 * What is asked beside the name. Namespace labels belong to cluster administrators, service accounts to the owners of the
 * namespace. A ceiling is the intersection of the two, so neither can widen it alone.
 */

/** A proof that cannot be read proves nothing; `problem` says so to whoever can mend it. */
interface Proof<T> {
  readonly value: T | undefined
  readonly problem: string
}

export const roleProved: Check = {
  name: 'role-proved',
  run: ({ claims, evidence }) =>
    ifFound(evidence.serviceAccount, 'role', (serviceAccount) => {
      const proof = read(serviceAccount.labels[annotationKeys.role], parseRole)
      const by = `label ${annotationKeys.role} of service account ${quoted(serviceAccount.name, 253)}`
      const result = compared('RoleNotProved', { field: 'role', asked: claims.role, proof, by })
      return proof.value === undefined || result.refused
        ? { findings: result.findings }
        : { findings: result.findings, granted: { role: proof.value } }
    }),
}

export const tenantProved: Check = {
  name: 'tenant-proved',
  run: ({ claims, evidence }) =>
    ifFound(evidence.namespace, 'tenant', (namespace) => {
      const proof = read(namespace.labels[annotationKeys.tenant], parseTenant)
      const by = `label ${annotationKeys.tenant} of namespace ${quoted(namespace.name)}`
      const result = compared('TenantNotProved', {
        field: 'tenant',
        asked: claims.tenant,
        proof,
        by,
      })
      return proof.value === undefined || result.refused
        ? { findings: result.findings }
        : { findings: result.findings, granted: { tenant: proof.value } }
    }),
}

export const modelsGranted: Check = {
  name: 'models-granted',
  run: ({ claims, evidence }) =>
    ifFound(evidence.serviceAccount, 'models', (serviceAccount) =>
      ifFound(evidence.namespace, 'models', (namespace) => {
        const proof = read(serviceAccount.annotations[annotationKeys.models], parseModels)
        const { findings, granted } = split(claims.models, {
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
    ),
}

export const toolScopesGranted: Check = {
  name: 'tool-scopes-granted',
  run: ({ claims, evidence }) =>
    ifFound(evidence.serviceAccount, 'toolScopes', (serviceAccount) =>
      ifFound(evidence.namespace, 'toolScopes', (namespace) => {
        const proof = read(serviceAccount.annotations[annotationKeys.toolScopes], parseToolScopes)
        const { findings, granted } = split(claims.toolScopes, {
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
    ),
}

/** A certificate has room for names, not for every Service that somebody may create in front of a pod. */
const servicesMax = 16

/** Never asked for: the names of Services that pick the pod, for roles that answer connections. */
export const dnsNamesSelected: Check = {
  name: 'dns-names-selected',
  run: ({ claims, evidence, profile }) =>
    ifFound(evidence.serviceAccount, 'dnsNames', (serviceAccount) => {
      const role = read(serviceAccount.labels[annotationKeys.role], parseRole).value
      if (role === undefined || !servingRoles.includes(role)) return { findings: [] }
      return ifFound(evidence.pod, 'dnsNames', (pod) =>
        ifFound(evidence.services, 'dnsNames', (services) => {
          const selecting = services
            .filter((service) => isDnsLabel(service.name) && selectsPod(service, pod.labels))
            .map((service) => service.name)
            .toSorted()
          const dnsNames = selecting.slice(0, servicesMax).flatMap((name) => {
            const short = `${name}.${claims.request.namespace}.svc`
            const { clusterDomain } = profile
            return clusterDomain === undefined ? [short] : [short, `${short}.${clusterDomain}`]
          })
          return { findings: dnsFindings(selecting, dnsNames), granted: { dnsNames } }
        }),
      )
    }),
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

function read<T>(text: string | undefined, parse: (text: string) => T): Proof<T> {
  if (text === undefined) return { value: undefined, problem: 'is not set' }
  try {
    return { value: parse(text), problem: '' }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return { value: undefined, problem: `cannot be read, so it proves nothing: ${error.message}` }
  }
}

/** A single value: asked for and proved must be equal; not asked for, it is filled in from the proof. */
function compared(
  reason: DenyReason,
  claim: {
    readonly field: string
    readonly asked: string | undefined
    readonly proof: Proof<string>
    readonly by: string
  },
): { readonly findings: readonly Finding[]; readonly refused: boolean } {
  const { field, asked, proof, by } = claim
  if (asked !== undefined && asked !== proof.value) {
    const refusal = refused(reason, {
      field,
      asked: quoted(asked),
      proved: proof.value === undefined ? `none: ${by} ${proof.problem}` : quoted(proof.value),
      change: `set ${by} to ${quoted(asked)}, or do not ask for it`,
    })
    return { findings: [refusal], refused: true }
  }
  if (proof.value !== undefined)
    return { findings: [proved(field, proof.value, by)], refused: false }
  return { findings: [noted(field, `none: ${by} ${proof.problem}`)], refused: false }
}

/** Why the two proofs together do not hold one member of a ceiling; undefined when they do. */
interface Gap {
  readonly proved: string
  readonly change: string
}

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
  const allowed = Object.hasOwn(namespace.labels, label) ? namespace.labels[label] : undefined
  const proofs: string[] = []
  const changes: string[] = []
  const account = `service account ${quoted(serviceAccount.name, 253)}`
  if (!listed) {
    proofs.push(`annotation ${key} of ${account} ${problem === '' ? 'does not cover it' : problem}`)
    changes.push(`add ${quoted(member, 192)} to annotation ${key} of ${account}`)
  }
  if (allowed !== 'allow') {
    const got = allowed === undefined ? 'is not set' : `is ${quoted(allowed)}`
    proofs.push(`label ${label} of namespace ${quoted(namespace.name)} ${got}`)
    changes.push(`label namespace ${quoted(namespace.name)} with ${label}=allow`)
  }
  return proofs.length === 0
    ? undefined
    : { proved: proofs.join(' and '), change: changes.join(' and ') }
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
