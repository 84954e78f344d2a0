import { createListeners } from '../../listeners.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { startInformer } from '../../kubernetes/informer.ts'
import type { ObjectEvent } from '../../kubernetes/object-store.ts'
import { readObject } from '../../kubernetes/objects.ts'
import { ownerOf, type OwnerKinds } from '../../kubernetes/owner-chain.ts'
import type { KubernetesObject, Resource } from '../../kubernetes/resource.ts'
import { pods } from '../../kubernetes/workloads.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { createPodDeadlines, realTimer, type PodDeadlines, type Timer } from './pod-deadlines.ts'
import { createAskInTurn } from './ask-in-turn.ts'
import type { ClaimWatchOptions } from './claim-watch.ts'
import type { PodSource } from './workload-sources.ts'
import { firstList, idleSeconds, staleSecondsOf, type Watched } from './revocation-watch.ts'

/** Of a pod only this is kept: whether it is there, when it ends, and the owner by which it may be somebody's to give. */
interface PodLife extends KubernetesObject {
  readonly phase: string
}

function livesOf(owners: OwnerKinds): Resource<PodLife> {
  return {
    ...pods,
    parse(raw) {
      const { metadata, phase } = pods.parse(raw)
      const owner = ownerOf({ metadata }, owners)
      const ownerReferences = owner === undefined ? [] : [owner]
      return { metadata: { ...metadata, labels: {}, annotations: {}, ownerReferences }, phase }
    },
  }
}

/** How long an answer of the API server stands for a pod that the cache does not have yet. */
const answerMilliseconds = 2000
const answersMax = 10_000

/** Follows the pods of the cluster. Absence from the cache proves nothing: then the API server is asked. */
export async function watchPods(options: {
  readonly client: ApiClient
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
  /** How long the start waits for the first list; until it is there nobody is served. Default 10. */
  readonly firstListSeconds?: number
  readonly timer?: Timer
  /** How pods are given to claims; none are unless told. */
  readonly owners?: OwnerKinds | undefined
}): Promise<PodSource & Watched & AsyncDisposable & { readonly ownedOf: OwnedOf }> {
  const { client, now, clock = () => performance.now(), timer = realTimer } = options
  const lives = livesOf(options.owners ?? [])
  const listeners = createListeners()
  const changed = listeners.tell
  const deadlines = createPodDeadlines({ now, timer, reached: changed })
  const ask = createAsker(client, { lives, now, clock })
  const onUnreadable = (): void => {
    ask.forget()
    changed()
  }
  const informer = startInformer({ ...options, resource: lives, idleSeconds, onUnreadable })
  informer.onEvent((event) => {
    awaitEnd(deadlines, event)
    if (!mayEnd(event)) return
    // Before anybody is told: what is asked for on its end must not be answered with what was asked before it.
    ask.forgetPod(event.object.metadata.uid)
    changed()
  })
  await firstList(informer, options.firstListSeconds)
  return {
    alive(podUid, namespace, name, tenant) {
      const pod = informer.get(name, namespace)
      return pod?.metadata.uid === podUid
        ? isAlive(pod, now())
        : ask.alive({ podUid, namespace, name, tenant })
    },
    ownedOf({ uid, namespace, name }) {
      const pod = informer.get(name, namespace)
      return pod?.metadata.uid === uid ? pod : undefined
    },
    get staleSeconds() {
      return staleSecondsOf(informer)
    },
    condition: (staleSecondsMax) => informer.condition(staleSecondsMax),
    onChange: listeners.onChange,
    async [Symbol.asyncDispose]() {
      await informer[Symbol.asyncDispose]()
      deadlines.clear()
      listeners.clear()
    },
  }
}

/** What the copy has of a pod, if it is there under that UID. */
type OwnedOf = ClaimWatchOptions['ownedOf']

interface PodName {
  readonly podUid: string
  readonly namespace: string
  readonly name: string
  readonly tenant: string | undefined
}

interface Asker {
  alive(pod: PodName): boolean | Promise<boolean>
  /** What was alive may not be any more: neither an answer nor a question of before counts. */
  forget(): void
  forgetPod(podUid: string): void
}

/** Asks the API server about pods, each at most once at a time. A pod that is gone never comes back under its UID. */
function createAsker(
  client: ApiClient,
  options: {
    readonly lives: Resource<PodLife>
    readonly now: () => number
    readonly clock: () => number
  },
): Asker {
  const { lives, now, clock } = options
  const gone = new Set<string>()
  const seen = new Map<string, number>()
  const asking = new Map<string, Promise<boolean>>()
  const askInTurn = createAskInTurn()

  async function read({ podUid, namespace, name }: PodName, signal: AbortSignal): Promise<boolean> {
    const pod = await readObject(client, lives, { namespace, name, signal })
    const alive = pod?.metadata.uid === podUid && isAlive(pod, now())
    // That it is gone stands for ever, whenever it was asked.
    if (!alive) remember(() => gone.add(podUid), gone)
    return alive
  }
  function ask(pod: PodName): Promise<boolean> {
    const { podUid } = pod
    const asked = askInTurn({ ...pod, about: podUid }, (signal) => read(pod, signal))
    asking.set(podUid, asked)
    const isLast = (): boolean => asking.get(podUid) === asked && asking.delete(podUid)
    asked.then((alive) => {
      if (isLast() && alive) remember(() => seen.set(podUid, clock() + answerMilliseconds), seen)
    }, isLast)
    return asked
  }
  return {
    alive(pod) {
      const { podUid } = pod
      if (gone.has(podUid)) return false
      if ((seen.get(podUid) ?? Number.NEGATIVE_INFINITY) > clock()) return true
      return asking.get(podUid) ?? ask(pod)
    },
    forget() {
      seen.clear()
      asking.clear()
    },
    forgetPod(podUid) {
      seen.delete(podUid)
      asking.delete(podUid)
    },
  }
}

function remember(add: () => void, kept: Set<string> | Map<string, number>): void {
  if (kept.size >= answersMax) kept.clear()
  add()
}

/** A terminating pod has until its deletionTimestamp, which the API server sets to the end of its grace. */
function isAlive(pod: PodLife, now: number): boolean {
  if (pod.phase === 'Succeeded' || pod.phase === 'Failed') return false
  const { deletionTimestamp } = pod.metadata
  return deletionTimestamp === undefined || now < deletionTimestamp.getTime()
}

function awaitEnd(deadlines: PodDeadlines, { type, object }: ObjectEvent<PodLife>): void {
  const { uid, deletionTimestamp } = object.metadata
  if (type === 'deleted' || deletionTimestamp === undefined) deadlines.delete(uid)
  else deadlines.set(uid, deletionTimestamp)
}

function mayEnd({ type, object, old }: ObjectEvent<PodLife>): boolean {
  if (old !== undefined && ownerUid(object) !== ownerUid(old)) return true
  if (type === 'deleted' || object.metadata.deletionTimestamp !== undefined) return true
  return object.phase === 'Succeeded' || object.phase === 'Failed'
}

function ownerUid({ metadata }: PodLife): string | undefined {
  return metadata.ownerReferences[0]?.uid
}
