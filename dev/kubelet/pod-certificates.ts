import type { ApiClient } from '../../src/kubernetes/api-client.ts'
import type { Informer } from '../../src/kubernetes/informer.ts'
import { createObject, readObject } from '../../src/kubernetes/objects.ts'
import type { PodCertificateRequest } from '../../src/kubernetes/pod-certificate-request.ts'
import type { Resource } from '../../src/kubernetes/resource.ts'
import type { Delay } from '../../src/kubernetes/backoff.ts'
import { createWorkQueue, type WorkQueue } from '../../src/kubernetes/work-queue.ts'
import { serviceAccounts } from '../../src/kubernetes/workloads.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Log } from '../../src/log.ts'
import { encodeCertificateRequest } from './certificate-request.ts'
import {
  afterLook,
  afterRequest,
  filesOf,
  isDue,
  pendingOf,
  type CredentialState,
} from './credential.ts'
import type { KubeletPod, PodCertificateSource } from './pod.ts'
import { warnOfPod } from './pod-warning.ts'
import { generatePrivateKey } from './private-key.ts'

export interface PodCertificatesOptions {
  readonly client: ApiClient
  readonly node: { readonly name: string; readonly uid: string }
  readonly pods: Informer<KubeletPod>
  readonly requests: Informer<PodCertificateRequest>
  readonly requestResource: Resource<PodCertificateRequest>
  readonly log: Log
  readonly now: () => number
  readonly random: () => number
  readonly delay: Delay
  /** Called when there is something new for a pod's volumes. */
  readonly onChange: (podUid: string) => void
}

const overdueMilliseconds = 10 * 60_000

/** Keys, requests and certificates of every `podCertificate` source on a node; nothing of it outlives the process. */
export class PodCertificates implements AsyncDisposable {
  readonly #options: PodCertificatesOptions
  readonly #states = new Map<string, CredentialState>()
  /** Warnings that were given about the current certificate of a source. */
  readonly #warned = new Map<string, Set<string>>()
  readonly #queue: WorkQueue
  readonly #stop: () => void

  constructor(options: PodCertificatesOptions) {
    this.#options = options
    const { random, delay, log } = options
    this.#queue = createWorkQueue({
      work: (key, signal) => this.#handle(key, signal),
      // One worker: requests of a node are made one after the other, as kubelet makes them.
      concurrency: 1,
      backoff: { baseSeconds: 0.05, maxSeconds: 60 },
      random,
      delay,
      log,
    })
    this.#stop = options.requests.onEvent(({ object }) => {
      const pod = options.pods.byUid(object.spec.pod.uid)
      if (pod !== undefined) this.track(pod)
    })
  }

  /** Looks at every source of the pod again, soon. */
  track(pod: KubeletPod): void {
    for (const { key } of sourcesOf(pod)) this.#queue.add(key)
  }

  forget(pod: KubeletPod): void {
    for (const { key } of sourcesOf(pod)) {
      this.#queue.forget(key)
      this.#states.delete(key)
      this.#warned.delete(key)
    }
  }

  /** The files of one source, or why there are none. */
  files(pod: KubeletPod, volumeName: string, sourceIndex: number): ReturnType<typeof filesOf> {
    return filesOf(this.#state(keyOf(pod, volumeName, sourceIndex)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop()
    await this.#queue.close()
  }

  #state(key: string): CredentialState {
    return this.#states.get(key) ?? { kind: 'initial' }
  }

  async #handle(key: string, signal: AbortSignal): Promise<void | { againSeconds: number }> {
    const { pods, requests, now, random } = this.#options
    const [uid = ''] = key.split('/')
    const pod = pods.byUid(uid)
    const source =
      pod === undefined ? undefined : sourcesOf(pod).find((one) => one.key === key)?.source
    if (pod === undefined || source === undefined) {
      this.#states.delete(key)
      return undefined
    }
    const state = this.#state(key)
    const clock = { now: now(), random }
    if (isDue(state, clock.now)) {
      await this.#warnIfLate(key, pod, signal)
      await this.#request(key, { pod, source, signal })
      return undefined
    }
    if (state.kind !== 'wait' && state.kind !== 'waitrefresh') return undefined
    const request = requests.get(state.pending.requestName, pod.metadata.namespace)
    const next = afterLook(state, request, clock)
    if (next === state) {
      await this.#warnIfLate(key, pod, signal)
      return undefined
    }
    this.#states.set(key, next)
    this.#options.onChange(uid)
    if (next.kind === 'refused') await this.#warnOfRefusal(pod, next, signal)
    if (next.kind === 'fresh' && request !== undefined) this.#warned.delete(key)
    // Taken for deleted: another request is made at once.
    return isDue(next, clock.now) ? { againSeconds: 0.01 } : undefined
  }

  async #request(
    key: string,
    want: {
      readonly pod: KubeletPod
      readonly source: PodCertificateSource
      readonly signal: AbortSignal
    },
  ): Promise<void> {
    const { client, node, random, requestResource } = this.#options
    const { pod, source, signal } = want
    const { namespace, name, uid } = pod.metadata
    const { serviceAccountName } = pod.spec
    // Live, for its UID: the pod does not carry it.
    const account = await readObject(client, serviceAccounts, {
      namespace,
      name: serviceAccountName,
      signal,
    })
    if (account === undefined) {
      throw new CountersignError(
        'dev/kubelet',
        `service account ${namespace}/${serviceAccountName} is not there`,
      )
    }
    // A new key for every request, for one that fails too.
    const privateKey = await generatePrivateKey(source.keyType)
    const { maxExpirationSeconds, userAnnotations } = source
    const request = await createObject(client, requestResource, {
      namespace,
      signal,
      body: {
        metadata: {
          generateName: 'req-',
          namespace,
          ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid }],
        },
        spec: {
          signerName: source.signerName,
          podName: name,
          podUID: uid,
          serviceAccountName,
          serviceAccountUID: account.metadata.uid,
          nodeName: node.name,
          nodeUID: node.uid,
          ...(maxExpirationSeconds === undefined ? {} : { maxExpirationSeconds }),
          stubPKCS10Request: encodeCertificateRequest({ privateKey }).toString('base64'),
          ...(Object.keys(userAnnotations).length === 0
            ? {}
            : { unverifiedUserAnnotations: userAnnotations }),
        },
      },
    })
    const pending = pendingOf({ privateKey, request, random })
    this.#states.set(key, afterRequest(this.#state(key), pending))
  }

  async #warnOfRefusal(
    pod: KubeletPod,
    refusal: Extract<CredentialState, { kind: 'refused' }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, name } = pod.metadata
    const { outcome, reason, message } = refusal
    const why = `reason=${JSON.stringify(reason)}, message=${JSON.stringify(message)}`
    const text = `PodCertificateRequest of ${namespace}/${name} was ${outcome}, ${why}`
    await this.#warn(pod, { reason: outcome === 'denied' ? 'Denied' : 'Failed', text, signal })
  }

  /** Once for each certificate: ten minutes after its refresh was due, and when it has run out. */
  async #warnIfLate(key: string, pod: KubeletPod, signal: AbortSignal): Promise<void> {
    const state = this.#state(key)
    if (state.kind !== 'fresh' && state.kind !== 'waitrefresh') return
    const { beginRefreshAt, notAfter } = state.material
    const warned = this.#warned.get(key) ?? new Set()
    this.#warned.set(key, warned)
    const now = this.#options.now()
    const late: readonly (readonly [boolean, string, string])[] = [
      [
        now > beginRefreshAt + overdueMilliseconds,
        'CertificateOverdueForRefresh',
        'PodCertificate refresh overdue',
      ],
      [now > notAfter, 'CertificateExpired', 'PodCertificate expired'],
    ]
    for (const [isLate, reason, text] of late) {
      if (!isLate || warned.has(reason)) continue
      warned.add(reason)
      await this.#warn(pod, { reason, text, signal })
    }
  }

  async #warn(
    pod: KubeletPod,
    warning: { readonly reason: string; readonly text: string; readonly signal: AbortSignal },
  ): Promise<void> {
    const { client, log, now } = this.#options
    await warnOfPod({ client, log, now, pod, ...warning })
  }
}

function keyOf(pod: KubeletPod, volumeName: string, sourceIndex: number): string {
  return `${pod.metadata.uid}/${volumeName}/${sourceIndex}`
}

function sourcesOf(
  pod: KubeletPod,
): readonly { readonly key: string; readonly source: PodCertificateSource }[] {
  return pod.spec.volumes.flatMap(({ name, sources }) =>
    sources.flatMap((source, index) =>
      source.kind === 'podCertificate' ? [{ key: keyOf(pod, name, index), source }] : [],
    ),
  )
}
