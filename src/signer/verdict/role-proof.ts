import { quoted } from '../../errors.ts'
import { parseRole } from '../../identity/role.ts'
import type { Role } from '../../identity/role.ts'
import type { NamespaceEvidence, ServiceAccountEvidence } from './evidence.ts'
import { annotationKeys, grantLabelPrefixes } from '../../identity/governance-key.ts'
import { allowanceGap, joinedGaps, readProof } from './proof.ts'
import type { Gap } from './proof.ts'

/** The two objects that prove a role. */
export interface RoleProof {
  readonly serviceAccount: ServiceAccountEvidence
  readonly namespace: NamespaceEvidence
}

/**
 * The role that a service account names and its namespace allows. Neither side gives one alone: whoever owns a namespace
 * labels its service accounts, and only who administers the cluster labels the namespace.
 */
export function proveRole(
  proof: RoleProof,
): { readonly role: Role; readonly by: string } | { readonly role: undefined; why: string } {
  const { serviceAccount, namespace } = proof
  const named = readProof(serviceAccount.labels[annotationKeys.role], parseRole)
  const label = `label ${annotationKeys.role} of ${accountOf(proof)}`
  if (named.value === undefined) return { role: undefined, why: `${label} ${named.problem}` }
  const allowance = allowanceLabel(named.value)
  const gap = allowanceGap(namespace, allowance)
  if (gap !== undefined) return { role: undefined, why: gap.proved }
  const by = `${label} and label ${allowance} of namespace ${quoted(namespace.name)}`
  return { role: named.value, by }
}

/** What the two sides lack to prove this very role; undefined when they prove it. */
export function roleGap(asked: Role, proof: RoleProof): Gap | undefined {
  const { serviceAccount, namespace } = proof
  const named = readProof(serviceAccount.labels[annotationKeys.role], parseRole)
  const label = `label ${annotationKeys.role} of ${accountOf(proof)}`
  const problem = named.value === undefined ? named.problem : `is ${quoted(named.value)}`
  const gap = joinedGaps([
    named.value === asked
      ? undefined
      : { proved: `${label} ${problem}`, change: `set ${label} to ${quoted(asked)}` },
    allowanceGap(namespace, allowanceLabel(asked)),
  ])
  return (
    gap && {
      proved: `${proveRole(proof).role ?? 'none'}: ${gap.proved}`,
      change: `${gap.change}, or do not ask for it`,
    }
  )
}

function accountOf({ serviceAccount }: RoleProof): string {
  return `service account ${quoted(serviceAccount.name, 253)}`
}

function allowanceLabel(role: Role): string {
  return `${grantLabelPrefixes.roles}${role}`
}
