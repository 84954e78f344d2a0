import { readdir } from 'node:fs/promises'
import type { Cluster } from '../../dev/cluster.ts'
import { stage } from '../../dev/story/cast.ts'
import type { RunnablePod } from '../../dev/kubelet/container-runner.ts'
import type { PodRunner } from '../../dev/story/pod-runner.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { eventually } from '../../dev/story/world.ts'

/**
 * Runs the containers that a hollow kubelet only pretends to run: each pod of the cluster that has a command, as soon as
 * the kubelet has written its volume. Ends with the cluster.
 */
export function runPods(cluster: Cluster, runner: PodRunner, signal: AbortSignal): void {
  const admin = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  const seen = new Set<string>()
  const start = async (pod: RunnablePod): Promise<void> => {
    const folder = await eventually(`the volume of ${pod.metadata.name}`, async () => {
      const volume = await cluster.volumeFolder(pod.metadata.uid, stage.volume)
      const files = volume === undefined ? [] : await readdir(volume)
      return files.includes(stage.credentialBundle) ? volume : undefined
    })
    await runner.run(pod, { [stage.volume]: folder }, signal)
  }
  const look = async (): Promise<void> => {
    const { items } = await admin.request<{ items: RunnablePod[] }>({
      method: 'GET',
      path: '/api/v1/pods',
    })
    for (const pod of items) {
      if (seen.has(pod.metadata.uid) || (pod.spec.containers[0]?.command ?? []).length === 0)
        continue
      seen.add(pod.metadata.uid)
      start(pod).catch(() => {})
    }
  }
  const timer = setInterval(() => void look().catch(() => {}), 100)
  signal.addEventListener('abort', () => {
    clearInterval(timer)
    admin.close()
  })
}
