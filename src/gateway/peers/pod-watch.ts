import type { ApiClient } from '../../kubernetes/api-client.ts'
import { startInformer } from '../../kubernetes/informer.ts'
import type { ObjectEvent } from '../../kubernetes/object-store.ts'
import { readObject } from '../../kubernetes/objects.ts'
import { pods, type Pod } from '../../kubernetes/workloads.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { createPodDeadlines, realTimer, type PodDeadlines, type Timer } from './pod-deadlines.ts'
import type { PodSource } from './revocation.ts'
import { firstList, idleSeconds, staleSecondsOf } from './revocation-watch.ts'

/** How long an answer of the API server stands for a pod that the cache does not have yet. */
const answerMilliseconds = 2000
const answersMax = 10_000
const askMilliseconds = 5000

/** Follows the pods of the cluster. Absence from the cache proves nothing: then the API server is asked. */
export async function watchPods(options: {
  readonly client: ApiClient
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
  /** How long the start waits for the first list; until it is there nobody is served. Default 10. */
  readonly firstListSeconds?: number
  readonly timer?: Timer
}): Promise<PodSource & AsyncDisposable> {
  const { client, now, timer = realTimer } = options
  const listeners = new Set<() => void>()
  const changed = (): void => {
    for (const listener of listeners) listener()
  }
  const deadlines = createPodDeadlines({ now, timer, reached: changed })
  const informer = startInformer({ ...options, resource: pods, idleSeconds })
  informer.onEvent((event) => {
    awaitEnd(deadlines, event)
    if (mayEnd(event)) changed()
  })
  await firstList(informer, options.firstListSeconds)
  const ask = createAsker(client, now)
  return {
    alive(podUid, namespace, name) {
      const pod = informer.get(name, namespace)
      return pod?.metadata.uid === podUid ? isAlive(pod, now()) : ask({ podUid, namespace, name })
    },
    get staleSeconds() {
      return staleSecondsOf(informer)
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async [Symbol.asyncDispose]() {
      await informer[Symbol.asyncDispose]()
      deadlines.clear()
      listeners.clear()
    },
  }
}

interface PodName {
  readonly podUid: string
  readonly namespace: string
  readonly name: string
}

/** Asks the API server about pods, each at most once at a time. A pod that is gone never comes back under its UID. */
function createAsker(
  client: ApiClient,
  now: () => number,
): (pod: PodName) => boolean | Promise<boolean> {
  const gone = new Set<string>()
  const seen = new Map<string, number>()
  const asking = new Map<string, Promise<boolean>>()

  async function ask({ podUid, namespace, name }: PodName): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(askMilliseconds)
      const pod = await readObject(client, pods, { namespace, name, signal })
      const alive = pod?.metadata.uid === podUid && isAlive(pod, now())
      if (alive) remember(() => seen.set(podUid, now() + answerMilliseconds), seen)
      else remember(() => gone.add(podUid), gone)
      return alive
    } finally {
      asking.delete(podUid)
    }
  }
  return (pod) => {
    const { podUid } = pod
    if (gone.has(podUid)) return false
    if ((seen.get(podUid) ?? 0) > now()) return true
    const open = asking.get(podUid) ?? ask(pod)
    asking.set(podUid, open)
    return open
  }
}

function remember(add: () => void, kept: Set<string> | Map<string, number>): void {
  if (kept.size >= answersMax) kept.clear()
  add()
}

/** A terminating pod has until its deletionTimestamp, which the API server sets to the end of its grace. */
function isAlive(pod: Pod, now: number): boolean {
  if (pod.phase === 'Succeeded' || pod.phase === 'Failed') return false
  const { deletionTimestamp } = pod.metadata
  return deletionTimestamp === undefined || now < deletionTimestamp.getTime()
}

function awaitEnd(deadlines: PodDeadlines, { type, object }: ObjectEvent<Pod>): void {
  const { uid, deletionTimestamp } = object.metadata
  if (type === 'deleted' || deletionTimestamp === undefined) deadlines.delete(uid)
  else deadlines.set(uid, deletionTimestamp)
}

function mayEnd({ type, object }: ObjectEvent<Pod>): boolean {
  if (type === 'deleted' || object.metadata.deletionTimestamp !== undefined) return true
  return object.phase === 'Succeeded' || object.phase === 'Failed'
}
