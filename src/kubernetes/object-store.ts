import type { KubernetesObject, Metadata } from './resource.ts'

export interface ObjectEvent<T> {
  readonly type: 'added' | 'modified' | 'deleted'
  /** For `deleted` the last known state. */
  readonly object: T
  /** For `modified` the state before. */
  readonly old?: T
}

/** A namespace holds no slash, so no two objects share a key. */
export function objectKey(metadata: {
  readonly name: string
  readonly namespace?: string | undefined
}): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`
}

/**
 * The objects of one list and watch. Every change goes in through `replace`, `put` or `remove`, which answer with the
 * events that it means: one for each object that differs, and none for what was known already.
 */
export class ObjectStore<T extends KubernetesObject> {
  readonly #byKey = new Map<string, T>()
  readonly #byUid = new Map<string, T>()
  /** What `list` gave last; undefined since the next change. Readers ask far more often than objects change. */
  #listed: readonly T[] | undefined

  get(name: string, namespace?: string): T | undefined {
    return this.#byKey.get(objectKey({ name, namespace }))
  }

  byUid(uid: string): T | undefined {
    return this.#byUid.get(uid)
  }

  list(): readonly T[] {
    this.#listed ??= [...this.#byKey.values()]
    return this.#listed
  }

  put(object: T): readonly ObjectEvent<T>[] {
    const key = objectKey(object.metadata)
    const old = this.#byKey.get(key)
    if (old?.metadata.uid === object.metadata.uid) {
      // Resource versions are opaque: equal means the same state, and nothing else can be told from them.
      if (old.metadata.resourceVersion === object.metadata.resourceVersion) return []
      this.#set(key, object)
      return [{ type: 'modified', object, old }]
    }
    // Deleted and made again while nobody watched: two objects, two events.
    const gone = old === undefined ? [] : this.#delete(key, old)
    this.#set(key, object)
    return [...gone, { type: 'added', object }]
  }

  /** `last` is the final state, when it could be read. */
  remove(metadata: Pick<Metadata, 'name' | 'namespace'>, last?: T): readonly ObjectEvent<T>[] {
    const key = objectKey(metadata)
    const old = this.#byKey.get(key)
    return old === undefined ? [] : this.#delete(key, old, last)
  }

  /** Nothing is known of the object any more, whether it is there or not. */
  forget(key: string): readonly ObjectEvent<T>[] {
    const old = this.#byKey.get(key)
    return old === undefined ? [] : this.#delete(key, old)
  }

  /** Takes a whole list: what is not in it is gone. */
  replace(objects: readonly T[]): readonly ObjectEvent<T>[] {
    const present = new Set(objects.map(({ metadata }) => objectKey(metadata)))
    const events: ObjectEvent<T>[] = []
    for (const [key, old] of this.#byKey) {
      if (!present.has(key)) events.push(...this.#delete(key, old))
    }
    for (const object of objects) events.push(...this.put(object))
    return events
  }

  #set(key: string, object: T): void {
    this.#listed = undefined
    this.#byKey.set(key, object)
    this.#byUid.set(object.metadata.uid, object)
  }

  #delete(key: string, old: T, last?: T): readonly ObjectEvent<T>[] {
    this.#listed = undefined
    this.#byKey.delete(key)
    this.#byUid.delete(old.metadata.uid)
    const final = last?.metadata.uid === old.metadata.uid ? last : old
    return [{ type: 'deleted', object: final }]
  }
}
