import { CountersignError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Condition } from '../readiness.ts'
import type { ApiClient } from './api-client.ts'
import { ApiError, parseApiError } from './api-error.ts'
import { backoffMilliseconds, realDelay, type Delay } from './backoff.ts'
import { Freshness } from './freshness.ts'
import type { JsonLine, LongLine } from './json-lines.ts'
import { listPages, PageSize, type ListOptions } from './list-pages.ts'
import { watchRaw } from './objects.ts'
import { ObjectStore, objectKey, type ObjectEvent } from './object-store.ts'
import { keptBytesMaxDefault, readRaw, tooLong, type Unreadable } from './read-object.ts'
import type { KubernetesObject, Resource } from './resource.ts'
import { UnreadableObjects } from './unreadable-objects.ts'
import { parseWatchEvent } from './watch-event.ts'
import {
  explainFailure,
  isSilence,
  needsList,
  watchFailure,
  type WatchFailure,
} from './watch-failure.ts'

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
  /** Objects that are there and cannot be read, by `namespace/name`; an empty name is one that cannot be read either. */
  readonly unreadable: ReadonlySet<string>
  /** 0 while the watch is connected, else seconds since the server last told of the objects. */
  readonly staleSeconds: number
  /** For people: whether this copy can be believed, and if not, why and what to do. Named after the resource. */
  condition(staleSecondsMax: number): Condition
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
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
  readonly delay?: Delay
  readonly random?: () => number
  /**
   * A watch that is silent for longer is taken for lost: so long may a hung one go unnoticed. The server is asked to
   * end each watch somewhat earlier, because its bookmarks come too seldom to tell. 75 unless told.
   */
  readonly idleSeconds?: number
  /** An object of which more would have to be kept is unreadable; 64 KiB unless told. */
  readonly keptBytesMax?: number
  /** Called each time that something is told of an object that cannot be read: it is not in the copy, and may be there or not. */
  readonly onUnreadable?: () => void
}

const backoff = { baseSeconds: 0.5, maxSeconds: 30 }
const idleSecondsDefault = 75
/** A server that ends so many watches at once may not know the resource version any more. */
const failuresBeforeList = 5
/** A watch that lasted so long was a good one, even without an event; so was one that lasted for half of its idle time. */
const steadyMilliseconds = 10_000

class ListWatch<T extends KubernetesObject> implements Informer<T> {
  readonly synced: Promise<void>
  readonly #options: InformerOptions<T>
  readonly #clock: () => number
  readonly #delay: Delay
  readonly #random: () => number
  readonly #store = new ObjectStore<T>()
  readonly #unreadable: UnreadableObjects
  readonly #listeners = new Set<(event: ObjectEvent<T>) => void>()
  readonly #closing = new AbortController()
  readonly #done: Promise<void>
  readonly #pageSize = new PageSize()
  readonly #freshness: Freshness
  #resolveSynced: () => void = () => {}
  #hasSynced = false
  /** The point in time that the store reflects; undefined: only a list can tell. */
  #resourceVersion: string | undefined
  #listedAt = Number.NEGATIVE_INFINITY
  /** In a row. Neither a list nor an accepted watch ends the row: only what a watch tells, or one that stood for its time. */
  #failures = 0
  #trouble: string | undefined

  constructor(options: InformerOptions<T>) {
    this.#options = options
    this.#clock = options.clock ?? (() => performance.now())
    this.#delay = options.delay ?? realDelay
    this.#random = options.random ?? Math.random
    this.#freshness = new Freshness(this.#clock)
    this.#unreadable = new UnreadableObjects({ ...options, plural: options.resource.plural })
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

  get unreadable(): ReadonlySet<string> {
    return this.#unreadable.keys
  }

  get staleSeconds(): number {
    return this.#freshness.staleSeconds
  }

  condition(staleSecondsMax: number): Condition {
    const name = this.#options.resource.plural
    if (!this.#hasSynced) {
      return { name, ok: false, reason: this.#trouble ?? 'the first list has not come yet' }
    }
    if (this.staleSeconds > staleSecondsMax) {
      return { name, ok: false, reason: `not followed: ${this.#trouble ?? 'the watch is silent'}` }
    }
    return { name, ok: true, reason: this.#unreadable.summary ?? 'followed' }
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
        // Of an object without a readable name no event tells that it is gone: only a list does.
        if (this.#failures >= failuresBeforeList || this.#unreadable.keys.has('')) {
          this.#resourceVersion = undefined
        }
      } catch (error) {
        if (signal.aborted) return
        await this.#recover(error)
      }
    }
  }

  async #recover(error: unknown): Promise<void> {
    const { log, resource } = this.#options
    this.#failures += 1
    const cause = watchFailure(error)
    if (needsList(error, this.#failures)) this.#resourceVersion = undefined
    this.#trouble = explainFailure(error, resource)
    this.#countRestart(cause)
    const fields = { resource: resource.plural, cause, failures: this.#failures, error }
    // An expired resource version is the protocol at work: nothing to tell, and nothing to wait for unless it comes often.
    const seldom = this.#clock() - this.#listedAt >= steadyMilliseconds
    if (cause === 'expired' && this.#failures === 1 && seldom) {
      return log.debug(fields, 'watch restarts')
    }
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
    const { client, resource, keptBytesMax = keptBytesMaxDefault } = this.#options
    const options = { ...this.#scope(), pageSize: this.#pageSize, keptBytesMax }
    const { readings, resourceVersion } = await listPages(client, resource, options)
    const objects = readings.flatMap((reading) => ('object' in reading ? [reading.object] : []))
    const unreadable = readings.flatMap((reading) =>
      'object' in reading ? [] : [reading.unreadable],
    )
    this.#resourceVersion = resourceVersion
    this.#listedAt = this.#clock()
    this.#freshness.told()
    const unsure = this.#unreadable.replace(unreadable)
    this.#emit(this.#store.replace(objects))
    if (unsure) this.#options.onUnreadable?.()
    this.#hasSynced = true
    this.#resolveSynced()
  }

  async #watch(): Promise<void> {
    const { client, resource, idleSeconds = idleSecondsDefault } = this.#options
    const openedAt = this.#clock()
    const steady = Math.min(steadyMilliseconds, idleSeconds * 500)
    const isSteady = (): boolean => this.#clock() - openedAt >= steady
    const seconds = Math.ceil(idleSeconds * (0.6 + this.#random() / 5))
    // A quiet watch after a failure proves itself by its end in time: that should not take long.
    const provedSeconds = Math.ceil(steady / 1000) + 1
    try {
      const events = watchRaw(client, resource, {
        ...this.#scope(),
        resourceVersion: this.#resourceVersion ?? '',
        timeoutSeconds: this.#freshness.proven ? seconds : Math.min(seconds, provedSeconds),
        idleSeconds,
        onOpen: () => this.#freshness.opened(),
      })
      for await (const event of events) {
        this.#apply(event)
        this.#freshness.told()
        this.#wentWell()
      }
      this.#freshness.ended(isSteady())
      if (isSteady()) this.#wentWell()
      else this.#failures += 1
    } catch (error) {
      this.#freshness.lost(isSilence(error) || error instanceof ApiError)
      if (isSteady()) this.#failures = 0
      throw error
    }
  }

  #wentWell(): void {
    this.#failures = 0
    this.#trouble = undefined
  }

  #scope(): ListOptions & { readonly signal: AbortSignal } {
    const { namespace, fieldSelector, labelSelector } = this.#options
    return { signal: this.#closing.signal, namespace, fieldSelector, labelSelector }
  }

  #apply(line: JsonLine): void {
    const { resource, keptBytesMax = keptBytesMaxDefault } = this.#options
    if ('tooLong' in line) return this.#applyLong(line)
    if ('malformed' in line) return this.#unplaced(line.malformed)
    const event = parseWatchEvent(line.value)
    if (event === undefined) return this.#unplaced()
    if (event.type === 'ERROR') {
      const status = (event.object as { code?: unknown } | undefined)?.code
      // Whatever it says, nobody knows what it kept back: only a new list does.
      this.#resourceVersion = undefined
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
    const reading = readRaw(resource, event.object, { bytes: line.bytes, keptBytesMax })
    if (event.type === 'DELETED') {
      if (this.#unreadable.clear(objectKey(event))) this.#options.onUnreadable?.()
      this.#emit(this.#store.remove(event, 'object' in reading ? reading.object : undefined))
    } else if ('object' in reading) {
      this.#unreadable.clear(objectKey(event))
      this.#emit(this.#store.put(reading.object))
    } else {
      this.#forget(reading.unreadable)
    }
    this.#resourceVersion = event.resourceVersion ?? this.#resourceVersion
  }

  #applyLong(line: LongLine): void {
    const { unreadable } = tooLong(line.tooLong, line.bytes)
    if (unreadable.key === '') return this.#unplaced()
    if (!line.tooLong.startsWith('{"type":"DELETED"')) return this.#forget(unreadable)
    this.#unreadable.clear(unreadable.key)
    this.#emit(this.#store.forget(unreadable.key))
    this.#options.onUnreadable?.()
  }

  /** Nobody knows of what the line told: only a new list does. */
  #unplaced(excerpt?: string): void {
    const { resource, log, metrics } = this.#options
    metrics.count('countersign_watch_malformed_total', { resource: resource.plural })
    log.warn({ resource: resource.plural, excerpt }, 'malformed line in a watch')
    throw new CountersignError(
      'kubernetes/answer',
      `WATCH ${resource.plural}: line: want=event got=other`,
    )
  }

  /** What was known before may have changed in any way: it is not the state of the object any more. */
  #forget(unreadable: Unreadable): void {
    this.#unreadable.note(unreadable)
    this.#emit(this.#store.forget(unreadable.key))
    this.#options.onUnreadable?.()
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
