import { setTimeout as after } from 'node:timers/promises'
import { CountersignError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { unpackBundle } from './bundle-archive.ts'
import { sentOctetsMax, type BundleContent } from './bundle-content.ts'
import { BundleServiceError } from './bundle-exchange.ts'
import type { BundleAnswer, BundleService } from './bundle-service.ts'
import type { BundleTimes } from './bundle-status.ts'
import type { BundleStore } from './bundle-store.ts'
import { EarlyBundleError, type BundleTrust } from './bundle-trust.ts'
import { retryPauseMilliseconds } from './retry-pause.ts'

/** How often a server is asked, in OPA's own words. */
export interface Polling {
  readonly minDelaySeconds: number
  readonly maxDelaySeconds: number
  /** Asks the server to hold the request so long; periodic alone when absent. */
  readonly longPollingTimeoutSeconds?: number | undefined
}

/** What bundles are offered to: it judges them, and keeps the last good one in force. */
export interface BundleTaker {
  /** Resolves when it is decided. */
  offer(content: BundleContent): Promise<void>
  isInForce(content: BundleContent): boolean
  /** Why what was offered last is not in force. */
  problem(): Error | undefined
}

export interface FollowerOptions {
  readonly service: BundleService
  readonly store: BundleStore
  readonly polling: Polling
  readonly taker: BundleTaker
  readonly trust: BundleTrust
  readonly now: () => number
  /** Milliseconds of a monotonic clock. */
  readonly elapsed?: () => number
  readonly random?: () => number
  readonly delay?: ((milliseconds: number, signal: AbortSignal) => Promise<unknown>) | undefined
  readonly log: Log
  readonly metrics: Metrics
}

export interface BundleFollower extends AsyncDisposable {
  /** Asks once, for what there is at that moment, and offers what comes. Never throws. */
  poll(): Promise<void>
  /** Asks again and again from now on. */
  start(): void
  /** Looks whether what was offered has come into force, and keeps it. */
  settle(): void
  /** Asks no more; disposal waits for what it does at that moment. */
  end(): void
  readonly problem: Error | undefined
  readonly times: Readonly<BundleTimes>
}

/** Between two bundles that are new, of a server that should hold requests. */
const takenMilliseconds = 5000

/** A bundle as it was offered. */
interface Offered {
  readonly content: BundleContent
  readonly archive: Buffer
  readonly issuedAt: number | undefined
  /** As the server has named it last. */
  etag: string | undefined
}

/**
 * What a poll came to: no answer that counts, a bundle that is refused, one that is in force now, or nothing new, which may have taken as
 * long as the server was asked to wait.
 */
type Outcome = 'failed' | 'refused' | 'taken' | 'unchanged' | 'held'

/**
 * Opens with the last good bundle of the disk, which is offered like a download, and follows the server. What is not taken leaves the one in
 * force where it is, and is asked for again: the ETag is that of the bundle in force, so that a bad one is never held for known.
 */
export async function openBundleFollower(options: FollowerOptions): Promise<BundleFollower> {
  const follower = new OpenFollower(options)
  await follower.open()
  return follower
}

class OpenFollower implements BundleFollower {
  readonly #options: FollowerOptions
  readonly #closed = new AbortController()
  readonly times: BundleTimes = {}
  #offered: Offered | undefined
  /** What was in force when it was looked last: a server that is behind, and says that we have what it has, means another one. */
  #good: Offered | undefined
  /** Digest of what is on disk. */
  #kept: string | undefined
  #problem: Error | undefined
  /** Why what is in force is not on disk. */
  #unkept: Error | undefined
  /** What is on disk was refused by the time alone. */
  #isEarly = false
  #loop: Promise<void> = Promise.resolve()
  #keeping: Promise<void> = Promise.resolve()

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  get problem(): Error | undefined {
    return this.#problem ?? this.#unkept
  }

  async open(): Promise<void> {
    try {
      await this.#begin()
    } catch (error) {
      this.#isEarly = error instanceof EarlyBundleError
      this.#fail(error)
    }
  }

  async #begin(): Promise<void> {
    const { store, trust, log } = this.#options
    const archive = await store.read()
    if (archive === undefined) return
    const content = await unpackBundle(archive, sentOctetsMax)
    this.#kept = content.digest
    const admission = trust.admit(content)
    // It was in force: nothing older is taken, though it should have no luck with its test this time.
    admission.accepted()
    await this.#offer({ content, archive, issuedAt: admission.issuedAt, etag: undefined })
    log.info({ digest: content.digest }, 'policy begins with the last good bundle of the disk')
  }

  /** A node may come up with a clock that is behind: what is kept is from a time to come until that is put right. */
  async #beginAgain(): Promise<void> {
    if (!this.#isEarly || this.#good !== undefined) return
    this.#isEarly = false
    try {
      await this.#begin()
    } catch (error) {
      this.#isEarly = error instanceof EarlyBundleError
    }
  }

  start(): void {
    this.#loop = this.#follow()
  }

  async poll(): Promise<void> {
    await this.#poll(undefined)
  }

  settle(): void {
    this.#look(this.#offered)
    void this.#keep()
  }

  end(): void {
    this.#closed.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end()
    await this.#loop
    await this.#keeping
  }

  async #follow(): Promise<void> {
    const { delay = wait, polling, elapsed = () => performance.now() } = this.#options
    const { signal } = this.#closed
    let failures = 0
    while (!signal.aborted) {
      const begun = elapsed()
      const outcome = await this.#poll(polling.longPollingTimeoutSeconds)
      failures = outcome === 'failed' ? failures + 1 : 0
      try {
        await delay(this.#pauseAfter(outcome, { failures, took: elapsed() - begun }), signal)
      } catch {
        return
      }
    }
  }

  async #poll(waitSeconds: number | undefined): Promise<Outcome> {
    const { service, now, elapsed = () => performance.now() } = this.#options
    const { signal } = this.#closed
    await this.#beginAgain()
    const begun = elapsed()
    this.times.lastRequest = now()
    this.#look(this.#offered)
    try {
      const answer = await service.ask({ etag: this.#good?.etag, waitSeconds, signal })
      this.times.lastSuccessfulRequest = now()
      this.#look(this.#offered)
      const isNew = await (answer.kind === 'bundle' ? this.#take(answer) : this.#stay())
      this.#succeed(answer.kind)
      if (isNew) return answer.isLongPoll ? 'taken' : 'unchanged'
      // A server that answers sooner holds nothing, whatever it says of itself.
      const isHeld = waitSeconds !== undefined && elapsed() - begun >= waitSeconds * 500
      return isHeld ? 'held' : 'unchanged'
    } catch (error) {
      if (!signal.aborted) this.#fail(error)
      return error instanceof BundleServiceError ? 'failed' : 'refused'
    } finally {
      await this.#keep()
    }
  }

  #pauseAfter(
    outcome: Outcome,
    { failures, took }: { readonly failures: number; readonly took: number },
  ): number {
    const { polling, random = Math.random } = this.#options
    const [min, max] = [polling.minDelaySeconds * 1000, polling.maxDelaySeconds * 1000]
    if (outcome === 'failed') {
      return retryPauseMilliseconds(failures, { millisecondsMax: max, random })
    }
    // What is refused is large, and does not get better by being asked for: its author is waited for as others are.
    const isWaited = outcome === 'unchanged' || outcome === 'refused'
    if (isWaited) return min + (max - min) * random()
    // One new bundle after the other costs a test each.
    return outcome === 'taken' ? Math.max(0, Math.min(min, takenMilliseconds) - took) : 0
  }

  /** The server has the bundle in force: what was offered since is not wanted any more. */
  async #stay(): Promise<boolean> {
    if (this.#good !== undefined && this.#offered !== this.#good) await this.#offer(this.#good)
    return false
  }

  /** Whether it is another one than before. Throws why it is not taken. */
  async #take(answer: Extract<BundleAnswer, { readonly kind: 'bundle' }>): Promise<boolean> {
    const { archive, etag } = answer
    this.times.lastSuccessfulDownload = this.#options.now()
    this.times.size = archive.length
    const content = await unpackBundle(archive, sentOctetsMax)
    const isNew = content.digest !== this.#offered?.content.digest
    const isBack = content.digest === this.#good?.content.digest
    if (isNew && isBack) await this.#stay()
    else if (isNew) {
      // Nothing is kept in memory of what nobody has signed.
      const { issuedAt } = this.#options.trust.admit(content)
      await this.#offer({ content, archive, issuedAt, etag })
    }
    // What was refused stays so, unless it had no luck alone and was tried again meanwhile.
    else this.#settle()
    if (this.#good !== undefined) this.#good.etag = etag
    return isNew
  }

  async #offer(offered: Offered): Promise<void> {
    const before = this.#offered
    this.#offered = offered
    await this.#options.taker.offer(offered.content)
    // What was offered before may have been tried once more, and have come first.
    this.#look(before)
    this.#settle()
  }

  #settle(): void {
    const { taker } = this.#options
    const offered = this.#offered
    this.#look(offered)
    if (offered === undefined || !taker.isInForce(offered.content)) {
      throw taker.problem() ?? new CountersignError('policy/bundle', 'bundle is not in force')
    }
  }

  /** What had no luck is tried again without us: it may have come into force at any time. */
  #look(offered: Offered | undefined): void {
    const { taker, now } = this.#options
    if (offered === undefined || offered === this.#good) return
    if (!taker.isInForce(offered.content)) return
    this.#good = offered
    this.times.lastSuccessfulActivation = now()
  }

  /** One at a time: whoever is last keeps what is in force then. */
  #keep(): Promise<void> {
    this.#keeping = this.#keeping.then(() => this.#keepGood())
    return this.#keeping
  }

  /** A disk that is full stops no bundle; it is tried again each time. */
  async #keepGood(): Promise<void> {
    const { store, log } = this.#options
    const good = this.#good
    if (good === undefined || this.#kept === good.content.digest) return
    try {
      if (!(await this.#isOutdone(good))) await store.write(good.archive)
      this.#kept = good.content.digest
      this.#unkept = undefined
    } catch (error) {
      const failure = error as Error
      if (failure.message !== this.#unkept?.message) {
        log.warn({ error }, 'bundle is in force, and not kept on disk')
      }
      this.#unkept = failure
    }
  }

  /** Another worker of the gateway may be ahead of us; what cannot be verified is replaced. */
  async #isOutdone({ archive, issuedAt = 0 }: Offered): Promise<boolean> {
    const { store, trust } = this.#options
    try {
      const kept = await store.read()
      if (kept === undefined) return false
      if (kept.equals(archive)) return true
      const { issuedAt: other = 0 } = trust.admit(await unpackBundle(kept, sentOctetsMax))
      return other > issuedAt
    } catch {
      return false
    }
  }

  #succeed(kind: BundleAnswer['kind']): void {
    const { metrics, log } = this.#options
    metrics.count('countersign_policy_bundle_requests_total', { outcome: kind })
    if (this.#problem !== undefined) log.info({}, 'bundle server is followed again')
    this.#problem = undefined
  }

  #fail(error: unknown): void {
    const { metrics, log } = this.#options
    const outcome = error instanceof BundleServiceError ? 'failed' : 'refused'
    metrics.count('countersign_policy_bundle_requests_total', { outcome })
    const failure = error instanceof Error ? error : new Error(String(error))
    if (failure.message !== this.#problem?.message) {
      log.warn({ error }, 'bundle server gives no good bundle, the last good one stays in force')
    }
    this.#problem = failure
  }
}

function wait(milliseconds: number, signal: AbortSignal): Promise<unknown> {
  return after(milliseconds, undefined, { signal, ref: false })
}
