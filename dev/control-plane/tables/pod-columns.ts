import { objectAt, objectsAt, textAt, type JsonObject } from '../json-object.ts'
import type { KubeObject } from '../kube-object.ts'
import { ageColumn, ageOf, nameColumn, none, text, wide, type Column } from './column.ts'

function countAt(value: JsonObject, member: string): number {
  const count = value[member]
  return typeof count === 'number' ? count : 0
}

function stateOf(container: JsonObject, state: string): JsonObject | undefined {
  const inner = objectAt(container, 'state')[state]
  return inner === undefined ? undefined : objectAt(objectAt(container, 'state'), state)
}

function isTrue(pod: KubeObject, type: string): boolean {
  return objectsAt(pod.status, 'conditions').some(
    (condition) => condition['type'] === type && condition['status'] === 'True',
  )
}

/** A native sidecar: an init container that goes on running. */
function isSidecar(pod: KubeObject, name: string): boolean {
  return objectsAt(pod.spec, 'initContainers').some(
    (container) => container['name'] === name && container['restartPolicy'] === 'Always',
  )
}

function endOf(terminated: JsonObject): string {
  const signal = countAt(terminated, 'signal')
  return (
    textAt(terminated, 'reason') ||
    (signal === 0 ? `ExitCode:${countAt(terminated, 'exitCode')}` : `Signal:${signal}`)
  )
}

/** What the first unfinished init container waits for; undefined when all have done their work. */
function initReason(pod: KubeObject): string | undefined {
  const statuses = objectsAt(pod.status, 'initContainerStatuses')
  for (const [index, container] of statuses.entries()) {
    const terminated = stateOf(container, 'terminated')
    if (terminated !== undefined && countAt(terminated, 'exitCode') === 0) continue
    if (isSidecar(pod, textAt(container, 'name')) && container['started'] === true) continue
    if (terminated !== undefined) return `Init:${endOf(terminated)}`
    const waiting = textAt(stateOf(container, 'waiting'), 'reason')
    return waiting !== '' && waiting !== 'PodInitializing'
      ? `Init:${waiting}`
      : `Init:${index}/${objectsAt(pod.spec, 'initContainers').length}`
  }
  return undefined
}

function containersReason(pod: KubeObject, phase: string): string {
  const statuses = objectsAt(pod.status, 'containerStatuses')
  const running = statuses.some((status) => status['ready'] === true && stateOf(status, 'running'))
  let reason = phase
  let failure = ''
  // The last one in this order speaks for the pod: it is the first container.
  for (const status of statuses.toReversed()) {
    const waiting = textAt(stateOf(status, 'waiting'), 'reason')
    const terminated = stateOf(status, 'terminated')
    if (waiting !== '') reason = waiting
    else if (terminated !== undefined) {
      reason = endOf(terminated)
      if (countAt(terminated, 'exitCode') !== 0) failure = reason
    }
  }
  if (reason !== 'Completed') return reason
  if (running && isTrue(pod, 'Ready')) return 'Running'
  return failure || (running ? 'NotReady' : reason)
}

function reasonOf(pod: KubeObject): string {
  const phase = textAt(pod.status, 'phase')
  const said = textAt(pod.status, 'reason')
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (said === 'NodeLost') return 'Unknown'
    if (phase !== 'Succeeded' && phase !== 'Failed') return 'Terminating'
  }
  const gated = objectsAt(pod.status, 'conditions').some(
    ({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated',
  )
  const start = gated ? 'SchedulingGated' : said || phase
  const init = initReason(pod)
  return init === undefined || isTrue(pod, 'Initialized')
    ? containersReason(pod, init ?? start)
    : init
}

/** Init containers count while they work, afterwards only those that go on. */
function countedStatuses(pod: KubeObject): readonly JsonObject[] {
  const inits = objectsAt(pod.status, 'initContainerStatuses')
  const sidecars = inits.filter((status) => isSidecar(pod, textAt(status, 'name')))
  const isInitializing = initReason(pod) !== undefined && !isTrue(pod, 'Initialized')
  if (isInitializing) return inits
  return [...sidecars, ...objectsAt(pod.status, 'containerStatuses')]
}

function restartsOf(pod: KubeObject, now: number): string {
  const counted = countedStatuses(pod)
  const count = counted.reduce((sum, status) => sum + countAt(status, 'restartCount'), 0)
  const ends = counted
    .map((status) => textAt(objectAt(objectAt(status, 'lastState'), 'terminated'), 'finishedAt'))
    .filter((end) => end !== '')
    .toSorted()
  const last = ends.at(-1)
  return count === 0 || last === undefined ? String(count) : `${count} (${ageOf(last, now)} ago)`
}

function readyOf(pod: KubeObject): string {
  const inits = objectsAt(pod.spec, 'initContainers')
  const sidecars = inits.filter((container) => container['restartPolicy'] === 'Always').length
  const total = objectsAt(pod.spec, 'containers').length + sidecars
  const isInitializing = initReason(pod) !== undefined && !isTrue(pod, 'Initialized')
  const ready = countedStatuses(pod).filter((status) =>
    objectsAt(pod.status, 'containerStatuses').includes(status)
      ? status['ready'] === true && stateOf(status, 'running') !== undefined
      : isSidecar(pod, textAt(status, 'name')) && status['ready'] === true,
  )
  const counted = isInitializing
    ? ready.filter((status) => isSidecar(pod, textAt(status, 'name')))
    : ready
  return `${counted.length}/${total}`
}

function gatesOf(pod: KubeObject): string {
  const gates = objectsAt(pod.spec, 'readinessGates')
  if (gates.length === 0) return none
  const open = gates.filter((gate) => isTrue(pod, textAt(gate, 'conditionType')))
  return `${open.length}/${gates.length}`
}

export const podColumns: readonly Column[] = [
  nameColumn,
  text('Ready', readyOf),
  text('Status', reasonOf),
  text('Restarts', restartsOf),
  ageColumn,
  wide('IP', ({ status }) => textAt(objectsAt(status, 'podIPs')[0], 'ip') || none),
  wide('Node', ({ spec }) => textAt(spec, 'nodeName') || none),
  wide('Nominated Node', ({ status }) => textAt(status, 'nominatedNodeName') || none),
  wide('Readiness Gates', gatesOf),
]
