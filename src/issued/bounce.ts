import type { PodSelector } from '../kubernetes/issued-certificate.ts'
import type { Metadata, OwnerReference } from '../kubernetes/resource.ts'
import type { ServingPod } from '../kubernetes/serving-pod.ts'

/** What makes pods anew. */
export type ControllerName = Pick<OwnerReference, 'kind' | 'name' | 'uid'>

/** UIDs of pods of one controller that are to be restarted. Those of none are named, too: somebody has to be told. */
export interface Chosen {
  readonly controller: ControllerName | undefined
  readonly pods: readonly string[]
}

/**
 * What is left to restart after one issuance. It is `due` from the write that brought the certificate, and is the pods that had run by then from the
 * write after it; no pod is evicted before that, and none that it does not name. So none is restarted twice, whoever is killed when.
 */
export type Bounce = 'due' | readonly Chosen[]

export type BounceSeen =
  | { readonly kind: 'choose'; readonly chosen: readonly Chosen[] }
  | { readonly kind: 'evict'; readonly pod: Metadata; readonly left: number }
  /** For what others do. */
  | { readonly kind: 'wait'; readonly why: string; readonly left: number | undefined }
  /** Until somebody changes something. */
  | { readonly kind: 'stuck'; readonly why: string; readonly left: number | undefined }
  | { readonly kind: 'over' }

/** Their UIDs have to find room in an annotation. */
const chosenPodsMax = 1000
/** A pod names its controller as it likes, and all annotations of a Secret together may have 256 KiB. */
const recordBytesMax = 192 * 1024

/** The pods that have run and may have read what was in the Secret before. */
export function chooseBounce(
  selectors: readonly PodSelector[],
  pods: readonly ServingPod[],
): BounceSeen {
  const found = pods.filter(
    (pod) => isLive(pod) && pod.hasRun && rankOf(selectors, pod) < selectors.length,
  )
  if (found.length > chosenPodsMax) {
    const why = `podsToBounce: pods want<=${chosenPodsMax} got=${found.length}`
    return { kind: 'stuck', why, left: undefined }
  }
  const groups = Map.groupBy(found, (pod) => controllerOf(pod)?.uid)
  const chosen = [...groups.values()].map((group) => ({
    controller: group[0] && controllerOf(group[0]),
    pods: group.map(({ metadata }) => metadata.uid),
  }))
  const bytes = Buffer.byteLength(JSON.stringify(chosen))
  if (bytes <= recordBytesMax) return { kind: 'choose', chosen }
  const why = `podsToBounce: record of the pods: bytes want<=${recordBytesMax} got=${bytes}`
  return { kind: 'stuck', why, left: undefined }
}

export interface BounceFacts {
  readonly selectors: readonly PodSelector[]
  /** All of the namespace. */
  readonly pods: readonly ServingPod[]
  /** By UID, of those that are there: how many pods there are to be. */
  readonly wanted: ReadonlyMap<string, number>
}

/**
 * The next pod to restart: in the order of the selectors, what is not ready before what is, since nobody is served by it. It waits until what was
 * restarted before it is there again and ready, and its own controller lacks no pod.
 */
export function seeBounce(chosen: readonly Chosen[], facts: BounceFacts): BounceSeen {
  const { selectors, pods, wanted } = facts
  const uids = new Set(chosen.flatMap((each) => each.pods))
  const rank = (pod: ServingPod): number => rankOf(selectors, pod) * 2 + (pod.isReady ? 1 : 0)
  const remaining = pods
    .filter(({ metadata, isOver }) => uids.has(metadata.uid) && !isOver)
    .filter((pod) => rankOf(selectors, pod) < selectors.length)
    .toSorted((a, b) => rank(a) - rank(b) || (a.metadata.name < b.metadata.name ? -1 : 1))
  const left = remaining.length
  const ending = remaining.find(({ metadata }) => metadata.deletionTimestamp !== undefined)
  if (ending !== undefined)
    return { kind: 'wait', why: `pod ${ending.metadata.name} is ending`, left }
  const next = remaining.find((pod) => wanted.has(controllerOf(pod)?.uid ?? ''))
  const olds = new Set(remaining.map(({ metadata }) => metadata.uid))
  for (const { controller, pods: group } of chosen) {
    const isNext = next !== undefined && controller?.uid === controllerOf(next)?.uid
    if (!isNext && group.every((uid) => olds.has(uid))) continue
    const why = lacking(controller, facts, olds)
    if (why !== undefined) return { kind: 'wait', why, left }
  }
  if (next !== undefined) return { kind: 'evict', pod: next.metadata, left }
  const [first] = remaining
  if (first === undefined) return { kind: 'over' }
  const name = controllerOf(first)
  const of = name === undefined ? 'it has no controller' : `of ${name.kind} ${name.name}`
  const why = `podsToBounce: pod ${first.metadata.name} is not restarted: want=a pod of a ReplicaSet, StatefulSet or DaemonSet got=${of}`
  return { kind: 'stuck', why, left }
}

/** What a controller lacks besides the pods that are to be restarted yet, whether those are ready or not. */
function lacking(
  controller: ControllerName | undefined,
  { pods, wanted }: BounceFacts,
  olds: ReadonlySet<string>,
): string | undefined {
  const count = controller && wanted.get(controller.uid)
  // Of one that is gone nothing comes any more.
  if (controller === undefined || count === undefined) return undefined
  const live = pods.filter((pod) => isLive(pod) && controllerOf(pod)?.uid === controller.uid)
  const isUp = (pod: ServingPod): boolean => pod.isReady || olds.has(pod.metadata.uid)
  const up = live.filter(isUp).length
  if (live.length >= count && up === live.length) return undefined
  const { kind, name } = controller
  return `${kind} ${name}: pods want=${Math.max(count, live.length)} ready got=${up}`
}

function isLive({ metadata, isOver }: ServingPod): boolean {
  return !isOver && metadata.deletionTimestamp === undefined
}

function controllerOf({ metadata }: ServingPod): ControllerName | undefined {
  const found = metadata.ownerReferences.find(({ controller }) => controller === true)
  return found && { kind: found.kind, name: found.name, uid: found.uid }
}

/** Of the first selector that the pod has all labels of; beyond the last one where there is none. */
function rankOf(selectors: readonly PodSelector[], { metadata }: ServingPod): number {
  const at = selectors.findIndex(({ labels }) =>
    Object.entries(labels).every(([key, value]) => metadata.labels[key] === value),
  )
  return at === -1 ? selectors.length : at
}
