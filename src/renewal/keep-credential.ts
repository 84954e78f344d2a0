import { CountersignError } from '../errors.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { backoffMilliseconds, realDelay, type Delay } from '../kubernetes/backoff.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { RequestedNames } from '../pki/requested-names.ts'
import type { KeyType } from '../pki/subject-key.ts'
import type { Condition } from '../readiness.ts'
import type { CredentialFolder } from './credential-folder.ts'
import { requestCertificate, type Answered } from './request-certificate.ts'

export interface KeeperOptions {
  readonly client: ApiClient
  readonly folder: CredentialFolder
  readonly signerName: string
  readonly keyType: KeyType
  readonly expirationSeconds?: number | undefined
  readonly annotations: Readonly<Record<string, string>>
  /** What a certificate is to be for, sorted. */
  readonly usages: readonly string[]
  /** What it is to say; nothing unless told, where the signer knows who asks. */
  readonly names?: RequestedNames | undefined
  /** PEM of the anchors as they are published now. Throws `renewal/trust-bundle` and `pki/bundle`. */
  readonly anchors: (signal: AbortSignal) => Promise<string>
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

/** How often it is looked whether the signer publishes other anchors, and what the clock says. */
const lookSeconds = 30

/** Between two certificates. */
const renewSecondsMin = 60

/** What is known of a credential that was verified. */
export interface Accepted {
  /** Whose it is. */
  readonly subject: string
  readonly notBefore: Date
  readonly notAfter: Date
}

interface Held extends Accepted {
  readonly credentialBundle: string
  readonly trustBundle: string
  /** Milliseconds since the epoch. */
  readonly renewAt: number
}

export function createKeeper(options: KeeperOptions): Keeper {
  return new CredentialKeeper(options)
}

class CredentialKeeper implements Keeper {
  readonly #options: KeeperOptions
  readonly #delay: Delay
  readonly #random: () => number
  #held: Held | undefined
  /** Why there is no newer one. */
  #problem: string | undefined
  #anchorProblem: string | undefined
  /** Since when a request waits for its answer. */
  #asked: string | undefined
  #failures = 0
  #turn = Promise.resolve()

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#delay = options.delay ?? realDelay
    this.#random = options.random ?? Math.random
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
    await Promise.all([this.#keepRenewed(both, once), this.#keepCurrent(both)].map(untilOver))
  }

  async #keepRenewed(signal: AbortSignal, once: boolean): Promise<void> {
    while (!signal.aborted) {
      if (this.#isDue()) await this.#renew(signal)
      else if (once) return
      else await this.#delay(this.#untilLook(), signal)
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
    const next = [this.#problem, this.#asked].filter((each) => each !== undefined)
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
    ]
  }

  #isDue(): boolean {
    return this.#held === undefined || this.#options.now() >= this.#held.renewAt
  }

  /** In small pieces: a clock may be set, and a machine may sleep. */
  #untilLook(): number {
    const untilDue = (this.#held?.renewAt ?? 0) - this.#options.now()
    return Math.max(1, Math.min(untilDue, lookSeconds * 1000))
  }

  #measure(): void {
    const notAfter = this.#held?.notAfter.getTime()
    if (notAfter === undefined) return
    const { metrics, now } = this.#options
    metrics.set('countersign_agent_expiry_seconds', Math.max(0, (notAfter - now()) / 1000))
  }

  /** What was kept before and is still good: its key and chain fit, and its anchors vouch for it. */
  async #readHeld(): Promise<Held | undefined> {
    const { folder, log } = this.#options
    const files = await folder.read()
    if (files === undefined) return undefined
    await this.#forgetIssued(files.credentialBundle)
    try {
      return this.#verified(files.credentialBundle, files.trustBundle)
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

  #verified(credentialBundle: string, trustBundle: string): Held {
    const { verify, renewPercent } = this.#options
    const accepted = verify(credentialBundle, trustBundle)
    const { notBefore, notAfter } = accepted
    const share = renewPercent / 100 + this.#random() / 10
    const renewAt = notBefore.getTime() + (notAfter.getTime() - notBefore.getTime()) * share
    return { ...accepted, credentialBundle, trustBundle, renewAt }
  }

  /** One request. The one before is in force until another one is written. */
  async #renew(signal: AbortSignal): Promise<void> {
    const count = (outcome: string): void =>
      this.#options.metrics.count('countersign_agent_requests_total', { outcome })
    try {
      const answer = await this.#answer(signal)
      if (answer.kind !== 'issued') {
        count(answer.kind)
        return await this.#again(`${answer.kind}: ${answer.why}`, signal)
      }
      await this.#inTurn(() => this.#take(`${answer.privateKeyPem}${answer.chainPem}`, signal))
      count('issued')
    } catch (error) {
      if (signal.aborted || !(error instanceof CountersignError)) throw error
      count('error')
      await this.#again(`${error.message} (${error.code})`, signal)
    }
  }

  async #answer(signal: AbortSignal): Promise<Answered> {
    const waits = (created: Date | undefined): void => {
      const since = created ?? new Date(this.#options.now())
      this.#asked ??= `asked for at ${since.toISOString()}, not answered yet`
    }
    try {
      const own = { store: this.#options.folder, random: this.#random, delay: this.#delay }
      return await requestCertificate({ ...this.#options, ...own, signal, waits })
    } finally {
      this.#asked = undefined
    }
  }

  async #take(credentialBundle: string, signal: AbortSignal): Promise<void> {
    const { anchors, changed, folder, log, now } = this.#options
    const held = await this.#accepted(credentialBundle, await anchors(signal))
    await folder.write(held)
    await folder.keepPending(undefined)
    // One that is nearly over when it comes, because its CA is, is no reason to ask again at once.
    const soonest = now() + renewSecondsMin * 1000
    this.#held = { ...held, renewAt: Math.max(held.renewAt, soonest) }
    this.#failures = 0
    this.#problem = undefined
    this.#anchorProblem = undefined
    this.#measure()
    const { subject, notAfter } = held
    log.info({ subject, notAfter: notAfter.toISOString() }, 'a credential is written')
    changed()
  }

  /** What does not hold never will: another one is asked for. Throws `renewal/certificate`. */
  async #accepted(credentialBundle: string, trustBundle: string): Promise<Held> {
    try {
      return this.#verified(credentialBundle, trustBundle)
    } catch (cause) {
      if (!(cause instanceof CountersignError)) throw cause
      await this.#options.folder.keepPending(undefined)
      const why = `the certificate that was issued is not taken: ${cause.message} (${cause.code})`
      throw new CountersignError('renewal/certificate', why, { cause })
    }
  }

  async #again(why: string, signal: AbortSignal): Promise<void> {
    this.#failures += 1
    this.#problem = why
    this.#options.log.warn({ why, failures: this.#failures }, 'there is no new credential')
    await this.#delay(backoffMilliseconds(askBackoff, this.#failures, this.#random), signal)
  }

  /** What the signer publishes by now is written beside the same credential. */
  async #followAnchors(signal: AbortSignal): Promise<void> {
    const { anchors, changed, folder, log } = this.#options
    try {
      const trustBundle = await anchors(signal)
      this.#anchorProblem = undefined
      const held = this.#held
      if (held === undefined || trustBundle === held.trustBundle) return
      const next = { ...held, trustBundle }
      await folder.write(next)
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
