import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { isNotFound } from '../../src/kubernetes/api-error.ts'
import { realDelay, type Delay } from '../../src/kubernetes/backoff.ts'
import {
  clusterTrustBundles,
  type ClusterTrustBundle,
} from '../../src/kubernetes/cluster-trust-bundle.ts'
import { startInformer, type Informer } from '../../src/kubernetes/informer.ts'
import {
  podCertificateRequests,
  type PodCertificateVersion,
} from '../../src/kubernetes/pod-certificate-request.ts'
import { resourcePath } from '../../src/kubernetes/resource.ts'
import { createWorkQueue, type WorkQueue } from '../../src/kubernetes/work-queue.ts'
import type { Log } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import type { RunContainer } from './container-runner.ts'
import { startNodeLease } from './node-lease.ts'
import { registerNode } from './node.ts'
import { PodCertificates } from './pod-certificates.ts'
import { PodWorker, volumePath } from './pod-worker.ts'
import { kubeletPods, type KubeletPod } from './pod.ts'

export interface KubeletConfig {
  readonly nodeName: string
  /** Path of the node's own kubeconfig: user system:node:<name>, group system:nodes. */
  readonly kubeconfig: string
  /** Private to this kubelet; pods' volumes are below. */
  readonly folder: string
  readonly runContainer: RunContainer
  readonly log: Log
  readonly now: () => number
  readonly random?: () => number
  readonly delay?: Delay
  /** v1 unless told. */
  readonly podCertificateVersion?: PodCertificateVersion
}

export interface Kubelet extends AsyncDisposable {
  volumeFolder(podUid: string, volumeName: string): Promise<string | undefined>
}

/** Pods that come up at once; a container that is slow to start holds up no other. */
const podsAtOnce = 32
const passMilliseconds = 60_000

/** Registers the node and runs what is bound to it, over HTTPS with the node's own credentials. */
export async function startKubelet(config: KubeletConfig): Promise<Kubelet> {
  const { nodeName, log, now, random = Math.random, delay = realDelay } = config
  const requestResource = podCertificateRequests(config.podCertificateVersion ?? 'v1')
  await using opened = new AsyncDisposableStack()
  const client = createApiClient({ kubeconfig: config.kubeconfig, userAgent: 'kubelet' })
  opened.defer(() => client.close())
  const uid = await registerNode(client, { name: nodeName, now })
  opened.use(startNodeLease({ client, nodeName, now, delay: realDelay, log }))
  // A kubelet needs the whole of what it runs, however much that is.
  const keptBytesMax = Number.POSITIVE_INFINITY
  const shared = { client, log, metrics: silentMetrics, keptBytesMax, random }
  const fieldSelector = `spec.nodeName=${nodeName}`
  const pods = opened.use(startInformer({ ...shared, resource: kubeletPods, fieldSelector }))
  const requests = opened.use(
    startInformer({ ...shared, resource: requestResource, fieldSelector }),
  )
  const trustBundles = opened.use(startInformer({ ...shared, resource: clusterTrustBundles('v1') }))
  const certificates = opened.use(
    new PodCertificates({
      client,
      node: { name: nodeName, uid },
      pods,
      requests,
      requestResource,
      log,
      now,
      random,
      delay,
      onChange: (podUid) => loop.add(podUid),
    }),
  )
  const loop = opened.use(
    new PodLoop({ config, client, pods, trustBundles, certificates, random, delay }),
  )
  await Promise.all([pods.synced, requests.synced, trustBundles.synced])
  const parts = opened.move()
  return {
    async volumeFolder(podUid, volumeName) {
      const path = volumePath(join(config.folder, 'pods', podUid), volumeName)
      return (await stat(path).catch(() => undefined)) === undefined ? undefined : path
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

interface PodLoopOptions {
  readonly config: KubeletConfig
  readonly client: ApiClient
  readonly pods: Informer<KubeletPod>
  readonly trustBundles: Informer<ClusterTrustBundle>
  readonly certificates: PodCertificates
  readonly random: () => number
  readonly delay: Delay
}

/**
 * Works on each pod whenever something about it changed, and on all of them every one or two minutes. A certificate
 * is in its volume as soon as it is issued; the real kubelet looks 0.5, 1, 2, 4 … 122 s after its last look.
 */
class PodLoop implements AsyncDisposable {
  readonly #options: PodLoopOptions
  readonly #workers = new Map<string, PodWorker>()
  readonly #queue: WorkQueue
  readonly #closing = new AbortController()
  readonly #stops: readonly (() => void)[]
  readonly #salt = randomUUID()

  constructor(options: PodLoopOptions) {
    this.#options = options
    const { config, pods, trustBundles, random, delay } = options
    this.#queue = createWorkQueue({
      work: (podUid) => this.#work(podUid),
      concurrency: podsAtOnce,
      backoff: { baseSeconds: 0.5, maxSeconds: 120 },
      random,
      log: config.log,
    })
    this.#stops = [
      pods.onEvent(({ object, type }) => {
        if (type !== 'deleted') options.certificates.track(object)
        this.#queue.add(object.metadata.uid)
      }),
      trustBundles.onEvent(() => {
        for (const pod of pods.list()) this.#queue.add(pod.metadata.uid)
      }),
    ]
    void this.#passes(delay, random)
  }

  add(podUid: string): void {
    this.#queue.add(podUid)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    for (const stop of this.#stops) stop()
    await this.#queue.close()
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()))
  }

  /** What is due for a refresh is found here, and nowhere else. */
  async #passes(delay: Delay, random: () => number): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await delay(passMilliseconds * (1 + random()), signal).catch(() => {})
      if (signal.aborted) return
      for (const pod of this.#options.pods.list()) {
        this.#options.certificates.track(pod)
        this.#queue.add(pod.metadata.uid)
      }
    }
  }

  async #work(podUid: string): Promise<void> {
    const { pods, certificates, config, client, trustBundles } = this.#options
    const pod = pods.byUid(podUid)
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) {
      await this.#end(podUid, pod)
      return
    }
    const worker =
      this.#workers.get(podUid) ??
      new PodWorker({
        pod,
        client,
        folder: join(config.folder, 'pods', podUid),
        runContainer: config.runContainer,
        now: config.now,
      })
    this.#workers.set(podUid, worker)
    await worker.sync((volumeName) => ({
      credential: (index) => certificates.files(pod, volumeName, index),
      trustBundles: trustBundles.list(),
      salt: this.#salt,
    }))
  }

  async #end(podUid: string, pod: KubeletPod | undefined): Promise<void> {
    await this.#workers.get(podUid)?.end()
    this.#workers.delete(podUid)
    if (pod === undefined) return
    this.#options.certificates.forget(pod)
    const { name, namespace } = pod.metadata
    try {
      await this.#options.client.request({
        method: 'DELETE',
        path: resourcePath(kubeletPods, { namespace, name }),
        body: { gracePeriodSeconds: 0, preconditions: { uid: podUid } },
      })
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }
}
