import { hash } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { openActivation, type Activation } from '../policy/activation.ts'
import type { BundleContent } from '../policy/bundle-content.ts'
import type { BundleTrust } from '../policy/bundle-trust.ts'
import { createTenantOf, type TenantPolicies } from '../policy/tenant/decide-with-tenant.ts'
import { openTenantPolicy, type TenantPolicy } from '../policy/tenant/tenant-policy.ts'
import type { Condition } from '../readiness.ts'
import { followBundle } from './follow-bundle.ts'
import type { PolicyParts } from './open-policy.ts'
import { openSelfTest, openTrust } from './policy-files.ts'
import type { PolicyConfig, TenantConfig } from './shared-configuration.ts'

export interface OpenTenants extends AsyncDisposable {
  readonly tenants: TenantPolicies
  condition(): Condition
}

type Parts = PolicyParts & { readonly now: () => number }

/**
 * Opens the bundles of tenants and follows each by itself. What is wrong with one stops no start: calls of its tenant are denied until it has
 * a good one, or are decided by its last good one, and those of all others are as they were.
 */
export async function openTenants(
  { tenants: configured = {} }: PolicyConfig,
  parts: Parts,
): Promise<OpenTenants | undefined> {
  const entries = Object.entries(configured)
  if (entries.length === 0) return undefined
  await using opened = new AsyncDisposableStack()
  const followed = new Map<string, Followed>()
  const inTurn = createTurns()
  for (const [tenant, config] of entries) {
    followed.set(tenant, opened.use(await follow(tenant, config, { ...parts, inTurn })))
  }
  const digestOf = createDigestOf()
  const all = opened.move()
  return {
    tenants: {
      tenantOf: createTenantOf(),
      get digest() {
        return digestOf([...followed.values()].map((each) => each.current()))
      },
      of(tenant) {
        const current = followed.get(tenant)?.current()
        if (current === absent) {
          throw new CountersignError('policy/bundle', 'no bundle of the tenant is in force yet')
        }
        return current
      },
    },
    condition: () => conditionOf(followed),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

/** One digest of several policies, made anew when one of them is another. */
function createDigestOf(): (policies: readonly TenantPolicy[]) => string {
  let last: { readonly policies: readonly TenantPolicy[]; readonly digest: string } | undefined
  return (policies) => {
    if (last?.policies.every((each, index) => each === policies[index]) !== true) {
      const digests = policies.map(({ digest }) => digest).join(' ')
      last = { policies, digest: hash('sha256', digests, 'hex') }
    }
    return last.digest
  }
}

/** Work of which one begins when the one before has ended. */
type Turns = (work: () => Promise<void>) => Promise<void>

/** A test is a process with a heap of its own: those of all tenants at once are more than a pod has room for. */
function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const ended = last.then(work)
    last = ended.catch(() => {})
    return ended
  }
}

interface Followed extends AsyncDisposable {
  current(): TenantPolicy
  readonly problem: Error | undefined
}

/** Until there is a first good one. */
const absent: TenantPolicy = {
  revision: 'none',
  digest: 'none',
  denials: () => [],
  shows: () => [],
}

async function follow(
  tenant: string,
  { bundle: place, signature }: TenantConfig,
  { now, log, metrics, selfTest = openSelfTest(), inTurn }: Parts & { readonly inTurn: Turns },
): Promise<Followed> {
  await using opened = new AsyncDisposableStack()
  let trust: BundleTrust | undefined
  const files = opened.use(await followBundle(place, { log, awaited: true }))
  const activation: Activation<BundleContent | undefined, TenantPolicy> = opened.use(
    await openActivation<BundleContent | undefined, TenantPolicy>(
      { bundle: undefined, documents: [] },
      {
        async prepare({ bundle }, signal) {
          if (bundle === undefined) return absent
          // Once read it is the same one: it knows which signature was the last.
          trust ??= await openTrust(signature)
          const admission = trust.admit(bundle)
          const tested = { content: bundle, documents: [], engine: undefined, tenant }
          await inTurn(async () => {
            // Nobody waits for it any more.
            signal?.throwIfAborted()
            await selfTest(tested, signal)
          })
          const policy = await openTenantPolicy(bundle, tenant, { tested: true })
          admission.accepted()
          return policy
        },
        now,
        log,
        metrics,
      },
    ),
  )
  const offer = (): Promise<void> => activation.offerBundle(files.current())
  files.onChange(() => void offer())
  // A tenant's calls wait for no start: they are denied until its bundle has passed its test.
  if (files.problem === undefined) void offer()
  const all = opened.move()
  return {
    current: () => activation.current(),
    get problem() {
      return files.problem ?? activation.problem('bundle')
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

function conditionOf(followed: ReadonlyMap<string, Followed>): Condition {
  const told = [...followed].map(([tenant, each]) => {
    const [policy, problem] = [each.current(), each.problem]
    const there = policy === absent ? 'no bundle yet, its calls are denied' : policy.revision
    return problem === undefined ? `${tenant}: ${there}` : `${tenant}: ${there}; ${problem.message}`
  })
  const ok = [...followed.values()].every(
    (each) => each.problem === undefined && each.current() !== absent,
  )
  return { name: 'policy-tenants', ok, optional: true, reason: told.join(', ') }
}
