import { backoffMilliseconds, type Delay } from '../../kubernetes/backoff.ts'
import type { Informer } from '../../kubernetes/informer.ts'
import { objectKey } from '../../kubernetes/object-store.ts'
import { askingPod, type PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { Membership } from '../../kubernetes/membership.ts'
import { createWorkQueue } from '../../kubernetes/work-queue.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Gatherer } from './gather.ts'
import { isLeftOpen, leftOpen, type History } from '../issue/history.ts'
import type { Issuance } from '../issue/issuance.ts'
import type { Outcome } from '../issue/issuance-options.ts'
import type { IssuancePorts } from '../issue/ports.ts'

/** The API server's limits are met before this one: signing itself takes a tenth of a millisecond. */
const concurrency = 64

/** Kubelet tries its mount again after half a second, then ever more slowly. */
const waitBackoff = { baseSeconds: 0.25, maxSeconds: 30 }

/** The depth of the queue is told when it grows, and so often. */
const measureSeconds = 5

/**
 * A request that falls to another replica is worked on here after so long for each that comes before us, whoever lives: a replica that is
 * seen and does nothing must not keep a pod waiting.
 */
const takeoverSeconds = 15

/** Behind so many all stand alike: whoever pretends to be many replicas gains no time by it. */
const rankMax = 2

/** The pod's people are told when a request waits for the third time; of what time does not mend, at the first. */
const tellAfterWaits = 3

export interface RequestQueueOptions {
  readonly requests: Pick<Informer<PodCertificateRequest>, 'get' | 'byUid' | 'list' | 'onEvent'>
  /** Of what kind they are, as records say it. */
  readonly kind?: 'CertificateSigningRequest'
  /** How many requests wait, of whatever kind; those of this queue unless told. */
  readonly depth?: () => number
  readonly gatherer: Pick<Gatherer, 'startsUp' | 'onClaim'>
  readonly issuance: Issuance
  readonly ports: IssuancePorts
  readonly history: History
  /** What a request falls to a replica by; its UID unless told. */
  readonly shareOf?: (request: PodCertificateRequest) => string
  /** Which requests are ours first; all of them unless told. */
  readonly membership?: Pick<Membership, 'rank' | 'living' | 'onChange'>
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
  readonly random?: () => number
  readonly delay?: Delay
}

export interface RequestQueue {
  /** Requests that wait, and those that are worked on. */
  readonly depth: number
  /** Begins nothing new, and lets what was begun have so many seconds. */
  drain(seconds: number): Promise<void>
}

interface Waiting {
  readonly count: number
  readonly told: string | undefined
}

interface Seen {
  /** When we first saw it, in milliseconds. */
  readonly at: number
  /** The fewest replicas that came before this one: what has been planned stays. */
  rank: number
}

/**
 * Every request that is not terminal is worked on until it is, or is gone. Namespaces take turns, and within each its nodes. Pods that start are waiting for us,
 * and pods that refresh will be: three of the former go before one of the latter, so that neither starves the other.
 */
export function startRequestQueue(options: RequestQueueOptions): RequestQueue {
  return new Queue(options)
}

class Queue implements RequestQueue {
  readonly #options: RequestQueueOptions
  readonly #queue: ReturnType<typeof createWorkQueue>
  readonly #ending = new AbortController()
  readonly #stopListening: readonly (() => void)[]
  readonly #measuring: NodeJS.Timeout
  /** By the request's UID. */
  readonly #seen = new Map<string, Seen>()
  /** By the request's UID: what was worked on, and comes again after its back-off. */
  readonly #waiting = new Map<string, Waiting>()
  /** UIDs of requests that we made terminal, until the watch shows it: a lagging copy must not be worked on again. */
  readonly #finished = new Set<string>()
  /** By key: UIDs of requests that are gone and have open intents. */
  readonly #orphans = new Map<string, Set<string>>()

  constructor(options: RequestQueueOptions) {
    this.#options = options
    const { requests, history, gatherer, log, delay } = options
    this.#queue = createWorkQueue({
      work: (key) => this.#work(key),
      concurrency,
      backoff: waitBackoff,
      groupsOf: (key) => this.#groupsOf(key),
      random: options.random ?? Math.random,
      log,
      ...(delay === undefined ? {} : { delay }),
    })
    const stop = requests.onEvent(({ type, object }) => {
      if (type === 'deleted') this.#removed(object)
      else this.#add(object)
    })
    const { membership } = options
    this.#stopListening = [
      stop,
      membership?.onChange(() => this.#shareAnew()) ?? (() => {}),
      gatherer.onClaim((concerns) => this.#claimed(concerns)),
    ]
    this.#measuring = setInterval(() => this.#measure(), measureSeconds * 1000).unref()
    for (const request of requests.list()) this.#add(request)
    const left = leftOpen(history).filter(({ kind }) => kind === options.kind)
    for (const { uid, namespace, name } of left) {
      const key = objectKey({ namespace, name })
      if (requests.byUid(uid) === undefined) this.#orphan(key, uid)
      this.#queue.add(key)
    }
  }

  get depth(): number {
    return this.#queue.depth
  }

  async drain(seconds: number): Promise<void> {
    for (const stop of this.#stopListening) stop()
    clearInterval(this.#measuring)
    const timer = setTimeout(() => this.#ending.abort(), seconds * 1000)
    await this.#queue.close()
    clearTimeout(timer)
  }

  #add(request: PodCertificateRequest): void {
    const { uid } = request.metadata
    const key = objectKey(request.metadata)
    const settles = this.#settles(uid)
    if (request.status.terminal !== undefined) this.#finished.delete(uid)
    if (!settles && (request.status.terminal !== undefined || this.#finished.has(uid))) {
      this.#waiting.delete(uid)
      this.#seen.delete(uid)
      if (this.#finished.has(uid)) return
      // Another replica was first, as it should be: what is planned here would only take room, but for a namesake that is gone.
      if (this.#orphans.has(key)) this.#queue.add(key)
      else this.#queue.forget(key)
      return
    }
    const rank = this.#rank(request)
    const seen = this.#seen.get(uid) ?? { at: this.#options.now(), rank }
    seen.rank = Math.min(seen.rank, rank)
    this.#seen.set(uid, seen)
    const urgent = this.#options.gatherer.startsUp(request.spec.pod.uid)
    this.#queue.add(key, { urgent, afterSeconds: rank * takeoverSeconds })
    this.#measure()
  }

  /** What this replica may have signed, or has refused, has an outcome that only this one can record. */
  #settles(uid: string): boolean {
    const { history } = this.#options
    return isLeftOpen(history, uid) || history.refusals.has(uid)
  }

  #rank(request: PodCertificateRequest): number {
    const { uid } = request.metadata
    const { membership, shareOf = () => uid } = this.#options
    const before = this.#settles(uid) ? 0 : (membership?.rank(shareOf(request)) ?? 0)
    return Math.min(before, rankMax)
  }

  /** What fell to a replica that is gone falls to another, at once. What waits here after its work keeps its back-off. */
  #shareAnew(): void {
    for (const request of this.#options.requests.list()) {
      const { uid } = request.metadata
      const seen = this.#seen.get(uid)
      if (seen === undefined || this.#waiting.has(uid)) continue
      if (this.#rank(request) < seen.rank) this.#add(request)
    }
  }

  /** Their pods have waited for nothing else. What is worked on is looked at once more. */
  #claimed(concerns: (podUid: string) => boolean): void {
    for (const request of this.#options.requests.list()) {
      if (request.status.terminal === undefined && concerns(request.spec.pod.uid)) {
        this.#add(request)
      }
    }
  }

  #removed(request: PodCertificateRequest): void {
    const { uid } = request.metadata
    const key = objectKey(request.metadata)
    this.#forget(uid)
    if (!isLeftOpen(this.#options.history, uid)) return this.#queue.forget(key)
    this.#orphan(key, uid)
    this.#queue.add(key)
  }

  #orphan(key: string, uid: string): void {
    this.#orphans.set(key, (this.#orphans.get(key) ?? new Set()).add(uid))
  }

  /** A node that asks for all of its pods at once delays no pod of another node, nor of another namespace. */
  #groupsOf(key: string): readonly string[] {
    const slash = key.indexOf('/')
    const namespace = key.slice(0, slash)
    const request = this.#options.requests.get(key.slice(slash + 1), namespace)
    return [namespace, request?.spec.node.name ?? '']
  }

  async #work(key: string): Promise<void | { againSeconds: number }> {
    await this.#settleOrphans(key)
    const slash = key.indexOf('/')
    const request = this.#options.requests.get(key.slice(slash + 1), key.slice(0, slash))
    if (request === undefined || this.#finished.has(request.metadata.uid)) return
    // The watch may have been faster than the answer to our own write, by which all was settled.
    if (request.status.terminal !== undefined && !this.#settles(request.metadata.uid)) return
    const asked = this.#asSeen(request)
    const outcome = await this.#options.issuance.handle(asked, this.#ending.signal)
    const { uid } = request.metadata
    const current = this.#options.requests.byUid(uid)
    // Deleted meanwhile: what the work has just written down about it would be kept for ever.
    if (current === undefined) return this.#forget(uid)
    if (outcome.kind === 'again') return this.#again(request, outcome)
    this.#waiting.delete(uid)
    if (current.status.terminal === undefined) this.#finished.add(uid)
  }

  #forget(uid: string): void {
    this.#waiting.delete(uid)
    this.#finished.delete(uid)
    this.#seen.delete(uid)
    this.#options.history.refusals.delete(uid)
    this.#options.history.verdicts.delete(uid)
  }

  /** The API server tells whole seconds: within that second the request was created at the latest when we saw it. */
  #asSeen(request: PodCertificateRequest): PodCertificateRequest {
    const { metadata } = request
    const createdAt = metadata.creationTimestamp?.getTime() ?? 0
    const seen = this.#seen.get(metadata.uid)?.at ?? createdAt
    const likely = Math.min(Math.max(seen, createdAt), createdAt + 999)
    return { ...request, metadata: { ...metadata, creationTimestamp: new Date(likely) } }
  }

  /** A request that left open intents behind: only the API server can prove that it is gone. */
  async #settleOrphans(key: string): Promise<void> {
    const slash = key.indexOf('/')
    const [namespace, name] = [key.slice(0, slash), key.slice(slash + 1)]
    const { ports, issuance } = this.#options
    for (const uid of this.#orphans.get(key) ?? []) {
      const found = await ports.read({ namespace, name, uid }, this.#ending.signal)
      if (found === undefined) await issuance.gone(uid)
      else await issuance.handle(found, this.#ending.signal)
      this.#orphans.get(key)?.delete(uid)
    }
    this.#orphans.delete(key)
  }

  #again(
    request: PodCertificateRequest,
    outcome: Extract<Outcome, { readonly kind: 'again' }>,
  ): { againSeconds: number } {
    const { uid, name, namespace } = request.metadata
    const { log, ports } = this.#options
    const before = this.#waiting.get(uid)
    const count = (before?.count ?? 0) + 1
    log.debug({ namespace, request: name, why: outcome.why, count }, 'request waits')
    const isTime = outcome.grave === true || count >= tellAfterWaits
    // Numbers change from look to look, and nobody wants to be told of each.
    const words = outcome.why.replaceAll(/\d+/g, '')
    const tell = isTime && before?.told !== words
    if (tell) {
      const { pod } = request.spec
      const fields = { namespace, pod: pod.name, request: name, why: outcome.why, count }
      log.warn(fields, 'request waits')
      ports.emitEvent({
        pod: askingPod(request),
        type: 'Warning',
        reason: 'CertificatePending',
        message: outcome.why,
      })
    }
    this.#waiting.set(uid, { count, told: tell ? words : before?.told })
    const random = this.#options.random ?? Math.random
    const againSeconds = outcome.seconds ?? backoffMilliseconds(waitBackoff, count, random) / 1000
    return { againSeconds }
  }

  #measure(): void {
    const { metrics, membership } = this.#options
    const depth = this.#options.depth?.() ?? this.#queue.depth
    metrics.set('countersign_signer_queue_depth', depth)
    if (membership !== undefined) metrics.set('countersign_signer_replicas', membership.living)
  }
}
