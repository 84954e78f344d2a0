import type { ApiClient } from '../../src/kubernetes/api-client.ts'
import { recordEvent } from '../../src/kubernetes/event.ts'
import type { Log } from '../../src/log.ts'
import type { KubeletPod } from './pod.ts'

/** Says something about a pod in an Event. Never rejects: the state stands without the news of it. */
export async function warnOfPod(options: {
  readonly client: ApiClient
  readonly log: Log
  readonly now: () => number
  readonly pod: KubeletPod
  /** CamelCase, as kubelet words it. */
  readonly reason: string
  readonly text: string
  readonly signal: AbortSignal
}): Promise<void> {
  const { client, log, now, pod, reason, text, signal } = options
  const { namespace, name, uid } = pod.metadata
  try {
    await recordEvent(client, {
      regarding: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
      type: 'Warning',
      reason,
      message: text,
      component: 'kubelet',
      now,
      signal,
    })
  } catch (error) {
    log.warn({ error, namespace, name }, 'event of a pod could not be written')
  }
}
