import type { Admission } from './admission.ts'
import { isJsonObject, objectAt, textAt, type JsonObject } from './json-object.ts'
import { formatTime, type KubeObject } from './kube-object.ts'
import type { ObjectStore } from './object-store.ts'
import type { ResourceType } from './resource-type.ts'
import { conflict, notFound, type Subject } from './status.ts'
import type { User } from './user.ts'

export interface Removal {
  readonly object: KubeObject
  /** It is gone; otherwise it carries a deletionTimestamp and somebody has to finish. */
  readonly isGone: boolean
}

export interface RemovalOptions {
  readonly gracePeriodSeconds?: number | undefined
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string }
  readonly dryRun?: boolean
}

/** `DeleteOptions` from a body or from the query. */
export function parseRemovalOptions(body: unknown, query: URLSearchParams): RemovalOptions {
  const options: JsonObject = isJsonObject(body) ? body : {}
  const seconds = options['gracePeriodSeconds'] ?? query.get('gracePeriodSeconds')
  const preconditions = objectAt(options, 'preconditions')
  const dryRun = options['dryRun']
  return {
    gracePeriodSeconds: seconds === null ? undefined : Number(seconds),
    preconditions: {
      uid: textAt(preconditions, 'uid'),
      resourceVersion: textAt(preconditions, 'resourceVersion'),
    },
    dryRun: (Array.isArray(dryRun) && dryRun.includes('All')) || query.get('dryRun') === 'All',
  }
}

/** Deletions: at once, or by a mark that kubelet, a finalizer's owner or the namespace controller acts on. */
export class Remover {
  readonly #store: ObjectStore
  readonly #admission: Admission
  readonly #now: () => number

  constructor(options: {
    readonly store: ObjectStore
    readonly admission: Admission
    readonly now: () => number
  }) {
    this.#store = options.store
    this.#admission = options.admission
    this.#now = options.now
  }

  remove(
    where: {
      readonly type: ResourceType
      readonly namespace?: string | undefined
      readonly name: string
    },
    user: User,
    options: RemovalOptions = {},
  ): Removal {
    const { type, namespace, name } = where
    const subject = { group: type.group, resource: type.plural, name }
    const object = this.#store.get(type, namespace, name)
    if (object === undefined) throw notFound(subject)
    checkPreconditions(object, options, subject)
    const write = { operation: 'DELETE', type, subresource: '', user, previous: object } as const
    this.#admission.admit({ ...write, object })
    return this.#finish(type, object, options)
  }

  #finish(type: ResourceType, object: KubeObject, options: RemovalOptions): Removal {
    const seconds = type.gracePeriodSeconds?.(object, options.gracePeriodSeconds)
    const isHeld = (object.metadata.finalizers ?? []).length > 0 || isNamespace(type)
    if (seconds === undefined && !isHeld) {
      if (options.dryRun === true) return { object, isGone: true }
      return { object: this.#store.delete(type, object), isGone: true }
    }
    const marked = this.#mark(type, object, seconds)
    if (marked === object || options.dryRun === true) return { object: marked, isGone: false }
    return { object: this.#store.put(type, marked), isGone: false }
  }

  #mark(type: ResourceType, object: KubeObject, seconds: number | undefined): KubeObject {
    const { metadata } = object
    const before = metadata.deletionGracePeriodSeconds
    // A second deletion can shorten the time, never lengthen it.
    if (metadata.deletionTimestamp !== undefined && (before ?? 0) <= (seconds ?? 0)) return object
    const { generation } = metadata
    return {
      ...object,
      metadata: {
        ...metadata,
        deletionTimestamp: formatTime(this.#now() + (seconds ?? 0) * 1000),
        ...(isNamespace(type) ? {} : { deletionGracePeriodSeconds: seconds ?? 0 }),
        ...(type.countsGenerations === true && metadata.deletionTimestamp === undefined
          ? { generation: (generation ?? 0) + 1 }
          : {}),
      },
      ...(isNamespace(type) ? { status: { ...object.status, phase: 'Terminating' } } : {}),
    }
  }
}

/** Held until its content is gone. */
function isNamespace(type: ResourceType): boolean {
  return type.plural === 'namespaces' && type.group === ''
}

function checkPreconditions(object: KubeObject, options: RemovalOptions, subject: Subject): void {
  const { uid = '', resourceVersion = '' } = options.preconditions ?? {}
  const { metadata } = object
  if (uid !== '' && uid !== metadata.uid) {
    throw conflict(
      subject,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`,
    )
  }
  if (resourceVersion !== '' && resourceVersion !== metadata.resourceVersion) {
    throw conflict(
      subject,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`,
    )
  }
}
