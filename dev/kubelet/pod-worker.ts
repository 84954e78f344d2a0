import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ApiClient } from '../../src/kubernetes/api-client.ts'
import { isNotFound } from '../../src/kubernetes/api-error.ts'
import { resourcePath } from '../../src/kubernetes/resource.ts'
import type { RunContainer, RunningContainer } from './container-runner.ts'
import { kubeletPods, type KubeletPod } from './pod.ts'
import { podStatus, type PodState } from './pod-status.ts'
import { projectVolume, type VolumeMaterial } from './projected-volume.ts'
import { writeVolume } from './volume-files.ts'

export interface PodWorkerOptions {
  readonly pod: KubeletPod
  /** The pod's own: its volumes are below. */
  readonly folder: string
  readonly client: ApiClient
  readonly runContainer: RunContainer
  readonly now: () => number
}

export function volumePath(podFolder: string, volumeName: string): string {
  return join(podFolder, 'volumes', 'kubernetes.io~projected', volumeName)
}

/** Brings one pod to life, keeps its volumes current, and takes it away again. */
export class PodWorker {
  readonly #options: PodWorkerOptions
  readonly #ending = new AbortController()
  #container: RunningContainer | undefined
  #hasStarted = false
  #told = ''

  constructor(options: PodWorkerOptions) {
    this.#options = options
  }

  /**
   * Writes the volumes that can be written and starts the container once all of them are there. A pod that runs
   * goes on running when a refresh fails: its old files stay.
   */
  async sync(materialOf: (volumeName: string) => VolumeMaterial): Promise<void> {
    const { pod, folder } = this.#options
    const problems: string[] = []
    for (const volume of pod.spec.volumes) {
      const path = volumePath(folder, volume.name)
      await mkdir(path, { recursive: true, mode: 0o700 })
      if (volume.sources.length === 0) continue
      const result = projectVolume(volume, materialOf(volume.name))
      if ('problems' in result) problems.push(...result.problems)
      else await writeVolume(path, result.payload)
    }
    if (!this.#hasStarted && problems.length === 0) await this.#start()
    await this.#tell(
      this.#hasStarted ? { kind: 'running' } : { kind: 'waiting', why: problems.join('; ') },
    )
  }

  /** Ends the process and leaves the volumes, as a kubelet that stops does. */
  async stop(): Promise<void> {
    this.#ending.abort()
    await this.#container?.stop()
    this.#container = undefined
  }

  /** Ends the process and removes the volumes. Can be called again after a failure. */
  async end(): Promise<void> {
    await this.stop()
    await rm(this.#options.folder, { recursive: true, force: true })
  }

  async #start(): Promise<void> {
    const { pod, folder, runContainer } = this.#options
    const volumes = pod.spec.volumes.map(({ name }) => [name, volumePath(folder, name)])
    const signal = this.#ending.signal
    this.#container = await runContainer(pod, Object.fromEntries(volumes), signal)
    this.#hasStarted = true
  }

  /** Says the state once; a pod that has gone meanwhile needs no status. */
  async #tell(state: PodState): Promise<void> {
    const said = JSON.stringify(state)
    if (said === this.#told) return
    const { pod, client, now } = this.#options
    const { uid, name, namespace } = pod.metadata
    try {
      await client.request({
        method: 'PATCH',
        path: resourcePath(kubeletPods, { namespace, name, subresource: 'status' }),
        contentType: 'application/merge-patch+json',
        body: { metadata: { uid }, status: podStatus(pod, state, now()) },
      })
      this.#told = said
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }
}
