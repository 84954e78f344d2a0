import { CountersignError } from '../errors.ts'
import type { Log } from '../log.ts'
import { backoffMilliseconds, realDelay, type BackoffConfig, type Delay } from './backoff.ts'
import { DueHeap } from './due-heap.ts'
import { FairLane } from './fair-lane.ts'

export interface AddOptions {
  /** Not before so many seconds from now; an earlier time that is set already stays. */
  readonly afterSeconds?: number
  /** Goes before what is not, three times of four. */
  readonly urgent?: boolean
}

/**
 * Keys to be worked on. A key is in the queue once however often it is added, is never worked on twice at once, and
 * is worked on again when it was added meanwhile. Work that throws is repeated with back-off, for ever.
 */
export interface WorkQueue {
  add(key: string, options?: AddOptions): void
  /** Drops what is planned for the key; work that runs goes on. */
  forget(key: string): void
  /** Keys that wait, those with a later time included, and keys that are worked on. */
  readonly depth: number
  /** Aborts the signal of running work, waits for it, and starts no more. */
  close(): Promise<void>
}

export interface WorkQueueOptions {
  /** Answers when the key is to be worked on again; nothing: not until it is added. */
  readonly work: (key: string, signal: AbortSignal) => Promise<void | { againSeconds: number }>
  readonly concurrency: number
  readonly backoff: BackoffConfig
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
  readonly random: () => number
  readonly delay?: Delay
  readonly log: Log
  /** The groups of a key, from the outermost, which take turns with the others beside them; unless told, all are one group. */
  readonly groupsOf?: (key: string) => readonly string[]
}

/** While both wait, so many urgent keys go before one that is not: neither kind can keep the other waiting for ever. */
const urgentTurnsMax = 3

interface Planned {
  readonly key: string
  readonly dueAt: number
  readonly urgent: boolean
}

interface Alarm {
  readonly dueAt: number
  readonly controller: AbortController
}

class KeyedQueue implements WorkQueue {
  readonly #options: WorkQueueOptions
  readonly #clock: () => number
  readonly #delay: Delay
  readonly #urgent: FairLane
  readonly #normal: FairLane
  /** Urgent keys taken in a row while others waited. */
  #urgentTurns = 0
  /** Keys with a later time. What the heap holds beside these has been superseded. */
  readonly #planned = new Map<string, Planned>()
  readonly #due = new DueHeap<Planned>()
  /** Set for the earliest plan: one timer, however many keys wait. */
  #alarm: Alarm | undefined
  /** Keys in work, and what was added to them meanwhile. */
  readonly #running = new Map<string, AddOptions | undefined>()
  readonly #failures = new Map<string, number>()
  readonly #closing = new AbortController()
  readonly #works = new Set<Promise<void>>()

  constructor(options: WorkQueueOptions) {
    const groupsOf = options.groupsOf ?? (() => [])
    this.#options = options
    this.#clock = options.clock ?? (() => performance.now())
    this.#delay = options.delay ?? realDelay
    this.#urgent = new FairLane(groupsOf)
    this.#normal = new FairLane(groupsOf)
  }

  get depth(): number {
    return this.#urgent.size + this.#normal.size + this.#planned.size + this.#running.size
  }

  add(key: string, options: AddOptions = {}): void {
    if (this.#closing.signal.aborted) return
    if (this.#running.has(key)) {
      this.#running.set(key, soonest(this.#running.get(key), options))
      return
    }
    const afterSeconds = options.afterSeconds ?? 0
    if (afterSeconds > 0) this.#plan(key, afterSeconds * 1000, options.urgent === true)
    else this.#makeReady(key, options.urgent === true)
  }

  forget(key: string): void {
    this.#planned.delete(key)
    this.#urgent.delete(key)
    this.#normal.delete(key)
    this.#failures.delete(key)
    if (this.#running.has(key)) this.#running.set(key, undefined)
  }

  async close(): Promise<void> {
    this.#closing.abort(new CountersignError('kubernetes/closed', 'work queue is closed'))
    this.#alarm?.controller.abort()
    this.#planned.clear()
    this.#due.clear()
    this.#urgent.clear()
    this.#normal.clear()
    await Promise.all(this.#works)
  }

  #plan(key: string, milliseconds: number, urgent: boolean): void {
    if (this.#urgent.has(key) || this.#normal.has(key)) return
    const dueAt = this.#clock() + milliseconds
    const known = this.#planned.get(key)
    if (known !== undefined && known.dueAt <= dueAt) return
    const planned: Planned = { key, dueAt, urgent }
    this.#planned.set(key, planned)
    this.#due.push(planned)
    this.#setAlarm()
  }

  #setAlarm(): void {
    const next = this.#due.peek()
    if (next === undefined || (this.#alarm !== undefined && this.#alarm.dueAt <= next.dueAt)) return
    this.#alarm?.controller.abort()
    const alarm: Alarm = { dueAt: next.dueAt, controller: new AbortController() }
    this.#alarm = alarm
    const milliseconds = Math.max(0, next.dueAt - this.#clock())
    void this.#delay(milliseconds, alarm.controller.signal).then(
      () => this.#ring(alarm),
      () => {},
    )
  }

  #ring(alarm: Alarm): void {
    if (this.#alarm !== alarm) return
    this.#alarm = undefined
    // A timer may be a little early for the clock: what the alarm was for is due.
    const now = Math.max(this.#clock(), alarm.dueAt)
    for (let next = this.#due.peek(); next !== undefined; next = this.#due.peek()) {
      if (next.dueAt > now) break
      this.#due.pop()
      if (this.#planned.get(next.key) === next) this.#makeReady(next.key, next.urgent)
    }
    this.#setAlarm()
  }

  #makeReady(key: string, urgent: boolean): void {
    this.#planned.delete(key)
    if (urgent) {
      this.#normal.delete(key)
      this.#urgent.add(key)
    } else if (!this.#urgent.has(key)) {
      this.#normal.add(key)
    }
    this.#startWork()
  }

  #startWork(): void {
    while (this.#running.size < this.#options.concurrency && !this.#closing.signal.aborted) {
      const taken = this.#take()
      if (taken === undefined) return
      this.#running.set(taken.key, undefined)
      const work = this.#workOn(taken.key, taken.urgent)
      this.#works.add(work)
      void work.finally(() => this.#works.delete(work))
    }
  }

  #take(): { readonly key: string; readonly urgent: boolean } | undefined {
    const waits = this.#normal.size > 0
    const key = waits && this.#urgentTurns >= urgentTurnsMax ? undefined : this.#urgent.take()
    if (key !== undefined) {
      this.#urgentTurns = waits ? this.#urgentTurns + 1 : 0
      return { key, urgent: true }
    }
    this.#urgentTurns = 0
    const other = this.#normal.take()
    return other === undefined ? undefined : { key: other, urgent: false }
  }

  /** Never rejects. What was urgent stays so when it is repeated. */
  async #workOn(key: string, urgent: boolean): Promise<void> {
    const { signal } = this.#closing
    let again: AddOptions | undefined
    try {
      // Started by `add`, whose caller must not run into the work's own code.
      await Promise.resolve()
      const answer = await this.#options.work(key, signal)
      this.#failures.delete(key)
      if (answer !== undefined) again = { afterSeconds: answer.againSeconds, urgent }
    } catch (error) {
      if (!signal.aborted) again = { afterSeconds: this.#failed(key, error), urgent }
    }
    const added = this.#running.get(key)
    this.#running.delete(key)
    const next = added === undefined ? again : soonest(again, added)
    if (next !== undefined) this.add(key, next)
    this.#startWork()
  }

  /** Seconds to wait. */
  #failed(key: string, error: unknown): number {
    const failures = (this.#failures.get(key) ?? 0) + 1
    this.#failures.set(key, failures)
    const { backoff, random, log } = this.#options
    log.warn({ key, failures, error }, 'work is repeated')
    return backoffMilliseconds(backoff, failures, random) / 1000
  }
}

function soonest(one: AddOptions | undefined, other: AddOptions): AddOptions {
  if (one === undefined) return other
  return {
    afterSeconds: Math.min(one.afterSeconds ?? 0, other.afterSeconds ?? 0),
    urgent: one.urgent === true || other.urgent === true,
  }
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  return new KeyedQueue(options)
}
