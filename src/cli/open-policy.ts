import { CountersignError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { openReloadingFiles, type Reloading } from '../pki/reloading-files.ts'
import { openActivation, type Activation, type ActivationOptions } from '../policy/activation.ts'
import type { BundleContent } from '../policy/bundle-content.ts'
import {
  openBundleFollower,
  type BundleFollower,
  type FollowerOptions,
} from '../policy/bundle-follower.ts'
import { formatBundleStatus, type BundleStatus } from '../policy/bundle-status.ts'
import { createBundleStore, noStore } from '../policy/bundle-store.ts'
import type { Admitted, BundleTrust } from '../policy/bundle-trust.ts'
import { parseDataDocument, type DataDocument } from '../policy/data-document.ts'
import { openPolicyBase, type PolicyBase, type PolicyEngine } from '../policy/engine.ts'
import type { SelfTest } from '../policy/self-test.ts'
import type { ShadowOptions } from '../policy/shadow/shadow.ts'
import type { Condition } from '../readiness.ts'
import { followBundle } from './follow-bundle.ts'
import { openCandidate, type Candidate } from './open-candidate.ts'
import { openTenants, type OpenTenants } from './open-tenants.ts'
import { openSelfTest, openService, openTrust } from './policy-files.ts'
import type { PolicyConfig } from './shared-configuration.ts'

export interface OpenPolicy extends AsyncDisposable {
  /** Follows bundle and data: each evaluation is by what was last good. */
  readonly engine: PolicyEngine
  condition(): Condition
  /** Of the bundle, as OPA tells it. */
  status(): BundleStatus
  /** Why the bundle that is there now is not the one in force. */
  bundleProblem(): Error | undefined
  /** What is asked beside it; undefined where none is configured. */
  readonly candidate: Candidate | undefined
  /** What tenants deny of their own calls; undefined where none has a bundle. */
  readonly tenants: OpenTenants | undefined
}

/** Grants of a large platform; the module takes some sixteen times as much memory. */
const dataOctetsMax = 16 * 1024 * 1024

export interface PolicyParts {
  readonly log: Log
  readonly metrics: Metrics
  readonly now?: () => number
  readonly selfTest?: SelfTest
  readonly startShadow?: ShadowOptions['start']
  /** What a policy must pass here beside what any must. Throws `policy/…`. */
  readonly accept?: (engine: PolicyEngine) => void
  /** Between two questions to a bundle server. */
  readonly delay?: FollowerOptions['delay']
  /** Of the program: told to end, it waits for no policy to begin with. */
  readonly signal?: AbortSignal | undefined
}

const shipped = 'shipped' as const

/** Until a first good one comes from the bundle server. */
const none = 'none' as const

/** The bundle of the package, or what was read of the operator's. */
type Bundle = BundleContent | typeof shipped | typeof none

/**
 * Opens the policy bundle with the configured data documents beside its own, and follows both: a change counts as soon as it has passed
 * everything that a policy must, and one that does not leaves the last good one in force. Throws `policy/bundle`, `policy/data`,
 * `policy/signature`, `policy/test`.
 */
export async function openPolicy(config: PolicyConfig, parts: PolicyParts): Promise<OpenPolicy> {
  const { log, metrics, now = Date.now, signal } = parts
  await using opened = new AsyncDisposableStack()
  const data = opened.use(await followData(config.data, parts))
  const onReload = countRefused('bundle', metrics)
  const bundle =
    config.bundle === undefined
      ? undefined
      : opened.use(await followBundle(config.bundle, { log, onReload }))
  const first = config.service === undefined ? shipped : none
  const offer = { bundle: bundle?.current() ?? first, documents: data.current() }
  // What comes over a network may be sent again by anybody on the way.
  const how = config.service === undefined ? {} : { dated: now }
  const trust = await openTrust(config.signature, how)
  const inForce = (): Bundle | undefined => opening?.active().bundle
  const onTaken = (): void => {
    follower?.settle()
    candidate?.shadow.renew()
  }
  const prepare = createPrepare(config, { ...parts, trust, inForce })
  // What is tested when it ends is waited for by the follower, so the activation, which ends the test, goes before it.
  let follower: BundleFollower | undefined
  let opening: Activation<Bundle> | undefined
  let candidate: Candidate | undefined
  opened.defer(async () => follower?.[Symbol.asyncDispose]())
  const activation = opened.use(
    await openActivation<Bundle>(offer, { prepare, onTaken, now, log, metrics, signal }),
  )
  opening = activation
  const offerDocuments = (): void => void activation.offerDocuments(data.current())
  const offerBundle = (): void => void activation.offerBundle(bundle?.current() ?? shipped)
  data.onChange(offerDocuments)
  bundle?.onChange(offerBundle)
  // The first test took its time, and nobody listened meanwhile.
  if (data.current() !== offer.documents) offerDocuments()
  if (bundle !== undefined && bundle.current() !== offer.bundle) offerBundle()
  follower = await followService(config, { ...parts, now, trust, activation })
  opened.defer(() => follower?.end())
  if (signal?.aborted === true) {
    throw new CountersignError('policy/bundle', 'told to end before there was a policy')
  }
  candidate = opened.use(
    await openCandidate(config, { ...parts, now, inForce: inForceOf(activation) }),
  )
  const tenants = opened.use(await openTenants(config, { ...parts, now }))
  const all = opened.move()
  const problemOfBundle = (): Error | undefined =>
    follower === undefined ? (bundle?.problem ?? activation.problem('bundle')) : follower.problem
  return {
    engine: followingEngine(activation),
    condition: () => conditionOf(activation, { bundle: problemOfBundle(), data: data.problem }),
    bundleProblem: problemOfBundle,
    candidate,
    tenants,
    status() {
      const { bundle: active, at } = activation.active()
      const times = follower?.times ?? { lastSuccessfulActivation: at }
      const revision = active === none ? undefined : activation.current().revision
      const own = { name: 'countersign', revision, problem: problemOfBundle() }
      return formatBundleStatus(times, own)
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

/** Whatever is in force when it is asked. */
function followingEngine(activation: Activation<Bundle>): PolicyEngine {
  return {
    get facts() {
      return activation.current().facts
    },
    get revision() {
      return activation.current().revision
    },
    get digest() {
      return activation.current().digest
    },
    evaluate: (entrypoint, input, document) =>
      activation.current().evaluate(entrypoint, input, document),
  }
}

/** Of bundle and candidate. */
export function statusesOf(policy: OpenPolicy): readonly BundleStatus[] {
  const { candidate } = policy
  return [policy.status(), ...(candidate === undefined ? [] : [candidate.status()])]
}

export function policyConditions(policy: OpenPolicy): readonly Condition[] {
  return [policy.condition(), ...besideConditions(policy)]
}

/** Of what stands beside the bundle. */
export function besideConditions({ candidate, tenants }: OpenPolicy): readonly Condition[] {
  return [candidate, tenants].flatMap((each) => (each === undefined ? [] : [each.condition()]))
}

/**
 * The same for a command that only looks: nothing is written where a gateway or a signer may be running, and without a bundle there is
 * nothing to look at. Throws `policy/bundle`, too.
 */
export async function lookAtPolicy(config: PolicyConfig, parts: PolicyParts): Promise<OpenPolicy> {
  const policy = await openPolicy(
    { ...config, persistenceDirectory: undefined, candidate: undefined, tenants: undefined },
    parts,
  )
  const { ok, optional, reason } = policy.condition()
  if (ok || optional === true) return policy
  await policy[Symbol.asyncDispose]()
  throw new CountersignError('policy/bundle', reason)
}

/** The last good one of the disk is in force at once; where there is none, a first answer is waited for. */
async function followService(
  { service, persistenceDirectory }: PolicyConfig,
  parts: PolicyParts & {
    readonly now: () => number
    readonly trust: BundleTrust
    readonly activation: Activation<Bundle>
  },
): Promise<BundleFollower | undefined> {
  const { activation, signal } = parts
  const isEnded = (): boolean => signal?.aborted === true
  if (service === undefined || isEnded()) return undefined
  let follower: BundleFollower | undefined
  // A test of what is on disk is ended by the activation, and a question by the follower.
  const end = (): void => {
    follower?.end()
    void activation[Symbol.asyncDispose]()
  }
  signal?.addEventListener('abort', end, { once: true })
  follower = await openBundleFollower({
    ...parts,
    service: openService(service),
    store: persistenceDirectory === undefined ? noStore : createBundleStore(persistenceDirectory),
    polling: service.polling,
    taker: {
      offer: (content) => activation.offerBundle(content),
      isInForce: (content) => activation.active().bundle === content,
      problem: () => activation.problem('bundle'),
    },
  })
  if (isEnded()) return follower
  if (activation.active().bundle === none) await follower.poll()
  // From now on it ends in its turn, after whatever asks it.
  signal?.removeEventListener('abort', end)
  if (!isEnded()) follower.start()
  return follower
}

function followData(
  files: readonly string[],
  { log, metrics }: PolicyParts,
): Promise<Reloading<readonly DataDocument[]>> {
  return openReloadingFiles({
    files,
    code: 'policy/data',
    octetsMax: dataOctetsMax,
    parse: (texts) => texts.map((text, at) => parseDataDocument(text, files[at] ?? '')),
    log,
    onReload: countRefused('data', metrics),
  })
}

/** What a candidate is held against, as it is at that moment. */
function inForceOf(activation: Activation<Bundle>): ShadowOptions['inForce'] {
  return () => ({ name: activation.current(), documents: activation.active().documents })
}

/** What can be read is counted when it is decided on. */
function countRefused(
  source: 'bundle' | 'data',
  metrics: Metrics,
): (outcome: 'taken' | 'refused') => void {
  return (outcome) => {
    if (outcome === 'refused') {
      metrics.count('countersign_policy_reloads_total', { source, outcome })
    }
  }
}

function createPrepare(
  { engine }: PolicyConfig,
  {
    log,
    metrics,
    trust,
    inForce,
    accept,
    selfTest = openSelfTest(),
  }: PolicyParts & { readonly trust: BundleTrust; readonly inForce: () => Bundle | undefined },
): ActivationOptions<Bundle>['prepare'] {
  let known: { readonly bundle: Bundle; readonly base: PolicyBase } | undefined
  const admitted = new WeakMap<BundleContent, Admitted>()
  return async ({ bundle, documents }, signal) => {
    if (bundle === none) return absentPolicy
    // Data alone is judged here, in one turn: what takes a grant away waits for no other process. What is shipped was tested where it was built.
    const isNew = bundle !== shipped && !admitted.has(bundle)
    // One that was good once is older than the one in force, where that has replaced it.
    if (bundle !== shipped && bundle !== inForce()) {
      const admission = trust.admit(bundle)
      if (isNew) await selfTest({ content: bundle, documents, engine }, signal)
      admitted.set(bundle, admission)
    }
    if (known?.bundle !== bundle) {
      const content = bundle === shipped ? undefined : bundle
      const base = await openPolicyBase({ content, engine, metrics })
      known = { bundle, base }
      if (base.reason !== undefined) {
        log.warn({ reason: base.reason }, 'policy runs as a module, which has no limit of steps')
      }
    }
    const ready = known.base.engineWith(documents, { tested: isNew })
    accept?.(ready)
    if (bundle !== shipped) admitted.get(bundle)?.accepted()
    return ready
  }
}

/** Everything is denied until there is a policy. */
const absentPolicy: PolicyEngine = {
  revision: 'none',
  digest: 'none',
  evaluate() {
    throw new CountersignError('policy/bundle', 'no bundle is in force yet')
  },
}

function conditionOf(
  activation: Activation<Bundle>,
  read: { readonly bundle: Error | undefined; readonly data: Error | undefined },
): Condition {
  const { revision, digest } = activation.current()
  if (activation.active().bundle === none) {
    const why = read.bundle === undefined ? '' : `: ${read.bundle.message}`
    return { name: 'policy', ok: false, reason: `no bundle yet, all is denied${why}` }
  }
  const problems = [
    ['bundle', read.bundle],
    ['data', read.data ?? activation.problem('data')],
  ] as const
  const reasons = problems.flatMap(([part, problem]) =>
    problem === undefined ? [] : [`the last good ${part} stays in force: ${problem.message}`],
  )
  const reason = [...reasons, `revision ${revision}, with its data ${digest}`].join('; ')
  if (reasons.length === 0) return { name: 'policy', ok: true, reason }
  return { name: 'policy', ok: false, optional: true, reason }
}
