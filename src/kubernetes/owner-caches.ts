import type { Condition } from '../readiness.ts'
import { startInformer, type Informer, type InformerOptions } from './informer.ts'
import type { ObjectEvent } from './object-store.ts'
import {
  followOwners,
  ownerResource,
  readOwners,
  type Owned,
  type OwnerKind,
  type OwnerKinds,
  type OwnersEnd,
} from './owner-chain.ts'
import type { KubernetesObject } from './resource.ts'

/** The owners of pods, as far as a claim: copies that are followed, and the API server. */
export interface OwnerCaches extends AsyncDisposable {
  readonly kinds: OwnerKinds
  /** Resolves when the first list of each is there. */
  readonly synced: Promise<void>
  /** The longest of all; infinite before the first list of each is there. */
  readonly staleSeconds: number
  /** One for each kind, named after its resource. */
  conditions(staleSecondsMax: number): readonly Condition[]
  /** Where the owners lead as the copies have it. That they lead nowhere is no proof. */
  follow(pod: Owned): OwnersEnd
  /** The same as the API server has it. */
  read(pod: Owned, signal: AbortSignal): Promise<OwnersEnd>
  /** Called with the UID of an object that owns or is a claim in another way now, or that nobody can read; then with none. */
  onChange(listener: (uid: string | undefined) => void): () => void
}

export function startOwnerCaches(
  options: Omit<
    InformerOptions<KubernetesObject>,
    'resource' | 'namespace' | 'fieldSelector' | 'labelSelector' | 'onUnreadable'
  > & {
    readonly kinds: OwnerKinds
    /** Which labels are kept. */
    readonly labels: (key: string) => boolean
  },
): OwnerCaches {
  const { client, kinds, labels } = options
  const listeners = new Set<(uid: string | undefined) => void>()
  const tell = (uid: string | undefined): void => {
    for (const listener of listeners) listener(uid)
  }
  const resources = new Map(kinds.map((kind) => [kind, ownerResource(kind, { kinds, labels })]))
  const informers = new Map<OwnerKind, Informer<KubernetesObject>>()
  for (const [kind, resource] of resources) {
    const onUnreadable = (): void => tell(undefined)
    const informer = startInformer({ ...options, resource, onUnreadable })
    informer.onEvent((event) => {
      if (isOtherOwner(event)) tell(event.object.metadata.uid)
    })
    informers.set(kind, informer)
  }
  const all = [...informers.values()]
  const synced = Promise.all(all.map((informer) => informer.synced)).then(() => {})
  // Caches that are disposed early may have nobody left who waits for them.
  synced.catch(() => {})
  return {
    kinds,
    synced,
    get staleSeconds() {
      return Math.max(
        ...all.map((each) => (each.hasSynced ? each.staleSeconds : Number.POSITIVE_INFINITY)),
      )
    },
    conditions: (staleSecondsMax) => all.map((informer) => informer.condition(staleSecondsMax)),
    follow: (pod) =>
      followOwners(pod, kinds, (kind, name) =>
        informers.get(kind)?.get(name, pod.metadata.namespace),
      ),
    read: (pod, signal) => readOwners(client, pod, { kinds, resources, signal }),
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((informer) => informer[Symbol.asyncDispose]()))
      listeners.clear()
    },
  }
}

/** Controllers write the status of what they own all the time, which proves nothing. */
function isOtherOwner({ type, object, old }: ObjectEvent<KubernetesObject>): boolean {
  if (type !== 'modified' || old === undefined) return true
  return provedBy(object) !== provedBy(old)
}

function provedBy({ metadata }: KubernetesObject): string {
  const { labels, ownerReferences, deletionTimestamp } = metadata
  return JSON.stringify([labels, ownerReferences, deletionTimestamp])
}
