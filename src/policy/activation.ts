import { setTimeout as after } from 'node:timers/promises'
import { CountersignError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { DataDocument } from './data-document.ts'
import type { PolicyEngine, PolicyName } from './engine.ts'

/** What a policy is made of, as it was last offered. `B` is a bundle. */
interface Offer<B> {
  readonly bundle: B
  readonly documents: readonly DataDocument[]
}

type Part = 'bundle' | 'data'

/** The policy in force: the last bundle and the last data that passed everything. */
export interface Activation<B, E extends PolicyName = PolicyEngine> extends AsyncDisposable {
  /** Another one only between two evaluations. */
  current(): E
  /** Resolves when it is decided on, and never throws: what is not taken is a problem. */
  offerBundle(bundle: B): Promise<void>
  offerDocuments(documents: readonly DataDocument[]): Promise<void>
  /** Why what was offered last is not in force. */
  problem(part: Part): Error | undefined
  /** What is in force, and since when. */
  active(): Offer<B> & { readonly at: number }
}

export interface ActivationOptions<B, E extends PolicyName = PolicyEngine> {
  /** Everything that a policy must pass before it is in force, until nobody wants to know any more. Throws `policy/…`. */
  readonly prepare: (offer: Offer<B>, signal: AbortSignal) => Promise<E>
  /** Told after each change of what is in force. */
  readonly onTaken?: () => void
  readonly now: () => number
  /** Milliseconds of a monotonic clock. */
  readonly elapsed?: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly delay?: (milliseconds: number) => Promise<unknown>
  /** Ends the first test, which nobody waits for any more. */
  readonly signal?: AbortSignal | undefined
}

/** A test that ran out of time or memory may have been in bad company: it is tried again, ever less often. */
const retryMillisecondsMin = 10_000
const retryMillisecondsMax = 300_000

function unhurried(milliseconds: number): Promise<unknown> {
  return after(milliseconds, undefined, { ref: false })
}

/** Opens with what must be good. Throws what `prepare` throws. */
export async function openActivation<B, E extends PolicyName = PolicyEngine>(
  offer: Offer<B>,
  options: ActivationOptions<B, E>,
): Promise<Activation<B, E>> {
  const engine = await options.prepare(offer, options.signal ?? new AbortController().signal)
  return new OpenActivation({ ...offer, engine }, options)
}

type Good<B, E> = Offer<B> & { readonly engine: E }

class OpenActivation<B, E extends PolicyName> implements Activation<B, E> {
  readonly #options: ActivationOptions<B, E>
  /** In force. Changed as a whole, in one turn. */
  #good: Good<B, E>
  #at: number
  /** As offered last. */
  #newest: Offer<B>
  readonly #problems = new Map<Part, Error>()
  #work: Promise<void> = Promise.resolve()
  #retryMilliseconds = retryMillisecondsMin
  /** Parts that wait for another try. */
  readonly #waiting = new Set<Part>()
  readonly #closed = new AbortController()
  /** Data with the bundle in force is tried once, whoever asks. */
  #dataTry: (Offer<B> & { readonly failure: Promise<Error | undefined> }) | undefined

  constructor(good: Good<B, E>, options: ActivationOptions<B, E>) {
    this.#good = good
    this.#at = options.now()
    this.#newest = { bundle: good.bundle, documents: good.documents }
    this.#options = options
  }

  current(): E {
    return this.#good.engine
  }

  active(): Offer<B> & { readonly at: number } {
    const { bundle, documents } = this.#good
    return { bundle, documents, at: this.#at }
  }

  problem(part: Part): Error | undefined {
    return this.#problems.get(part)
  }

  offerBundle(bundle: B): Promise<void> {
    this.#newest = { ...this.#newest, bundle }
    return this.#activate('bundle')
  }

  /** Tried at once with the bundle in force: what takes a grant away waits for no other bundle and its test. */
  offerDocuments(documents: readonly DataDocument[]): Promise<void> {
    this.#newest = { ...this.#newest, documents }
    void this.#tryData()
    return this.#activate('data')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    await this.#work
  }

  /** One after the other: what was offered earlier never replaces what was offered later. */
  #activate(part: Part): Promise<void> {
    const { elapsed = () => performance.now() } = this.#options
    const offered = elapsed()
    this.#work = this.#work.then(() => this.#try(part, () => (elapsed() - offered) / 1000))
    return this.#work
  }

  async #try(part: Part, waitedSeconds: () => number): Promise<void> {
    const data = await this.#tryData()
    const bundle = await this.#tryBundle()
    if (this.#closed.signal.aborted) return
    const outcome = this.#tell(part, { bundle, data })
    const labels = { source: part, outcome }
    this.#options.metrics.observe('countersign_policy_activation_seconds', waitedSeconds(), labels)
  }

  /** The newest data with the bundle in force. */
  #tryData(): Promise<Error | undefined> {
    const { bundle } = this.#good
    const { documents } = this.#newest
    if (documents === this.#good.documents) return Promise.resolve(undefined)
    if (this.#dataTry === undefined || !isSame(this.#dataTry, { bundle, documents })) {
      const failure = this.#prepare({ bundle, documents }, () => bundle === this.#good.bundle)
      this.#dataTry = { bundle, documents, failure }
      void failure.then((error) => {
        if (isUnlucky(error)) this.#dataTry = undefined
      })
    }
    return this.#dataTry.failure
  }

  /** The newest bundle with the newest data, or else with the last good: neither holds the other up. Data may change meanwhile. */
  async #tryBundle(): Promise<Error | undefined> {
    const { bundle } = this.#newest
    const tried: (readonly DataDocument[])[] = []
    let failure: Error | undefined
    while (bundle !== this.#good.bundle) {
      const newest = [this.#newest.documents, this.#good.documents]
      const documents = newest.find((each) => !tried.includes(each))
      if (documents === undefined) break
      tried.push(documents)
      const error = await this.#prepare({ bundle, documents }, () => true)
      failure ??= error
    }
    return failure
  }

  /** Takes what is good, unless something newer was taken meanwhile. */
  async #prepare(offer: Offer<B>, isWanted: () => boolean): Promise<Error | undefined> {
    const { signal } = this.#closed
    if (signal.aborted) return undefined
    try {
      const engine = await this.#options.prepare(offer, signal)
      const documents = [this.#newest.documents, this.#good.documents]
      if (!signal.aborted && documents.includes(offer.documents) && isWanted()) {
        this.#take({ ...offer, engine })
      }
      return undefined
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  #take(good: Good<B, E>): void {
    this.#good = good
    this.#at = this.#options.now()
    const { revision, digest } = good.engine
    this.#options.log.info({ revision, digest }, 'policy is in force')
    this.#options.onTaken?.()
  }

  #tell(offered: Part, failures: Readonly<Record<Part, Error | undefined>>): 'taken' | 'refused' {
    const { log, metrics } = this.#options
    const isTaken = {
      bundle: this.#newest.bundle === this.#good.bundle,
      data: this.#newest.documents === this.#good.documents,
    }
    if (isTaken.bundle && isTaken.data) this.#retryMilliseconds = retryMillisecondsMin
    for (const part of ['bundle', 'data'] as const) {
      const failure = failures[part]
      if (isTaken[part]) this.#problems.delete(part)
      else if (failure !== undefined) this.#problems.set(part, failure)
      // Whichever was offered: what only had no luck is tried again.
      if (!isTaken[part] && isUnlucky(failure)) this.#again(part)
    }
    const outcome = isTaken[offered] ? 'taken' : 'refused'
    metrics.count('countersign_policy_reloads_total', { source: offered, outcome })
    const failure = failures[offered]
    if (isTaken[offered] || failure === undefined) return outcome
    const stays = `${offered} is not taken, the last good one stays in force`
    log.warn({ error: failure, revision: this.#good.engine.revision }, stays)
    return outcome
  }

  #again(part: Part): void {
    if (this.#waiting.has(part)) return
    this.#waiting.add(part)
    const { delay = unhurried } = this.#options
    const milliseconds = this.#retryMilliseconds
    this.#retryMilliseconds = Math.min(2 * milliseconds, retryMillisecondsMax)
    void delay(milliseconds).then(() => {
      this.#waiting.delete(part)
      if (isUnlucky(this.#problems.get(part))) void this.#activate(part)
    })
  }
}

function isUnlucky(error: Error | undefined): boolean {
  return error instanceof CountersignError && error.code === 'policy/test'
}

function isSame(a: Offer<unknown>, b: Offer<unknown>): boolean {
  return a.bundle === b.bundle && a.documents === b.documents
}
