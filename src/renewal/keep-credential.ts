import { CountersignError } from '../errors.ts'
import { backoffMilliseconds, realDelay, type Delay } from '../kubernetes/backoff.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Condition } from '../readiness.ts'
import type { CredentialFolder } from './credential-folder.ts'
import { noneThere, standingOf, type CredentialSource, type Offered } from './credential-source.ts'
import { lastsAt, replaces, type Accepted, type Held } from './held.ts'

export interface KeeperOptions {
  /** The first is the one to use, each other one only while none before it gives a credential. One at least, and none twice. */
  readonly sources: readonly CredentialSource[]
  /** How long a source waits for those before it. */
  readonly fallBackSeconds: number
  readonly folder: CredentialFolder
  /** Whether a credential with these anchors is one to keep, both PEM. Throws why it is not. */
  readonly verify: (credentialBundle: string, trustBundle: string) => Accepted
  /** Of its life, after which another one is asked for: up to a tenth of it later, so that many agents spread. */
  readonly renewPercent: number
  /** Called after each change of the files. Nothing waits for what follows of it. */
  readonly changed: () => void
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
  readonly random?: () => number
  readonly delay?: Delay
}

export interface Keeper {
  /** Keeps a credential until the signal aborts; never rejects otherwise. With `once` until one is there that needs no renewal. */
  run(signal: AbortSignal, options?: { readonly once: boolean }): Promise<void>
  conditions(): readonly Condition[]
}

/** A refusal or a failure is no reason to ask again at once, nor to give up. */
const askBackoff = { baseSeconds: 5, maxSeconds: 600 }

/** Nobody is asked where something is followed. */
const lookBackoff = { baseSeconds: 1, maxSeconds: 15 }

/** How often it is looked whether the signer publishes other anchors, and what the clock says. */
const lookSeconds = 30

/** Between two certificates. */
const renewSecondsMin = 60

/** How it goes with one source. */
class Attempt {
  readonly source: CredentialSource
  readonly rank: number
  /** Why there is no newer one of it. */
  problem: string | undefined
  /** Since when it waits for its answer. */
  asked: string | undefined
  failures = 0

  constructor(source: CredentialSource, rank: number) {
    this.source = source
    this.rank = rank
  }
}

export function createKeeper(options: KeeperOptions): Keeper {
  return new CredentialKeeper(options)
}

class CredentialKeeper implements Keeper {
  readonly #options: KeeperOptions
  readonly #delay: Delay
  readonly #random: () => number
  readonly #attempts: readonly Attempt[]
  #held: Held | undefined
  #anchorProblem: string | undefined
  #turn = Promise.resolve()

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#delay = options.delay ?? realDelay
    this.#random = options.random ?? Math.random
    this.#attempts = options.sources.map((source, rank) => new Attempt(source, rank))
  }

  async run(signal: AbortSignal, { once = false } = {}): Promise<void> {
    const over = new AbortController()
    const both = AbortSignal.any([signal, over.signal])
    const untilOver = async (loop: Promise<void>): Promise<void> => {
      try {
        await loop
      } catch (error) {
        if (!both.aborted) throw error
      } finally {
        over.abort()
      }
    }
    this.#held = await this.#readHeld()
    this.#tellSource()
    const keeping = this.#attempts.map((each) => this.#keepRenewed(each, both, once))
    await Promise.all([...keeping, this.#keepCurrent(both)].map(untilOver))
  }

  async #keepRenewed(attempt: Attempt, signal: AbortSignal, once: boolean): Promise<void> {
    const { fallBackSeconds, now } = this.#options
    /** Since when there is none of a source before this one. */
    let lacking: number | undefined
    while (!signal.aborted) {
      const held = this.#held
      if (once && held !== undefined && now() < held.renewAt) return
      const isServed = held !== undefined && held.rank < attempt.rank && lastsAt(held, now())
      // A clock that was ahead, and is set back, is no reason to wait until then.
      lacking = isServed ? undefined : Math.min(lacking ?? now(), now())
      const patience = attempt.rank === 0 ? 0 : fallBackSeconds * 1000
      if (lacking === undefined) await this.#delay(lookSeconds * 1000, signal)
      else if (now() < lacking + patience) await this.#pause(lacking + patience, signal)
      else if (this.#isDue(attempt)) await this.#renew(attempt, signal)
      else await this.#pause(held?.renewAt ?? 0, signal)
    }
  }

  /** Beside a request, which may wait for a person: what is in force is measured, and has the anchors that are published, all the while. */
  async #keepCurrent(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#measure()
      await this.#delay(lookSeconds * 1000, signal)
      await this.#inTurn(() => this.#followAnchors(signal))
    }
  }

  /** One writes at a time, with what stands there when it is its turn. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => {})
    return result
  }

  conditions(): readonly Condition[] {
    const { now } = this.#options
    const notAfter = this.#held?.notAfter
    const next = this.#attempts.flatMap((each) => this.#saidOf(each))
    const why = next.length === 0 ? '' : `; the next one: ${next.join('; ')}`
    const isValid = notAfter !== undefined && now() < notAfter.getTime()
    const reason = isValid
      ? `valid until ${notAfter.toISOString()}${why}`
      : `${notAfter === undefined ? 'there is none yet' : `it ended at ${notAfter.toISOString()}`}${why}`
    return [
      { name: 'credential', ok: isValid, reason },
      {
        name: 'trust-bundle',
        ok: this.#anchorProblem === undefined,
        reason: this.#anchorProblem ?? 'as it is published',
        optional: isValid,
      },
      { name: 'source', ...this.#sourceState(), optional: true },
    ]
  }

  #saidOf({ source, problem, asked }: Attempt): readonly string[] {
    const of = this.#attempts.length > 1 ? `${source.name}: ` : ''
    return [problem, asked].flatMap((each) => (each === undefined ? [] : [`${of}${each}`]))
  }

  #sourceState(): Pick<Condition, 'ok' | 'reason'> {
    const held = this.#held
    const [first] = this.#attempts
    const wanted = first?.source.name
    if (held === undefined) return { ok: true, reason: `${wanted ?? 'none'}, asked first` }
    return standingOf(held.source.name, wanted)
  }

  /** What is of a source before this one and does not last is no reason to wait; what is followed is looked at all the while. */
  #isDue({ rank, source }: Attempt): boolean {
    const held = this.#held
    if (held === undefined || held.rank !== rank || source.isFollowed) return true
    return this.#options.now() >= held.renewAt
  }

  /** In small pieces: a clock may be set, and a machine may sleep. */
  #pause(until: number, signal: AbortSignal): Promise<void> {
    const left = until - this.#options.now()
    return this.#delay(Math.max(1, Math.min(left, lookSeconds * 1000)), signal)
  }

  #measure(): void {
    const notAfter = this.#held?.notAfter.getTime()
    if (notAfter === undefined) return
    const { metrics, now } = this.#options
    metrics.set('countersign_agent_expiry_seconds', Math.max(0, (notAfter - now()) / 1000))
  }

  /** What was kept before and is still good: of a source that is configured, its key and chain fit, and its anchors vouch for it. */
  async #readHeld(): Promise<Held | undefined> {
    const { folder, log } = this.#options
    const files = await folder.read()
    if (files === undefined) return undefined
    await this.#forgetIssued(files.credentialBundle)
    const { source: name = 'csr' } = files
    const attempt = this.#attempts.find(({ source }) => source.name === name)
    try {
      if (attempt === undefined) throw noneThere(`it is of a source that is not used, got=${name}`)
      return this.#verified(attempt, files.credentialBundle, files.trustBundle)
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      log.warn({ error }, 'what is in the folder is no credential, another one is asked for')
      return undefined
    }
  }

  /** A process may end between the two: with the same key the same certificate would come again. */
  async #forgetIssued(credentialBundle: string): Promise<void> {
    const { folder } = this.#options
    const pending = await folder.pending()
    if (pending !== undefined && credentialBundle.startsWith(pending.privateKeyPem)) {
      await folder.keepPending(undefined)
    }
  }

  #verified({ source, rank }: Attempt, credentialBundle: string, trustBundle: string): Held {
    const { verify, renewPercent } = this.#options
    const accepted = verify(credentialBundle, trustBundle)
    const { notBefore, notAfter } = accepted
    const share = renewPercent / 100 + this.#random() / 10
    const renewAt = notBefore.getTime() + (notAfter.getTime() - notBefore.getTime()) * share
    return { ...accepted, credentialBundle, trustBundle, source, rank, renewAt }
  }

  /** One credential of it. The one before is in force until another one is written. */
  async #renew(attempt: Attempt, signal: AbortSignal): Promise<void> {
    const { metrics } = this.#options
    const count = (outcome: string): void => {
      if (attempt.source.name !== 'csr') return
      metrics.count('countersign_agent_requests_total', { outcome })
    }
    try {
      const answer = await this.#answer(attempt, signal)
      if (answer.kind !== 'issued') {
        count(answer.kind)
        return await this.#again(attempt, `${answer.kind}: ${answer.why}`, signal)
      }
      await this.#inTurn(() => this.#take(attempt, answer, signal))
      count('issued')
    } catch (error) {
      if (signal.aborted || !(error instanceof CountersignError)) throw error
      count('error')
      await this.#again(attempt, `${error.message} (${error.code})`, signal)
    }
  }

  async #answer(attempt: Attempt, signal: AbortSignal): Promise<Offered> {
    const waits = (created: Date | undefined): void => {
      const since = created ?? new Date(this.#options.now())
      attempt.asked ??= `asked for at ${since.toISOString()}, not answered yet`
    }
    const isInForce = (credentialBundle: string): boolean => {
      if (this.#held?.credentialBundle !== credentialBundle) return false
      attempt.problem = undefined
      return true
    }
    try {
      const own = { random: this.#random, delay: this.#delay }
      return await attempt.source.next({ ...own, signal, isInForce, waits })
    } finally {
      attempt.asked = undefined
    }
  }

  async #take(
    attempt: Attempt,
    offered: Extract<Offered, { readonly kind: 'issued' }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { source } = attempt
    const { changed, folder, log, now } = this.#options
    const trustBundle = offered.trustBundle ?? (await source.anchors?.(signal)) ?? ''
    const next = await this.#accepted(attempt, offered.credentialBundle, trustBundle)
    if (!replaces(next, this.#held, now())) {
      await source.settle()
      throw noneThere(`it ends at ${next.notAfter.toISOString()}, and another one is in force`)
    }
    await folder.write({ ...next, source: source.name })
    await source.settle()
    // One that is nearly over when it comes, because its CA is, is no reason to ask again at once.
    const soonest = now() + renewSecondsMin * 1000
    this.#held = { ...next, renewAt: Math.max(next.renewAt, soonest) }
    Object.assign(attempt, { failures: 0, problem: undefined })
    this.#anchorProblem = undefined
    this.#measure()
    const { subject, notAfter } = next
    log.info(
      { subject, notAfter: notAfter.toISOString(), source: source.name },
      'a credential is written',
    )
    this.#tellSource()
    changed()
  }

  /** Each time, for whoever reads the log alone. */
  #tellSource(): void {
    const { log, metrics, sources } = this.#options
    for (const { name } of sources) {
      const value = name === this.#held?.source.name ? 1 : 0
      metrics.set('countersign_agent_source', value, { source: name })
    }
    const { ok, reason } = this.#sourceState()
    if (ok) return
    const why = this.#attempts.flatMap((each) => this.#saidOf(each))
    log.warn({ reason, why }, 'the credential is not of the source that is to be used')
  }

  /** What does not hold never will: another one is asked for. Throws `renewal/certificate`. */
  async #accepted(attempt: Attempt, credentialBundle: string, trustBundle: string): Promise<Held> {
    try {
      return this.#verified(attempt, credentialBundle, trustBundle)
    } catch (cause) {
      if (!(cause instanceof CountersignError)) throw cause
      await attempt.source.settle()
      const why = `the certificate that was issued is not taken: ${cause.message} (${cause.code})`
      throw new CountersignError('renewal/certificate', why, { cause })
    }
  }

  async #again(attempt: Attempt, why: string, signal: AbortSignal): Promise<void> {
    const { name, isFollowed } = attempt.source
    attempt.failures += 1
    attempt.problem = why
    const { failures } = attempt
    this.#options.log.warn({ why, failures, source: name }, 'there is no new credential')
    const backoff = isFollowed ? lookBackoff : askBackoff
    await this.#delay(backoffMilliseconds(backoff, failures, this.#random), signal)
  }

  /** What the signer publishes by now is written beside the same credential. */
  async #followAnchors(signal: AbortSignal): Promise<void> {
    const { changed, folder, log, sources } = this.#options
    const { anchors } = this.#held?.source ?? sources[0] ?? {}
    if (anchors === undefined) return
    try {
      const trustBundle = await anchors(signal)
      this.#anchorProblem = undefined
      const held = this.#held
      if (held === undefined || trustBundle === held.trustBundle) return
      const next = { ...held, trustBundle }
      await folder.write({ ...next, source: held.source.name })
      this.#held = next
      log.info({}, 'another trust bundle is written')
      changed()
    } catch (error) {
      if (signal.aborted || !(error instanceof CountersignError)) throw error
      if (this.#anchorProblem === undefined) log.warn({ error }, 'the trust bundle is not followed')
      this.#anchorProblem = error.message
    }
  }
}
