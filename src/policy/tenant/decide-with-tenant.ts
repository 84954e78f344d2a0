import { CountersignError } from '../../errors.ts'
import type { Metrics } from '../../metrics.ts'
import { askCall } from '../asked.ts'
import type { Asked, AskedCall, AskedList, AskedResource } from '../asked.ts'
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
  /** Of all of them: another one whenever one of them is. */
  readonly digest: string
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

interface Tenants {
  readonly tenants: TenantPolicies
  readonly metrics: Metrics
}

/**
 * What the platform's rules permit, the bundle of the caller's own tenant may deny. Nobody else's is asked, and it can permit nothing; where
 * it has no answer, calls of its tenant are refused, and of no other.
 */
export function decideWithTenant(
  here: Evaluated<Decision, AskedCall>,
  { unavailable, ...parts }: Tenants & { readonly unavailable: Decision },
): Evaluated<Decision> {
  if (!here.value.allow) return here
  return askTenant(here, { ...parts, unavailable }, (policy) => {
    const reasons = policy.denials(here.asked)
    if (reasons.length === 0) return undefined
    const value = { allow: false, reasons, obligations: [] }
    return { value, result: value }
  })
}

/** Of what the platform's rules show, the same bundle may hide what it would deny whoever called it. */
export function filterWithTenant(
  here: Evaluated<readonly boolean[], AskedList>,
  parts: Tenants,
): Evaluated<readonly boolean[], AskedList> {
  const { asked, value } = here
  const indices = value.flatMap((isShown, index) => (isShown ? [index] : []))
  if (indices.length === 0) return here
  const unavailable = value.map(() => false)
  return askTenant(here, { ...parts, unavailable }, (policy) => {
    const calls = indices.map((index) => callOf(asked, asked.resources[index]))
    const shows = policy.shows(calls)
    const allowed = indices.filter((_, place) => shows[place] === true)
    const shown = new Set(allowed)
    return {
      value: value.map((_, index) => shown.has(index)),
      result: { allowed, count: value.length },
      ofPlatform: value,
    }
  })
}

/** What a call of each would be, as far as a list tells; of anything else than these, what it is listed for. */
const actionOf: Readonly<Record<string, string>> = {
  tool: 'tools/call',
  prompt: 'prompts/get',
  resource: 'resources/read',
  resource_template: 'resources/read',
}

function callOf({ parts }: AskedList, resource: AskedResource | undefined): AskedCall {
  if (resource === undefined) throw new TypeError('a list shows what it was not asked about')
  const { text, value } = resource
  const type = isObject(value) ? dot(value, 'type') : undefined
  const action = (typeof type === 'string' ? actionOf[type] : undefined) ?? parts.action
  return askCall({ ...parts, action, resource: text, arguments: undefined })
}

/** Asks the bundle of the caller's tenant; `narrow` gives undefined where that changes nothing. */
function askTenant<T, A extends Exclude<Asked, { kind: 'plain' }>>(
  here: Evaluated<T, A>,
  { tenants, metrics, unavailable }: Tenants & { readonly unavailable: T },
  narrow: (policy: TenantPolicy) => Partial<Evaluated<T, A>> | undefined,
): Evaluated<T, A> {
  const name = tenants.tenantOf(here.asked.parts.subject)
  if (name === undefined) return here
  // Of a tenant whose bundle is not there it is recorded all the same whose answer was missing.
  let tenant = { name, revision: 'none', digest: 'none' }
  try {
    const policy = tenants.of(name)
    if (policy === undefined) return here
    const { revision, digest } = policy
    tenant = { name, revision, digest }
    return { ...namedFor(here, tenant), ...narrow(policy) }
  } catch (thrown) {
    const code = thrown instanceof CountersignError ? thrown.code : 'unknown'
    metrics.count('countersign_policy_errors_total', { code })
    const message = thrown instanceof Error ? thrown.message : 'unknown'
    const error = `${code}: ${message}`
    return { ...namedFor(here, tenant), value: unavailable, result: null, error }
  }
}

function namedFor<T, A extends Asked>(
  here: Evaluated<T, A>,
  tenant: NonNullable<PolicyName['tenant']>,
): Evaluated<T, A> {
  const { policy } = here
  return policy === undefined ? here : { ...here, policy: { ...policy, tenant } }
}
