import { CountersignError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { ApiClient } from './api-client.ts'
import { ApiError, parseApiError } from './api-error.ts'
import { backoffMilliseconds, realDelay, type Delay } from './backoff.ts'
import { isMalformedLine } from './json-lines.ts'
import { listRaw, watchRaw, type ListOptions } from './objects.ts'
import { ObjectStore, type ObjectEvent } from './object-store.ts'
import type { KubernetesObject, Resource } from './resource.ts'
import { keyOfRaw, parseWatchEvent } from './watch-event.ts'
import { isSilence, needsList, watchFailure, type WatchFailure } from './watch-failure.ts'

/**
 * A local copy of one list, kept current by a watch. Each change is told once and in order, across lost connections
 * and new lists. Absence here is no proof of absence: ask the server.
 */
export interface Informer<T> extends AsyncDisposable {
  /** Resolves when the first list is in the store; rejects with 'kubernetes/closed' when disposed before. */
  readonly synced: Promise<void>
  readonly hasSynced: boolean
  get(name: string, namespace?: string): T | undefined
  /** A snapshot: the same one until something changes. */
  list(): readonly T[]
  byUid(uid: string): T | undefined
  /** 0 while the watch is connected, else seconds since it was last heard of; since the start before the first list. */
  readonly staleSeconds: number
  /** Called for changes from now on, the first list included if that is still to come. Returns how to stop it. */
  onEvent(listener: (event: ObjectEvent<T>) => void): () => void
}

export interface InformerOptions<T> {
  readonly client: ApiClient
  readonly resource: Resource<T>
  readonly namespace?: string
  readonly fieldSelector?: string
  readonly labelSelector?: string
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
  readonly delay?: Delay
  readonly random?: () => number
  /**
   * A watch that is silent for longer is taken for lost: so long may a hung one go unnoticed. The server is asked to
   * end each watch somewhat earlier, because its bookmarks come too seldom to tell. 75 unless told.
   */
  readonly idleSeconds?: number
}

const backoff = { baseSeconds: 0.5, maxSeconds: 30 }
const idleSecondsDefault = 75
/** A watch that lasted so long was a good one, even without an event; so was one that lasted for half of its idle time. */
const steadyMilliseconds = 10_000

class ListWatch<T extends KubernetesObject> implements Informer<T> {
  readonly synced: Promise<void>
  readonly #options: InformerOptions<T>
  readonly #delay: Delay
  readonly #random: () => number
  readonly #store = new ObjectStore<T>()
  readonly #listeners = new Set<(event: ObjectEvent<T>) => void>()
  readonly #closing = new AbortController()
  readonly #done: Promise<void>
  readonly #startedAt: number
  #resolveSynced: () => void = () => {}
  #hasSynced = false
  /** The point in time that the store reflects; undefined: only a list can tell. */
  #resourceVersion: string | undefined
  /** Lists in pages unless the last attempt lost its page token. */
  #paged = true
  #connected = false
  #heardAt: number
  #failures = 0

  constructor(options: InformerOptions<T>) {
    this.#options = options
    this.#delay = options.delay ?? realDelay
    this.#random = options.random ?? Math.random
    this.#startedAt = options.now()
    this.#heardAt = this.#startedAt
    this.synced = new Promise((resolve, reject) => {
      this.#resolveSynced = resolve
      this.#closing.signal.addEventListener('abort', () => reject(this.#closing.signal.reason))
    })
    this.synced.catch(() => {})
    this.#done = this.#run()
  }

  get hasSynced(): boolean {
    return this.#hasSynced
  }

  get staleSeconds(): number {
    if (this.#connected) return 0
    return Math.max(0, (this.#options.now() - this.#heardAt) / 1000)
  }

  get(name: string, namespace?: string): T | undefined {
    return this.#store.get(name, namespace)
  }

  byUid(uid: string): T | undefined {
    return this.#store.byUid(uid)
  }

  list(): readonly T[] {
    return this.#store.list()
  }

  onEvent(listener: (event: ObjectEvent<T>) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const plural = this.#options.resource.plural
    this.#closing.abort(
      new CountersignError('kubernetes/closed', `informer of ${plural} is closed`),
    )
    await this.#done
    this.#listeners.clear()
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    // The caller has its listeners in place before the first event.
    await Promise.resolve()
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#list()
        await this.#watch()
        this.#countRestart('ended')
        // A server that ends each watch at once must not make a busy loop of us.
        if (this.#failures > 0) await this.#pause(undefined)
      } catch (error) {
        if (signal.aborted) return
        await this.#recover(error)
      }
    }
  }

  async #recover(error: unknown): Promise<void> {
    this.#failures += 1
    const cause = watchFailure(error)
    if (this.#resourceVersion === undefined && cause === 'expired') this.#paged = false
    if (needsList(error, this.#failures)) this.#resourceVersion = undefined
    this.#countRestart(cause)
    const { log, resource } = this.#options
    const fields = { resource: resource.plural, cause, failures: this.#failures, error }
    // An expired resource version is the protocol at work: nothing to tell, and nothing to wait for the first time.
    if (cause === 'expired' && this.#failures === 1) return log.debug(fields, 'watch restarts')
    log.warn(fields, 'watch restarts')
    await this.#pause(error)
  }

  async #pause(error: unknown): Promise<void> {
    const asked = error instanceof ApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
    const wait = Math.max(asked, backoffMilliseconds(backoff, this.#failures, this.#random))
    await this.#delay(wait, this.#closing.signal).catch(() => {})
  }

  #countRestart(cause: WatchFailure): void {
    const resource = this.#options.resource.plural
    this.#options.metrics.count('countersign_watch_restarts_total', { resource, cause })
  }

  async #list(): Promise<void> {
    const { client, resource } = this.#options
    const list = await listRaw(client, resource, { ...this.#scope(), paged: this.#paged })
    const objects: T[] = []
    const kept = new Set<string>()
    for (const item of list.items) {
      const object = this.#parse(item)
      if (object !== undefined) objects.push(object)
      else kept.add(keyOfRaw(item))
    }
    this.#paged = true
    this.#resourceVersion = list.resourceVersion
    this.#heardAt = this.#options.now()
    this.#emit(this.#store.replace(objects, kept))
    this.#hasSynced = true
    this.#resolveSynced()
  }

  async #watch(): Promise<void> {
    const { client, resource, idleSeconds = idleSecondsDefault, now } = this.#options
    const openedAt = now()
    const steady = Math.min(steadyMilliseconds, idleSeconds * 500)
    let told = false
    const heard = (): void => {
      this.#connected = true
      this.#heardAt = now()
    }
    try {
      const events = watchRaw(client, resource, {
        ...this.#scope(),
        resourceVersion: this.#resourceVersion ?? '',
        timeoutSeconds: Math.ceil(idleSeconds * (0.6 + this.#random() / 5)),
        idleSeconds,
        onOpen: heard,
      })
      for await (const event of events) {
        heard()
        told = true
        this.#failures = 0
        this.#apply(event)
      }
      this.#lost(now())
      if (!told && now() - openedAt < steady) this.#failures += 1
    } catch (error) {
      // Only silence leaves open when the other end went; any other loss is noticed at once.
      this.#lost(isSilence(error) ? this.#heardAt : now())
      throw error
    } finally {
      if (now() - openedAt >= steady) this.#failures = 0
    }
  }

  #lost(at: number): void {
    if (this.#connected) this.#heardAt = at
    this.#connected = false
  }

  #scope(): ListOptions & { readonly signal: AbortSignal } {
    const { namespace, fieldSelector, labelSelector } = this.#options
    return { signal: this.#closing.signal, namespace, fieldSelector, labelSelector }
  }

  #apply(raw: unknown): void {
    const { resource, log, metrics } = this.#options
    const event = parseWatchEvent(raw)
    if (event === undefined) {
      metrics.count('countersign_watch_malformed_total', { resource: resource.plural })
      const excerpt = isMalformedLine(raw) ? raw.malformed : undefined
      log.warn({ resource: resource.plural, excerpt }, 'malformed line in a watch')
      // Nobody knows what it told: only a new list does.
      throw new CountersignError(
        'kubernetes/answer',
        `WATCH ${resource.plural}: line: want=event got=other`,
      )
    }
    if (event.type === 'ERROR') {
      const status = (event.object as { code?: unknown } | undefined)?.code
      throw parseApiError({
        what: `WATCH ${resource.plural}`,
        status: typeof status === 'number' ? status : 500,
        answer: event.object,
      })
    }
    if (event.type === 'BOOKMARK') {
      this.#resourceVersion = event.resourceVersion ?? this.#resourceVersion
      return
    }
    const object = this.#parse(event.object)
    if (event.type === 'DELETED') this.#emit(this.#store.remove(event, object))
    else if (object !== undefined) this.#emit(this.#store.put(object))
    this.#resourceVersion = event.resourceVersion ?? this.#resourceVersion
  }

  /** A malformed object never stops the others. What was known of it before stays: it is the last good state. */
  #parse(raw: unknown): T | undefined {
    const { resource, log, metrics } = this.#options
    try {
      return resource.parse(raw)
    } catch (error) {
      metrics.count('countersign_watch_malformed_total', { resource: resource.plural })
      log.error({ resource: resource.plural, name: keyOfRaw(raw), error }, 'malformed object')
      return undefined
    }
  }

  #emit(events: readonly ObjectEvent<T>[]): void {
    for (const event of events) {
      for (const listener of this.#listeners) {
        try {
          listener(event)
        } catch (error) {
          const fields = { resource: this.#options.resource.plural, error }
          this.#options.log.error(fields, 'a listener of a watch threw')
        }
      }
    }
  }
}

export function startInformer<T extends KubernetesObject>(
  options: InformerOptions<T>,
): Informer<T> {
  return new ListWatch(options)
}
