import { CountersignError } from '../../errors.ts'
import type { Metrics } from '../../metrics.ts'
import type { AskedCall } from '../asked.ts'
import type { Evaluated } from '../authorizer.ts'
import type { Decision } from '../decision.ts'
import { createReader } from '../document.ts'
import type { InputText } from '../input.ts'
import type { PolicyName } from '../engine.ts'
import { dot, isObject } from '../plan/values.ts'
import type { TenantPolicy } from './tenant-policy.ts'

/** The bundles of tenants that have one. */
export interface TenantPolicies {
  /** Undefined: the tenant has none. Throws `policy/bundle` where it has one that is not there yet. */
  of(tenant: string): TenantPolicy | undefined
  /** The tenant of a caller, by the text of its subject. */
  tenantOf(subject: InputText): string | undefined
}

/** Reads the tenant of a subject, which comes again with every call of its connection. */
export function createTenantOf(): TenantPolicies['tenantOf'] {
  const read = createReader()
  return (subject) => {
    const value = read(subject)
    const properties = isObject(value) ? dot(value, 'properties') : undefined
    const tenant = isObject(properties) ? dot(properties, 'tenant') : undefined
    return typeof tenant === 'string' ? tenant : undefined
  }
}

/**
 * What the platform's rules permit, the bundle of the caller's own tenant may deny. Nobody else's is asked, and it can permit nothing; where
 * it has no answer, calls of its tenant are refused, and of no other.
 */
export function decideWithTenant(
  here: Evaluated<Decision, AskedCall>,
  {
    tenants,
    unavailable,
    metrics,
  }: {
    readonly tenants: TenantPolicies
    readonly unavailable: Decision
    readonly metrics: Metrics
  },
): Evaluated<Decision> {
  const name = here.value.allow ? tenants.tenantOf(here.asked.parts.subject) : undefined
  if (name === undefined) return here
  // Of a tenant whose bundle is not there it is recorded all the same whose answer was missing.
  let tenant = { name, revision: 'none', digest: 'none' }
  try {
    const policy = tenants.of(name)
    if (policy === undefined) return here
    const { revision, digest } = policy
    tenant = { name, revision, digest }
    const reasons = policy.denials(here.asked)
    const named = namedFor(here, tenant)
    if (reasons.length === 0) return named
    const value = { allow: false, reasons, obligations: [] }
    return { ...named, value, result: value }
  } catch (thrown) {
    const code = thrown instanceof CountersignError ? thrown.code : 'unknown'
    metrics.count('countersign_policy_errors_total', { code })
    const message = thrown instanceof Error ? thrown.message : 'unknown'
    const error = `${code}: ${message}`
    return { ...namedFor(here, tenant), value: unavailable, result: null, error }
  }
}

function namedFor(
  here: Evaluated<Decision, AskedCall>,
  tenant: NonNullable<PolicyName['tenant']>,
): Evaluated<Decision, AskedCall> {
  const { policy } = here
  return policy === undefined ? here : { ...here, policy: { ...policy, tenant } }
}
