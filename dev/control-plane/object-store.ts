import type { KubeObject } from './kube-object.ts'
import { resourceKey, type ResourceType } from './resource-type.ts'

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly resource: ResourceType
  readonly object: KubeObject
  /** What the object was before, for MODIFIED and DELETED. */
  readonly previous: KubeObject | undefined
  readonly revision: number
}

interface Shelf {
  /** Namespace, '' for cluster-scoped objects, then name. */
  readonly objects: Map<string, Map<string, KubeObject>>
  readonly history: StoreEvent[]
  readonly listeners: Set<(event: StoreEvent) => void>
  /** Events up to this revision have left the history. */
  forgottenRevision: number
}

/**
 * All objects of the cluster, in memory, one revision counter over all of them. Objects are never
 * changed in place, so a list is a snapshot for as long as its reader holds it.
 */
export class ObjectStore {
  readonly #historyLength: number
  readonly #shelves = new Map<string, Shelf>()
  readonly #byUid = new Map<string, { readonly type: ResourceType; readonly object: KubeObject }>()
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  #revision = 1

  constructor(options: { readonly historyLength: number }) {
    this.#historyLength = options.historyLength
  }

  get revision(): number {
    return this.#revision
  }

  get(type: ResourceType, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#shelf(type)
      .objects.get(namespace ?? '')
      ?.get(name)
  }

  byUid(uid: string): { readonly type: ResourceType; readonly object: KubeObject } | undefined {
    return this.#byUid.get(uid)
  }

  /** In the order of namespace and name, as etcd keeps its keys. */
  list(type: ResourceType, namespace?: string): readonly KubeObject[] {
    const { objects } = this.#shelf(type)
    const namespaces = namespace === undefined ? [...objects.keys()].toSorted() : [namespace]
    return namespaces.flatMap((key) =>
      [...(objects.get(key) ?? [])]
        .toSorted(([left], [right]) => (left < right ? -1 : 1))
        .map(([, object]) => object),
    )
  }

  /** Stores the object under the next revision; the store's caller has checked everything. */
  put(type: ResourceType, object: KubeObject): KubeObject {
    const revision = ++this.#revision
    const stored = withRevision(object, revision)
    const { namespace, name, uid } = stored.metadata
    const shelf = this.#shelf(type)
    const siblings = shelf.objects.get(namespace ?? '') ?? new Map<string, KubeObject>()
    shelf.objects.set(namespace ?? '', siblings)
    const previous = siblings.get(name)
    siblings.set(name, stored)
    this.#byUid.set(uid, { type, object: stored })
    const kind = previous === undefined ? 'ADDED' : 'MODIFIED'
    this.#record(shelf, { type: kind, resource: type, object: stored, previous, revision })
    return stored
  }

  /** Removes the object; the event carries its last state under the revision of the deletion. */
  delete(type: ResourceType, object: KubeObject): KubeObject {
    const { namespace, name, uid } = object.metadata
    const shelf = this.#shelf(type)
    const siblings = shelf.objects.get(namespace ?? '')
    const previous = siblings?.get(name)
    if (siblings?.delete(name) !== true) return object
    if (siblings.size === 0) shelf.objects.delete(namespace ?? '')
    this.#byUid.delete(uid)
    const revision = ++this.#revision
    const last = withRevision(object, revision)
    this.#record(shelf, { type: 'DELETED', resource: type, object: last, previous, revision })
    return last
  }

  /** What happened to the resource after this revision; undefined when the history is shorter. */
  eventsSince(type: ResourceType, revision: number): readonly StoreEvent[] | undefined {
    const { history, forgottenRevision } = this.#shelf(type)
    if (revision < forgottenRevision) return undefined
    return history.filter((event) => event.revision > revision)
  }

  /** Calls the listener for every later event of the resource, in order, until the returned function is called. */
  watch(type: ResourceType, listener: (event: StoreEvent) => void): () => void {
    const { listeners } = this.#shelf(type)
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /** The same for every resource: the controllers' view. */
  watchAll(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #shelf(type: ResourceType): Shelf {
    const key = resourceKey(type)
    const known = this.#shelves.get(key)
    if (known !== undefined) return known
    const shelf: Shelf = {
      objects: new Map(),
      history: [],
      listeners: new Set(),
      forgottenRevision: 0,
    }
    this.#shelves.set(key, shelf)
    return shelf
  }

  #record(shelf: Shelf, event: StoreEvent): void {
    shelf.history.push(event)
    // In halves, so that forgetting costs nothing per event.
    if (shelf.history.length >= this.#historyLength * 2) {
      const forgotten = shelf.history.splice(0, this.#historyLength)
      shelf.forgottenRevision = forgotten.at(-1)?.revision ?? shelf.forgottenRevision
    }
    for (const listener of shelf.listeners) listener(event)
    for (const listener of this.#listeners) listener(event)
  }
}

function withRevision(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }
}
