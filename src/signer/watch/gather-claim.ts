import { isDeepStrictEqual } from 'node:util'
import { isClaimLabel } from '../../identity/governance-key.ts'
import { startOwnerCaches, type OwnerCaches } from '../../kubernetes/owner-caches.ts'
import type { OwnersEnd, Owned } from '../../kubernetes/owner-chain.ts'
import type { Condition } from '../../readiness.ts'
import type { ClaimEvidence, Evidence, Found, PodEvidence } from '../verdict/evidence.ts'
import { claimEvidence } from './facts.ts'
import type { GathererOptions } from './gather.ts'

/** Whom pods were given to, as their owners show. */
export interface ClaimGatherer extends AsyncDisposable {
  conditions(staleSecondsMax: number): readonly Condition[]
  /** Nothing where no claims are followed. */
  gather(
    pod: Found<PodEvidence>,
    how: { readonly live: boolean; readonly signal: AbortSignal },
  ): Promise<Pick<Evidence, 'claim'>>
  /** What the caches show otherwise by now. */
  changed(evidence: Pick<Evidence, 'pod' | 'claim'>): string | undefined
  /** Whether what changed may be of that pod: of every pod, where nobody can say of which. */
  onChange(listener: (concerns: (pod: PodEvidence) => boolean) => void): () => void
}

export function startClaimGatherer(
  options: GathererOptions & { readonly staleSecondsMax: number },
): ClaimGatherer {
  const { claimOwners: kinds = [], staleSecondsMax } = options
  if (kinds.length === 0) return noClaims
  const caches = startOwnerCaches({ ...options, kinds, labels: isClaimLabel })
  const isCurrent = (): boolean => caches.staleSeconds <= staleSecondsMax
  const evidenceOf = (end: OwnersEnd): ClaimEvidence => claimEvidence(end, kinds)
  const found = (end: OwnersEnd, cached: boolean): Pick<Evidence, 'claim'> => ({
    claim: { state: 'found', object: evidenceOf(end), seen: { cached } },
  })
  return {
    conditions: (seconds) => caches.conditions(seconds),
    async gather(pod, { live, signal }) {
      if (pod.state !== 'found') return { claim: pod }
      const owned = ownedOf(pod.object)
      if (!live && isCurrent()) {
        const end = caches.follow(owned)
        // What a copy lacks may be younger than it.
        if (end.state !== 'unclaimed') return found(end, true)
      }
      return readClaim(caches, owned, { signal, found: (end) => found(end, false) })
    },
    changed({ pod, claim }) {
      if (pod.state !== 'found' || claim?.state !== 'found') return undefined
      if (claim.seen?.cached !== true) return undefined
      if (!isCurrent()) return 'the watch behind the claim was lost since it was read'
      const now = evidenceOf(caches.follow(ownedOf(pod.object)))
      return isDeepStrictEqual(now, claim.object)
        ? undefined
        : 'the claim of the pod has changed since it was read'
    },
    onChange: (listener) => gatherChanges(caches, listener),
    [Symbol.asyncDispose]: () => caches[Symbol.asyncDispose](),
  }
}

const noClaims: ClaimGatherer = {
  conditions: () => [],
  gather: () => Promise.resolve({}),
  changed: () => undefined,
  onChange: () => () => {},
  [Symbol.asyncDispose]: () => Promise.resolve(),
}

async function readClaim(
  caches: OwnerCaches,
  pod: Owned,
  how: {
    readonly signal: AbortSignal
    readonly found: (end: OwnersEnd) => Pick<Evidence, 'claim'>
  },
): Promise<Pick<Evidence, 'claim'>> {
  try {
    return how.found(await caches.read(pod, how.signal))
  } catch (error) {
    how.signal.throwIfAborted()
    const why = error instanceof Error ? error.message : 'unreadable answer'
    return { claim: { state: 'unknown', why } }
  }
}

/** All who wait are looked at for each change: for those of a list, or of a busy cluster, they are looked at once. */
const gatherMilliseconds = 100

function gatherChanges(
  caches: OwnerCaches,
  listener: (concerns: (pod: PodEvidence) => boolean) => void,
): () => void {
  let changed = new Set<string | undefined>()
  let timer: NodeJS.Timeout | undefined
  const tell = (): void => {
    const uids = changed
    changed = new Set()
    timer = undefined
    listener((pod) => concerns(caches, pod, uids))
  }
  const stop = caches.onChange((uid) => {
    changed.add(uid)
    timer ??= setTimeout(tell, gatherMilliseconds).unref()
  })
  return () => {
    stop()
    clearTimeout(timer)
  }
}

function concerns(
  caches: OwnerCaches,
  pod: PodEvidence,
  changed: ReadonlySet<string | undefined>,
): boolean {
  if (pod.owner === undefined) return false
  if (changed.has(undefined) || changed.has(pod.owner.uid)) return true
  const end = caches.follow(ownedOf(pod))
  return end.state === 'claimed' && end.uids.some((uid) => changed.has(uid))
}

function ownedOf({ namespace, owner }: PodEvidence): Owned {
  return { metadata: { namespace, ownerReferences: owner === undefined ? [] : [owner] } }
}
