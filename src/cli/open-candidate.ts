import type { BundleContent } from '../policy/bundle-content.ts'
import { openBundleFollower } from '../policy/bundle-follower.ts'
import { formatBundleStatus, type BundleStatus, type BundleTimes } from '../policy/bundle-status.ts'
import { noStore } from '../policy/bundle-store.ts'
import type { BundleTrust } from '../policy/bundle-trust.ts'
import type { Condition } from '../readiness.ts'
import { openShadow, type Shadow, type ShadowOptions } from '../policy/shadow/shadow.ts'
import { followBundle } from './follow-bundle.ts'
import type { PolicyParts } from './open-policy.ts'
import { openService, openTrust } from './policy-files.ts'
import { startShadow } from './shadow-process.ts'
import type { PolicyConfig } from './shared-configuration.ts'

/** The candidate of a policy, followed as the policy is. */
export interface Candidate extends AsyncDisposable {
  readonly shadow: Shadow
  condition(): Condition
  status(): BundleStatus
}

type Parts = PolicyParts & {
  readonly inForce: ShadowOptions['inForce']
  readonly now: () => number
}

/** What a candidate comes from. */
interface Source extends AsyncDisposable {
  /** Why what is there now is not what is asked. */
  readonly problem: Error | undefined
  readonly times: Readonly<BundleTimes>
}

/**
 * Opens the candidate, where one is configured, and follows it. Nothing that is wrong with it stops a start or changes an answer: it is said
 * in the condition and in the status. It is signed by whom the policy has to be signed by.
 */
export async function openCandidate(
  config: PolicyConfig,
  parts: Parts,
): Promise<Candidate | undefined> {
  if (config.candidate === undefined) return undefined
  await using opened = new AsyncDisposableStack()
  const { startShadow: start = startShadow, inForce, log, metrics } = parts
  const shadow = opened.use(openShadow({ start, engine: config.engine, inForce, log, metrics }))
  const source = opened.use(await followCandidate(config, parts, shadow))
  const problemOf = (): Error | undefined => source.problem ?? shadow.problem
  const all = opened.move()
  return {
    shadow,
    condition: () => conditionOf(shadow, problemOf()),
    status() {
      const revision = shadow.asked?.name.revision
      const state = { name: 'candidate', revision, problem: problemOf() }
      return formatBundleStatus(source.times, state)
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

function conditionOf({ asked, summary }: Shadow, problem: Error | undefined): Condition {
  const name = 'policy-candidate'
  const revision = asked && `revision ${asked.name.revision}, with its data ${asked.name.digest}`
  if (problem === undefined) {
    return {
      name,
      ok: true,
      reason: revision === undefined ? 'none yet' : `${revision}: ${summary}`,
    }
  }
  const reason = `what is there is not asked, and changes nothing: ${problem.message}`
  const still = revision === undefined ? '' : `; ${revision}, is still asked: ${summary}`
  return { name, ok: false, optional: true, reason: `${reason}${still}` }
}

async function followCandidate(
  { candidate, service, signature }: PolicyConfig,
  parts: Parts,
  shadow: Shadow,
): Promise<Source> {
  const { now, log } = parts
  const { bundle, resource = '' } = candidate ?? {}
  // An older one may come back: it decides nothing. Whether it may be in force is asked when it is to be.
  const trust = await openTrust(signature, service === undefined ? {} : { dated: now })
  if (bundle === undefined && service !== undefined) {
    const follower = await openBundleFollower({
      ...parts,
      service: openService({ ...service, resource }),
      store: noStore,
      polling: service.polling,
      trust,
      taker: {
        offer: (content) => shadow.offer(content),
        isInForce: (content) => shadow.asked?.content.digest === content.digest,
        problem: () => shadow.problem,
      },
    })
    follower.start()
    return follower
  }
  const files = await followBundle(bundle ?? '', { log, awaited: true })
  const times: BundleTimes = {}
  const offer = (): void => {
    const content = files.current()
    if (!admit(trust, content, shadow)) return
    void shadow.offer(content).then(() => {
      if (shadow.asked?.content.digest === content.digest) times.lastSuccessfulActivation = now()
    })
  }
  files.onChange(offer)
  if (files.problem === undefined) offer()
  return {
    times,
    get problem() {
      return files.problem
    },
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  }
}

function admit(trust: BundleTrust, content: BundleContent, shadow: Shadow): boolean {
  try {
    trust.admit(content)
    return true
  } catch (error) {
    shadow.refuse(error instanceof Error ? error : new Error(String(error)))
    return false
  }
}
