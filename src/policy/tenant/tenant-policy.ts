import { CountersignError, quoted } from '../../errors.ts'
import { silentMetrics } from '../../metrics.ts'
import type { AskedCall } from '../asked.ts'
import { textOf } from '../asked.ts'
import { mergeBundle, parseBundle } from '../bundle.ts'
import type { BundleContent } from '../bundle-content.ts'
import type { Reason } from '../decision.ts'
import { documentOf } from '../document.ts'
import type { InputText } from '../input.ts'
import { createPlanEngine } from '../plan-engine.ts'
import { parsePlan, type Plan } from '../plan/plan.ts'
import { compareOpinions } from '../second-opinion.ts'
import { createWasmEngine } from '../wasm-engine.ts'

/** The rules of one tenant, about calls of its own that the platform's permit. They can deny, and nothing else. */
export interface TenantPolicy {
  readonly revision: string
  readonly digest: string
  /** Why it denies; nothing where it does not. Throws `policy/…` where it has no answer. */
  denials(asked: AskedCall): readonly Reason[]
  /** Of calls that name no arguments, which of them lists show: not what is denied, unless each denial says that it is listed. Throws `policy/…`. */
  shows(asked: readonly AskedCall[]): readonly boolean[]
}

/** A tenant's rules are asked beside the platform's, and take no more of the time of others than these may. */
const fuelMax = 20_000

/**
 * All that is asked for one list: for each of its members twice what the shipped rules may take of a call. Nothing is kept of lists of
 * prompts, or of one that had no answer: whoever asks again and again takes the time of others.
 */
const listFuelOfMember = 2000
const listFuelMax = 1_000_000

/** 32 MiB. */
const memoryPagesMax = 512

/** As many as an answer has room for beside others. */
const denialsMax = 16

/** The one question that a tenant's bundle answers. */
export function tenantEntrypoint(tenant: string): string {
  return `${tenantRoot(tenant)}/deny`
}

/** All that it holds stands below it: rules and data. */
export function tenantRoot(tenant: string): string {
  return `tenants/${tenant}`
}

/**
 * Opens the bundle of a tenant. It is an engine of its own, with no data but its own, so there is nothing else that it could read or change;
 * what it says beyond its root is refused, because its author means something by it. Nothing ends a module: it is run only where the bundle
 * is not `tested` yet, in a process of its own. Throws `policy/bundle`.
 */
export async function openTenantPolicy(
  content: BundleContent,
  tenant: string,
  { tested }: { readonly tested: boolean } = { tested: false },
): Promise<TenantPolicy> {
  const files = await parseBundle(content)
  const [root, ...others] = files.roots
  if (root !== tenantRoot(tenant) || others.length > 0) {
    const got = quoted(files.roots.join(' '), 300)
    throw refused(
      `roots of the manifest are not those of the tenant, want=${tenantRoot(tenant)} got=${got}`,
    )
  }
  if (files.plan === undefined) throw refused('bundle has no plan.json')
  checkRules(files.plan, tenant)
  const bundle = mergeBundle(files, [])
  const budget = createBudget()
  const plan = createPlanEngine(files.plan, { ...budget, metrics: silentMetrics })
  const evaluate = plan.withData(bundle.dataText)
  const entrypoint = tenantEntrypoint(tenant)
  if (!tested) {
    compareOpinions(evaluate, createWasmEngine(bundle, memoryPagesMax), samplesOf(entrypoint))
  }
  const ask = (asked: AskedCall): readonly unknown[] =>
    denialsIn(
      evaluate(entrypoint, () => textOf(asked) as InputText, documentOf(asked)),
      tenant,
    )
  const { revision, digest } = bundle
  const policy: TenantPolicy = {
    revision,
    digest,
    denials: (asked) =>
      ask(asked)
        .slice(0, denialsMax)
        .flatMap((denial) => reasonsOf(denial, tenant)),
    shows: (asked) =>
      budget.share(asked.length, () => asked.map((each) => ask(each).every(isListed))),
  }
  // Nothing at all has an answer, whatever that is.
  evaluate(entrypoint, '{}' as InputText)
  return policy
}

/** The steps of one evaluation, and of those that share what one list may take. */
function createBudget(): {
  readonly fuelOf: () => number
  readonly spent: (steps: number) => void
  share<T>(members: number, work: () => T): T
} {
  let left: number | undefined
  return {
    fuelOf: () => Math.min(fuelMax, left ?? fuelMax),
    spent(steps) {
      if (left !== undefined) left -= steps
    },
    share(members, work) {
      left = Math.min(Math.max(fuelMax, members * listFuelOfMember), listFuelMax)
      try {
        return work()
      } finally {
        left = undefined
      }
    },
  }
}

/** OPA's plan names each rule by its package. */
function checkRules(planJson: unknown, tenant: string): void {
  const { funcs } = parsed(planJson)
  const root = tenantRoot(tenant)
  for (const { path = [] } of funcs) {
    const name = path.slice(1).join('/')
    if (name === root || name.startsWith(`${root}/`)) continue
    throw refused(
      `rules are outside of the root of the tenant, want=${root} got=${quoted(name, 300)}`,
    )
  }
}

function parsed(planJson: unknown): Plan {
  try {
    return parsePlan(planJson)
  } catch (error) {
    throw refused('plan.json cannot be run', error)
  }
}

function samplesOf(
  entrypoint: string,
): readonly { readonly entrypoint: string; readonly input: object }[] {
  const call = {
    subject: {
      type: 'identity',
      id: 'spiffe://sample.invalid/ns/sample/sa/sample',
      properties: {},
    },
    action: { name: 'tools/call' },
    resource: { type: 'tool', id: 'sample', properties: { server: 'sample' } },
    context: { arguments: { sample: 'sample' }, phase: 'request', time: '2026-01-01T00:00:00Z' },
  }
  const listed = { ...call, context: { phase: 'list', time: call.context.time } }
  return [{}, call, listed].map((input) => ({ entrypoint, input }))
}

function denialsIn(value: unknown, tenant: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new CountersignError('policy/result', `denials of a tenant are no set, got=${tenant}`)
}

/** It is arguments that are wrong: with others a call may be allowed. Only the boolean is such a word. */
function isListed(denial: unknown): boolean {
  return (denial as { readonly listed?: unknown } | null)?.listed === true
}

/** As those of `countersign.custom`: a denial that nobody can read denies all the same. */
function reasonsOf(denial: unknown, tenant: string): readonly Reason[] {
  const { code, message, operator = message } = (denial ?? {}) as Record<string, unknown>
  const isNamed = typeof code === 'string' && /^[a-z][a-z0-9_-]{0,63}$/.test(code)
  const isTold = isText(message) && isText(operator)
  if (isNamed && isTold) {
    return [
      { code, message, audience: 'agent' },
      { code, message: `by the bundle of the tenant ${tenant}: ${operator}`, audience: 'operator' },
    ]
  }
  const told = `deny of the bundle of the tenant ${tenant} has a member without the texts code and message`
  return [
    { code: 'denied', message: 'a rule of the tenant denies it', audience: 'agent' },
    { code: 'denied', message: told, audience: 'operator' },
  ]
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 512
}

function refused(message: string, cause?: unknown): CountersignError {
  return new CountersignError('policy/bundle', message, { cause })
}
