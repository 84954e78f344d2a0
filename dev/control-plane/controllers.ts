import type { Log } from '../../src/log.ts'
import { metadataForCreate } from './metadata.ts'
import type { KubeObject } from './kube-object.ts'
import type { ObjectStore, StoreEvent } from './object-store.ts'
import type { Remover } from './remover.ts'
import type { ResourceTable } from './resource-table.ts'
import { resourceKey, type ResourceType } from './resource-type.ts'
import { namespaces, serviceAccounts } from './resources/plain.ts'
import { StatusError } from './status.ts'
import type { User } from './user.ts'

const requestAgeMillisecondsMax = 15 * 60_000
const cleaningPassMilliseconds = 5 * 60_000

const controllerUser: User = {
  name: 'system:kube-controller-manager',
  groups: ['system:masters'],
}

/** What kube-controller-manager does for our clients. */
export interface Controllers {
  /** One pass of the request cleaner, which the timer makes every five minutes. */
  cleanRequests(): void
  close(): void
}

export function startControllers(options: {
  readonly store: ObjectStore
  readonly table: ResourceTable
  readonly remover: Remover
  readonly now: () => number
  readonly log: Log
  readonly setInterval?: (pass: () => void, milliseconds: number) => { unref(): unknown }
  /** How long a terminating namespace keeps its content; kube-controller-manager waits five seconds. */
  readonly namespaceGraceMilliseconds?: number
}): Controllers {
  const { store, table, remover, now, log } = options
  const remove = (type: ResourceType, object: KubeObject): void => {
    const { namespace, name, uid } = object.metadata
    try {
      remover.remove({ type, namespace, name }, controllerUser, { preconditions: { uid } })
    } catch (error) {
      // Gone already, or replaced by another of its name.
      if (!(error instanceof StatusError)) throw error
      log.debug({ name, namespace, error: error.message }, 'deletion by a controller not needed')
    }
  }
  const waiting = new Set<NodeJS.Timeout>()
  const later = (work: () => void): void => {
    const grace = options.namespaceGraceMilliseconds ?? 0
    if (grace === 0) return work()
    const timer = setTimeout(() => {
      waiting.delete(timer)
      work()
    }, grace)
    waiting.add(timer.unref())
  }
  const types = (): readonly ResourceType[] => table.all()
  const react = (event: StoreEvent): void => {
    if (resourceKey(event.resource) === 'namespaces')
      reactToNamespace(event, { store, types, remove, now, later })
    if (resourceKey(event.resource) === 'customresourcedefinitions.apiextensions.k8s.io') {
      reactToDefinition(event, { store, table, remove })
    }
    if (event.type === 'DELETED') collectGarbage(event.object, { store, types, remove })
    if (event.type === 'DELETED') finishNamespace(event.object.metadata.namespace, { store, types })
  }
  // The store is in the middle of a write when it tells: controllers act on the next turn.
  const stop = store.watchAll((event) => setImmediate(() => react(event)))
  for (const namespace of store.list(namespaces)) createDefaultAccount(namespace, { store, now })

  function cleanRequests(): void {
    const type = table.podCertificateRequests
    // Every request, whatever its state (KEP-4317 cleaner).
    for (const request of store.list(type)) {
      const age = now() - Date.parse(request.metadata.creationTimestamp)
      if (age > requestAgeMillisecondsMax) remove(type, request)
    }
  }
  const startTimer = options.setInterval ?? setInterval
  const timer = startTimer(cleanRequests, cleaningPassMilliseconds)
  timer.unref()
  return {
    cleanRequests,
    close() {
      stop()
      for (const pending of waiting) clearTimeout(pending)
      clearInterval(timer as NodeJS.Timeout)
    },
  }
}

interface Reach {
  readonly store: ObjectStore
  readonly types: () => readonly ResourceType[]
  readonly remove: (type: ResourceType, object: KubeObject) => void
}

function reactToNamespace(
  event: StoreEvent,
  reach: Reach & { readonly now: () => number; readonly later: (work: () => void) => void },
): void {
  const { object } = event
  if (event.type === 'DELETED') return
  if (object.metadata.deletionTimestamp === undefined) {
    if (event.type === 'ADDED') createDefaultAccount(object, reach)
    return
  }
  const { name } = object.metadata
  reach.later(() => emptyNamespace(name, reach))
}

function emptyNamespace(name: string, reach: Reach): void {
  for (const type of reach.types().filter(({ namespaced }) => namespaced)) {
    for (const content of reach.store.list(type, name)) reach.remove(type, content)
  }
  finishNamespace(name, reach)
}

/** A terminating namespace goes when nothing is left in it. */
function finishNamespace(
  name: string | undefined,
  { store, types }: Pick<Reach, 'store' | 'types'>,
): void {
  const namespace = name === undefined ? undefined : store.get(namespaces, undefined, name)
  if (namespace?.metadata.deletionTimestamp === undefined) return
  const isEmpty = types()
    .filter(({ namespaced }) => namespaced)
    .every((type) => store.list(type, name).length === 0)
  if (isEmpty) store.delete(namespaces, namespace)
}

function createDefaultAccount(
  namespace: KubeObject,
  { store, now }: { readonly store: ObjectStore; readonly now: () => number },
): void {
  const { name } = namespace.metadata
  if (store.get(namespaces, undefined, name) === undefined) return
  if (store.get(serviceAccounts, name, 'default') !== undefined) return
  const raw = { name: 'default' }
  const type = serviceAccounts
  store.put(type, { metadata: metadataForCreate({ raw, type, namespace: name, now: now() }) })
}

/** Objects that no living owner is left of go with the last one. */
function collectGarbage(owner: KubeObject, { store, types, remove }: Reach): void {
  const { uid, namespace } = owner.metadata
  for (const type of types()) {
    for (const object of store.list(type, type.namespaced ? namespace : undefined)) {
      const owners = object.metadata.ownerReferences ?? []
      if (!owners.some((reference) => reference.uid === uid)) continue
      if (owners.every((reference) => store.byUid(reference.uid) === undefined))
        remove(type, object)
    }
  }
}

function reactToDefinition(
  event: StoreEvent,
  { store, table, remove }: { readonly table: ResourceTable } & Pick<Reach, 'store' | 'remove'>,
): void {
  if (event.type !== 'DELETED') return
  const before = table.all()
  const { object } = event
  table.undefine(object)
  const gone = before.filter((type) => !table.all().includes(type))
  for (const type of gone) for (const item of store.list(type)) remove(type, item)
}
