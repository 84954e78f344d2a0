import { isDeepStrictEqual } from 'node:util'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { Right } from '../kubernetes/access-review.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { isConflict } from '../kubernetes/api-error.ts'
import { backoffMilliseconds, realDelay, type Delay } from '../kubernetes/backoff.ts'
import { createObject, listObjects, mergeObject, removeObject } from '../kubernetes/objects.ts'
import { keepingOnly } from '../kubernetes/resource.ts'
import { revocationTexts, type RevocationText } from '../kubernetes/revocation.ts'
import type { Log } from '../log.ts'
import type { Condition } from '../readiness.ts'

/** On a Revocation of the hub: the trust domain that it is carried to. */
const trustDomainKey = 'countersign.dev/trust-domain'
/** On what is carried: the name of the cluster that it comes from. */
const carriedFromKey = 'countersign.dev/carried-from'
/** And for which trust domain, which is too long for a label: a cluster may have a signer for each of two. */
const carriedForKey = 'countersign.dev/carried-for'

/** However much else is written on one, it can be read. */
const carriable = keepingOnly(revocationTexts, {
  labels: (key) => key === carriedFromKey,
  annotations: (key) => key === trustDomainKey || key === carriedForKey,
})

/** What ends an identity does not wait for longer. */
const roundSeconds = 10
const failureBackoff = { baseSeconds: 1, maxSeconds: 10 }
const lostSecondsMax = 60

export interface CarryOptions {
  /** Where Revocations are made. */
  readonly hub: ApiClient
  /** Its name: what comes from elsewhere, or was made here, is never touched. A DNS label. */
  readonly from: string
  /** Of the cluster that is signed for. */
  readonly client: ApiClient
  readonly trustDomain: TrustDomain
  readonly log: Log
  readonly delay?: Delay
  readonly random?: () => number
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
}

/** What it does in the cluster that is signed for; of the hub it needs `list` alone. */
export const carryRights: readonly Right[] = ['list', 'create', 'patch', 'delete'].map((verb) => ({
  group: revocationTexts.group,
  resource: revocationTexts.plural,
  verb,
  without: 'what is revoked on the hub is not revoked here',
  optional: true,
}))

export interface Carrying extends AsyncDisposable {
  condition(): Condition
}

/**
 * Makes the Revocations of the hub that name this trust domain Revocations of the cluster that is signed for, round after round. One that names it
 * no more is lifted here; while the hub cannot be read, or one of its Revocations cannot, everything stays, and so does what the hub has no more.
 */
export function carryRevocations(options: CarryOptions): Carrying {
  const { log, delay = realDelay, random = Math.random } = options
  const { clock = () => performance.now() } = options
  const closing = new AbortController()
  const { signal } = closing
  let lastAt = clock()
  let problem: string | undefined = 'not looked yet'
  let kept = 0

  async function rounds(): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      try {
        kept = await carryOnce(options, signal)
        failures = 0
        lastAt = clock()
        problem = undefined
      } catch (error) {
        if (signal.aborted) return
        failures += 1
        problem = error instanceof Error ? error.message : String(error)
        log.warn({ error }, 'revocations of the hub are not carried')
      }
      const pause =
        failures === 0 ? roundSeconds * 1000 : backoffMilliseconds(failureBackoff, failures, random)
      await delay(pause, signal).catch(() => {})
    }
  }
  const ended = rounds()
  return {
    condition() {
      const seconds = Math.floor((clock() - lastAt) / 1000)
      const isLost = seconds > lostSecondsMax
      const why = problem ?? 'a round has not ended yet'
      const reason = isLost
        ? `not carried for ${seconds} s: ${why}`
        : `as on ${options.from}${kept > 0 ? `, and ${kept} that it has no more` : ''}`
      return { name: 'revocations of the hub', ok: !isLost, reason, optional: true }
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await ended
    },
  }
}

/**
 * One round. What is missing is made before anything is lifted, and one that is refused keeps no other from being carried. Lifted is what the hub
 * has and says of that it is not for this trust domain: one that it has no more it may have lost, as another cluster in its place has none. Gives how
 * many stay for that.
 */
export async function carryOnce(options: CarryOptions, signal: AbortSignal): Promise<number> {
  const { client, from, trustDomain, log } = options
  const { wanted, known: onHub } = await readHub(options, signal)
  // All of them: the mark of one that was carried may have been taken away, and its name is taken all the same.
  const there = await listObjects(client, carriable, { signal })
  const isCarried = ({ metadata: { labels, annotations } }: RevocationText): boolean =>
    labels[carriedFromKey] === from && annotations[carriedForKey] === trustDomain
  const known = new Map(there.map((each) => [each.metadata.name, each]))
  const refused: unknown[] = []
  const change = async (what: () => Promise<unknown>, told: () => void): Promise<void> => {
    try {
      await what()
      told()
    } catch (error) {
      signal.throwIfAborted()
      // Another replica does the same: what it has done meanwhile is seen in the next round.
      if (!isConflict(error)) refused.push(error)
    }
  }
  for (const [name, spec] of wanted) {
    const found = known.get(name)
    if (found !== undefined && isCarried(found) && isDeepStrictEqual(found.spec, spec)) continue
    await change(
      () => write(options, { name, spec, found, signal }),
      () => log.info({ name, from }, 'a revocation of the hub is carried'),
    )
  }
  const unwanted = there.filter((each) => isCarried(each) && !wanted.has(each.metadata.name))
  const lifted = unwanted.filter(({ metadata }) => onHub.has(metadata.name))
  for (const { metadata } of lifted) {
    const { name } = metadata
    await change(
      () => removeObject(client, revocationTexts, { metadata, signal }),
      () => log.warn({ name, from }, 'a revocation was lifted on the hub'),
    )
  }
  if (refused.length > 0) throw refused[0]
  return unwanted.length - lifted.length
}

/** By the names that they are to have: those for this trust domain, and all that the hub knows, whatever they are for. */
async function readHub(
  { hub, trustDomain }: CarryOptions,
  signal: AbortSignal,
): Promise<{
  readonly wanted: ReadonlyMap<string, RevocationText['spec']>
  readonly known: ReadonlySet<string>
}> {
  const all = await listObjects(hub, carriable, { signal })
  const ours = all.filter(({ metadata }) => metadata.annotations[trustDomainKey] === trustDomain)
  return {
    wanted: new Map(ours.map(({ metadata, spec }) => [nameOf(metadata), spec])),
    known: new Set(all.map(({ metadata }) => nameOf(metadata))),
  }
}

/** No two are of one UID, and one that is made anew has another. */
function nameOf({ uid }: RevocationText['metadata']): string {
  return `carried-${uid}`
}

async function write(
  { client, from, trustDomain }: CarryOptions,
  carried: {
    readonly name: string
    readonly spec: RevocationText['spec']
    readonly found: RevocationText | undefined
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { name, spec, found, signal } = carried
  const marks = {
    labels: { [carriedFromKey]: from },
    annotations: { [carriedForKey]: trustDomain },
  }
  if (found === undefined) {
    const body = { metadata: { name, ...marks }, spec }
    await createObject(client, revocationTexts, { body, signal })
    return
  }
  const gone = Object.fromEntries(Object.keys(found.spec).map((key) => [key, null]))
  const patch = { spec: { ...gone, ...spec } }
  const { metadata } = found
  await mergeObject(client, revocationTexts, { metadata, patch, ...marks, signal })
}
