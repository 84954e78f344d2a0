import { CountersignError } from '../../errors.ts'
import { annotationKeys, isClaimLabel } from '../../identity/governance-key.ts'
import type { WorkloadIdentity } from '../../identity/workload-identity.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { readObject } from '../../kubernetes/objects.ts'
import { startOwnerCaches, type OwnerCaches } from '../../kubernetes/owner-caches.ts'
import {
  ownerOf,
  type Owned,
  type OwnerKinds,
  type OwnersEnd,
} from '../../kubernetes/owner-chain.ts'
import { pods as podResource } from '../../kubernetes/workloads.ts'
import { createListeners } from '../../listeners.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Condition } from '../../readiness.ts'
import { whenThere, type Soon } from '../soon.ts'
import { createAskInTurn } from './ask-in-turn.ts'
import { spaced } from './coalesce.ts'
import { idleSeconds } from './revocation-watch.ts'
import type { LiveClaim, NamespaceSource } from './workload-sources.ts'

/** How long an answer of the API server stands, where the caches say otherwise. */
const answerMilliseconds = 2000
const answersMax = 1000

/** Whoever is connected is judged at each change, and whoever makes claims can change them as often as they like. */
const spacingMilliseconds = 50

/** How soon a lost watch is noticed by whoever has a stream open. */
const staleCheckMilliseconds = 1000

export interface ClaimWatchOptions {
  readonly client: ApiClient
  readonly kinds: OwnerKinds
  /** What the copy of the pods has of one: its owners, if it is there under that UID. */
  readonly ownedOf: (pod: {
    readonly uid: string
    readonly namespace: string
    readonly name: string
  }) => Owned | undefined
  readonly namespaces: NamespaceSource
  readonly staleSecondsMax: number
  readonly log: Log
  readonly metrics: Metrics
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
}

/**
 * Follows whom pods are given to: a pod that is claimed, or whose claim goes or becomes another, is nobody any more that its certificate
 * names. What the caches do not prove is asked for before anybody is refused for it. Where they are not followed only what comes
 * of a pool is kept out.
 */
export function watchClaims(
  options: ClaimWatchOptions,
): NamespaceSource & AsyncDisposable & { conditions(): readonly Condition[] } {
  const { kinds, ownedOf, namespaces, staleSecondsMax } = options
  const listeners = createListeners()
  const caches = startOwnerCaches({ ...options, labels: isClaimLabel, idleSeconds })
  const asker = createAsker(caches, options)
  const tell = spaced(listeners.tell, spacingMilliseconds)
  caches.onChange(() => {
    // Before anybody is told: what is asked for on an event must not be answered with what was asked before it.
    asker.forgetAll()
    tell()
  })
  const isStale = (): boolean => caches.staleSeconds > staleSecondsMax
  let wasStale = false
  const timer = setInterval(() => {
    if (isStale() === wasStale) return
    wasStale = !wasStale
    listeners.tell()
  }, staleCheckMilliseconds).unref()
  return {
    drift(identity) {
      const { pod, namespace } = identity
      const owned = ownedOf({ ...pod, namespace: namespace.name })
      const isPooled = owned !== undefined && ownerOf(owned, kinds) !== undefined
      if (owned !== undefined && !isPooled && identity.claim === undefined) {
        return namespaces.drift(identity)
      }
      if (isPooled && isStale()) return Promise.reject(notFollowed())
      const cached = owned && caches.follow(owned)
      const end =
        cached !== undefined && mismatch(identity, cached) === undefined
          ? cached
          : asker.ask(identity, owned)
      return whenThere(end, (found) => judged(identity, found, namespaces))
    },
    get staleSeconds() {
      return namespaces.staleSeconds
    },
    conditions: () =>
      caches.conditions(staleSecondsMax).map((condition) => ({ ...condition, optional: true })),
    onChange(listener) {
      const stops = [namespaces.onChange(listener), listeners.onChange(listener)]
      return () => {
        for (const stop of stops) stop()
      }
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await caches[Symbol.asyncDispose]()
      listeners.clear()
    },
  }
}

function judged(
  identity: WorkloadIdentity,
  end: OwnersEnd,
  namespaces: NamespaceSource,
): Soon<string | undefined> {
  return mismatch(identity, end) ?? namespaces.drift(identity, claimOf(end))
}

/** Why the pod does not serve whom its certificate was issued for. */
function mismatch(identity: WorkloadIdentity, end: OwnersEnd): string | undefined {
  const { claim, tenant, ceiling } = identity
  if (end.state === 'claimed') {
    if (claim === undefined) return 'pod was claimed after its certificate was issued'
    return claim.uid === end.claim.metadata.uid ? undefined : 'pod was given to another claim'
  }
  if (claim !== undefined) return 'claim of the certificate is gone'
  if (end.state === 'none') return undefined
  const isForSomebody =
    tenant !== undefined || ceiling.models.length > 0 || ceiling.toolScopes.length > 0
  return isForSomebody ? 'pod is of a pool and unclaimed' : undefined
}

function claimOf(end: OwnersEnd): LiveClaim | undefined {
  return end.state === 'claimed'
    ? { tenant: end.claim.metadata.labels[annotationKeys.tenant] }
    : undefined
}

interface Asker {
  /** About the pod of a workload, in the turn of its tenant; `seen` is what the copy of it has. */
  ask(identity: WorkloadIdentity, seen: Owned | undefined): Promise<OwnersEnd>
  forgetAll(): void
}

/** Asks the API server for a pod and its owners, each at most once at a time, and again when the answer is old. */
function createAsker(
  caches: OwnerCaches,
  { client, kinds, clock = () => performance.now() }: ClaimWatchOptions,
): Asker {
  const asked = new Map<string, { readonly answer: Promise<OwnersEnd>; until: number }>()
  const askInTurn = createAskInTurn()
  return {
    ask({ tenant, pod, namespace: { name: namespace } }, seen) {
      // A pod whose owner is another by now is asked for anew.
      const key = `${pod.uid} ${seen === undefined ? '' : (ownerOf(seen, kinds)?.uid ?? '')}`
      const known = asked.get(key)
      if (known !== undefined && clock() < known.until) return known.answer
      const answer = askInTurn({ tenant, namespace, about: pod.uid }, async (signal) => {
        const { name } = pod
        const live = await readObject(client, podResource, { namespace, name, signal })
        // That it is gone is for others to say.
        if (live?.metadata.uid !== pod.uid) return { state: 'none' } as const
        return caches.read(live, signal)
      })
      const made = { answer, until: Number.POSITIVE_INFINITY }
      if (asked.size >= answersMax) asked.clear()
      asked.set(key, made)
      answer.then(
        () => (made.until = clock() + answerMilliseconds),
        () => {
          if (asked.get(key) === made) asked.delete(key)
        },
      )
      return answer
    },
    forgetAll: () => asked.clear(),
  }
}

function notFollowed(): CountersignError {
  return new CountersignError(
    'kubernetes/unreachable',
    'claims are not followed: the watch is stale',
  )
}
