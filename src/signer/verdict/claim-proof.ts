import { quoted } from '../../errors.ts'
import { annotationKeys, grantLabelPrefixes } from '../../identity/governance-key.ts'
import { parseTenant } from '../../identity/tenant.ts'
import type { Tenant } from '../../identity/tenant.ts'
import type { Check, CheckResult } from './check.ts'
import { ifFound, noted, proved } from './check.ts'
import type { ClaimEvidence, Evidence, NamespaceEvidence } from './evidence.ts'
import { allowanceGap, readProof } from './proof.ts'
import type { Proof } from './proof.ts'

/*
 * A pod that was made for a pool is given to somebody later, by a claim. Until then it has no tenant and no ceiling: its pool is for many.
 */

/** So long is an unclaimed pod left alone; what changes of its owners is looked at when it does. */
const unclaimedSeconds = 300

/** Whom the pod was given to goes into the certificate: of another claim, or of none, it is another's. */
export const claimFollowed: Check = {
  name: 'claim-followed',
  run: ({ evidence, profile }) =>
    withClaim(evidence, 'claim', (claim) => {
      if (claim.state === 'claimed') {
        const { kind, name, uid, owners } = claim
        const by = `owners of the pod, ${owners.join(' ← ')}`
        return {
          findings: [proved('claim', `${kind} ${name} with UID ${uid}`, by)],
          granted: { claim: { name, uid } },
        }
      }
      if (claim.state === 'none') return { findings: [] }
      const why = `pod is unclaimed: ${claim.why}`
      return profile.unclaimed === 'pool'
        ? { findings: [noted('claim', why)] }
        : { findings: [{ kind: 'undecided', field: 'claim', why, seconds: unclaimedSeconds }] }
    }),
}

/** For rows about what is proved of whom the pod serves: nothing, and nothing refused, while it serves nobody yet. */
export function unlessUnclaimed(
  evidence: Pick<Evidence, 'claim'>,
  field: string,
  body: (claim: Exclude<ClaimEvidence, { readonly state: 'unclaimed' }>) => CheckResult,
): CheckResult {
  return withClaim(evidence, field, (claim) =>
    claim.state === 'unclaimed'
      ? { findings: [noted(field, 'none: the pod is unclaimed')] }
      : body(claim),
  )
}

/** Why the label of a claim and those of its namespace contradict each other; else which of them proves the tenant. */
export type TenantProof =
  { readonly contradiction: string } | { readonly proof: Proof<Tenant>; readonly by: string }

/**
 * The tenant of a namespace is that of everything in it. In one without, a claim may name one that the namespace allows: whoever makes
 * claims there gives no pod to others than those.
 */
export function proveTenant(
  namespace: NamespaceEvidence,
  claim: Exclude<ClaimEvidence, { readonly state: 'unclaimed' }>,
): TenantProof {
  const { tenant: key } = annotationKeys
  const own = namespace.labels[key]
  const byNamespace = `label ${key} of namespace ${quoted(namespace.name)}`
  if (claim.state === 'none' || claim.tenant === undefined || claim.tenant === own) {
    return { proof: readProof(own, parseTenant), by: byNamespace }
  }
  const byClaim = `label ${key} of ${claim.kind} ${quoted(claim.name, 253)}`
  const named = `${byClaim} is ${quoted(claim.tenant)}`
  if (own !== undefined) return { contradiction: `${named} and ${byNamespace} ${quoted(own)}` }
  const proof = readProof(claim.tenant, parseTenant)
  if (proof.value === undefined) return { contradiction: `${byClaim} ${proof.problem}` }
  const label = `${grantLabelPrefixes.tenants}${proof.value}`
  const gap = allowanceGap(namespace, label)
  if (gap !== undefined) return { contradiction: `${named} and ${gap.proved}; ${gap.change}` }
  return { proof, by: `${byClaim}, and label ${label} of namespace ${quoted(namespace.name)}` }
}

function withClaim(
  { claim }: Pick<Evidence, 'claim'>,
  field: string,
  body: (claim: ClaimEvidence) => CheckResult,
): CheckResult {
  return claim === undefined ? body({ state: 'none' }) : ifFound(claim, field, body)
}
