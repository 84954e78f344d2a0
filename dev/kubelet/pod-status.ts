import type { KubeletPod } from './pod.ts'

/** What a kubelet says of a pod: it runs, or it waits and why. */
export type PodState =
  { readonly kind: 'running' } | { readonly kind: 'waiting'; readonly why: string }

function wholeSeconds(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}

/** The status that a pod gets; `since` is when it came into this state. */
export function podStatus(pod: KubeletPod, state: PodState, since: number): object {
  const at = wholeSeconds(since)
  const isRunning = state.kind === 'running'
  const ready = { status: isRunning ? 'True' : 'False', lastTransitionTime: at }
  return {
    phase: isRunning ? 'Running' : 'Pending',
    startTime: at,
    // Containers are local processes here, so that is where they listen.
    hostIP: '127.0.0.1',
    podIP: '127.0.0.1',
    podIPs: [{ ip: '127.0.0.1' }],
    conditions: [
      { type: 'PodScheduled', status: 'True', lastTransitionTime: at },
      { type: 'ContainersReady', ...ready },
      { type: 'Ready', ...ready },
    ],
    containerStatuses: pod.spec.containers.map(({ name, image }) => ({
      name,
      image,
      imageID: '',
      ready: isRunning,
      started: isRunning,
      restartCount: 0,
      state: isRunning
        ? { running: { startedAt: at } }
        : { waiting: { reason: 'ContainerCreating', message: state.why } },
    })),
  }
}
