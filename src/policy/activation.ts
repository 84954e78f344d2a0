import { setTimeout as after } from 'node:timers/promises'
import { CountersignError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { DataDocument } from './data-document.ts'
import type { PolicyEngine } from './engine.ts'

/** What a policy is made of, as it was last offered. `B` is a bundle. */
interface Offer<B> {
  readonly bundle: B
  readonly documents: readonly DataDocument[]
}

type Part = 'bundle' | 'data'

/** The policy in force: the last bundle and the last data that passed everything. */
export interface Activation<B> extends AsyncDisposable {
  /** Another one only between two evaluations. */
  current(): PolicyEngine
  /** Resolves when it is decided on, and never throws: what is not taken is a problem. */
  offerBundle(bundle: B): Promise<void>
  offerDocuments(documents: readonly DataDocument[]): Promise<void>
  /** Why what was offered last is not in force. */
  problem(part: Part): Error | undefined
  /** The bundle in force, and since when. */
  active(): { readonly bundle: B; readonly at: number }
}

export interface ActivationOptions<B> {
  /** Everything that a policy must pass before it is in force. Throws `policy/…`. */
  readonly prepare: (offer: Offer<B>) => Promise<PolicyEngine>
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly delay?: (milliseconds: number) => Promise<unknown>
}

/** A test that ran out of time or memory may have been in bad company: it is tried again, ever less often. */
const retryMillisecondsMin = 10_000
const retryMillisecondsMax = 300_000

function unhurried(milliseconds: number): Promise<unknown> {
  return after(milliseconds, undefined, { ref: false })
}

/** Opens with what must be good. Throws what `prepare` throws. */
export async function openActivation<B>(
  offer: Offer<B>,
  options: ActivationOptions<B>,
): Promise<Activation<B>> {
  const engine = await options.prepare(offer)
  return new OpenActivation({ ...offer, engine }, options)
}

type Good<B> = Offer<B> & { readonly engine: PolicyEngine }

class OpenActivation<B> implements Activation<B> {
  readonly #options: ActivationOptions<B>
  /** In force. Changed as a whole, in one turn. */
  #good: Good<B>
  #at: number
  /** As offered last. */
  #newest: Offer<B>
  readonly #problems = new Map<Part, Error>()
  #work: Promise<void> = Promise.resolve()
  #retryMilliseconds = retryMillisecondsMin
  #closed = false

  constructor(good: Good<B>, options: ActivationOptions<B>) {
    this.#good = good
    this.#at = options.now()
    this.#newest = { bundle: good.bundle, documents: good.documents }
    this.#options = options
  }

  current(): PolicyEngine {
    return this.#good.engine
  }

  active(): { readonly bundle: B; readonly at: number } {
    return { bundle: this.#good.bundle, at: this.#at }
  }

  problem(part: Part): Error | undefined {
    return this.#problems.get(part)
  }

  offerBundle(bundle: B): Promise<void> {
    this.#newest = { ...this.#newest, bundle }
    return this.#activate('bundle')
  }

  offerDocuments(documents: readonly DataDocument[]): Promise<void> {
    this.#newest = { ...this.#newest, documents }
    return this.#activate('data')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#work
  }

  /** One after the other: what was offered earlier never replaces what was offered later. */
  #activate(part: Part): Promise<void> {
    this.#work = this.#work.then(() => (this.#closed ? undefined : this.#try(part)))
    return this.#work
  }

  /** The newest of both, or else the newest of one with the last good of the other: neither holds the other up. */
  async #try(part: Part): Promise<void> {
    const { bundle, documents } = this.#newest
    const good = this.#good
    const offers = [
      { bundle, documents },
      { bundle, documents: good.documents },
      { bundle: good.bundle, documents },
    ]
    let failure: Error | undefined
    for (const [index, offer] of offers.entries()) {
      const isNow = offer.bundle === good.bundle && offer.documents === good.documents
      const isTried = offers.slice(0, index).some((each) => isSame(each, offer))
      if (isTried) continue
      if (isNow) break
      try {
        this.#take({ ...offer, engine: await this.#options.prepare(offer) })
        break
      } catch (error) {
        failure ??= error instanceof Error ? error : new Error(String(error))
      }
    }
    this.#tell(part, failure)
  }

  #take(good: Good<B>): void {
    this.#good = good
    this.#at = this.#options.now()
    const { revision, digest } = good.engine
    this.#options.log.info({ revision, digest }, 'policy is in force')
  }

  #tell(offered: Part, failure: Error | undefined): void {
    const { log, metrics } = this.#options
    const isTaken = {
      bundle: this.#newest.bundle === this.#good.bundle,
      data: this.#newest.documents === this.#good.documents,
    }
    for (const part of ['bundle', 'data'] as const) {
      if (isTaken[part]) this.#problems.delete(part)
      else if (failure !== undefined) this.#problems.set(part, failure)
    }
    const outcome = isTaken[offered] ? 'taken' : 'refused'
    metrics.count('countersign_policy_reloads_total', { source: offered, outcome })
    if (failure === undefined) this.#retryMilliseconds = retryMillisecondsMin
    if (isTaken[offered] || failure === undefined) return
    const stays = `${offered} is not taken, the last good one stays in force`
    log.warn({ error: failure, revision: this.#good.engine.revision }, stays)
    if (failure instanceof CountersignError && failure.code === 'policy/test') this.#again(offered)
  }

  #again(part: Part): void {
    const { delay = unhurried } = this.#options
    const refused = this.#newest
    const milliseconds = this.#retryMilliseconds
    this.#retryMilliseconds = Math.min(2 * milliseconds, retryMillisecondsMax)
    void delay(milliseconds).then(() => {
      if (!this.#closed && this.#newest === refused) void this.#activate(part)
    })
  }
}

function isSame(a: Offer<unknown>, b: Offer<unknown>): boolean {
  return a.bundle === b.bundle && a.documents === b.documents
}
