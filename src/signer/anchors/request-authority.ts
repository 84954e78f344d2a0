import { CountersignError } from '../../errors.ts'
import type { ApiClient, ApiProbe } from '../../kubernetes/api-client.ts'
import { backoffMilliseconds, realDelay, type Delay } from '../../kubernetes/backoff.ts'
import type { Metadata } from '../../kubernetes/resource.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import {
  activeOf,
  preparedOf,
  type Journal,
  type JournalEntry,
} from '../../pki/authority-journal.ts'
import { prepare, shortName } from '../../pki/authority-steps.ts'
import type { AuthoritySource } from '../../pki/authority.ts'
import type { CaCertificate } from '../../pki/ca-certificate.ts'
import type { KeyType } from '../../pki/subject-key.ts'
import type { Condition } from '../../readiness.ts'
import { requestCertificate, type Answered } from '../../renewal/request-certificate.ts'
import {
  readAuthority,
  writeAuthority,
  writePending,
  type AuthoritySecretOptions,
} from './authority-secret.ts'
import type { Delivery } from './delivery.ts'
import { pendingIn } from './pending-in-secret.ts'
import { lookAgain } from './look-again.ts'
import { answerBackoff, askedAnewAt } from './refused-requests.ts'
import { judgeRequested } from './requested-chain.ts'
import { checkReadable, rotateAuthority, type RotationStep } from './rotate-authority.ts'
import type { ConfiguredAnchors } from './secret-authorities.ts'
import { tellOfSecret, type SecretEvent } from './secret-event.ts'
import { checkStepClock } from './step-clock.ts'

/** Between two looks at what is due. */
const lookSeconds = 15

/** The API server does not answer, or does not take what is asked. */
const failureBackoff = { baseSeconds: 5, maxSeconds: 300 }

/** What waits for approval, for readers or for a Lease, and no longer than so, is nothing to look at. */
const lateSeconds = 3600

/** Of the life of a CA, after which the next one is asked for: a person may have to approve it. */
const renewShare = 2 / 3

/** In the words of certificates.k8s.io. */
const usages = ['cert sign', 'crl sign']

/** What is asked for, and of whom. */
export interface AuthorityRequest {
  readonly signerName: string
  readonly keyType: KeyType
  readonly annotations: Readonly<Record<string, string>>
}

export interface AuthorityRequestsOptions {
  readonly request: AuthorityRequest
  /** Of the kind `requested`. */
  readonly secret: AuthoritySecretOptions
  readonly configured: ConfiguredAnchors
  readonly client: ApiClient
  readonly probe: ApiProbe
  /** Those of the Secret, as they were read last. */
  readonly authorities: AuthoritySource
  /** Of the replica whose turn it is, and of it alone: what is proved of the anchors on their way to readers. */
  readonly held: () => Delivery | undefined
  readonly propagationSeconds: number
  /** Whether a Revocation takes a CA: another one is asked for at once. None does unless told. */
  readonly isRevoked?: ((ca: CaCertificate) => boolean) | undefined
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
  readonly delay?: Delay
  readonly random?: () => number
}

/** What is told to a signer of it. */
export type SignerRequests = Pick<
  AuthorityRequestsOptions,
  'request' | 'secret' | 'configured' | 'probe' | 'propagationSeconds' | 'isRevoked'
>

export interface AuthorityRequests extends AsyncDisposable {
  condition(): Omit<Condition, 'name'>
}

/**
 * Asks for a CA by a CertificateSigningRequest where there is none, and for the next one before it ends, and lets that one sign when readers
 * have its anchor. What is asked stands in the Secret, with its key, before it is sent; each step after it is one write over what was
 * read. So there is never a second request beside one that waits, whoever is killed or loses the Lease meanwhile.
 */
export function startAuthorityRequests(options: AuthorityRequestsOptions): AuthorityRequests {
  return new Requests(options)
}

class Requests implements AuthorityRequests {
  readonly #options: AuthorityRequestsOptions
  readonly #delay: Delay
  readonly #random: () => number
  readonly #closing = new AbortController()
  readonly #done: Promise<void>
  /** What is done next, or waited for. */
  #next = 'authorities are not read yet'
  /** From when it was to be done, in milliseconds. */
  #dueAt: number | undefined
  /** Why what is due is not done. */
  #problem: string | undefined
  #failures = 0
  /** Why there was none for what was asked last, where it was seen here. */
  #refusal: string | undefined

  constructor(options: AuthorityRequestsOptions) {
    this.#options = options
    this.#delay = options.delay ?? realDelay
    this.#random = options.random ?? Math.random
    this.#done = lookAgain(() => this.#look(), {
      delay: this.#delay,
      signal: this.#closing.signal,
    })
  }

  condition(): Omit<Condition, 'name'> {
    const { now, propagationSeconds } = this.#options
    const late = (lateSeconds + propagationSeconds) * 1000
    const isLate = this.#dueAt !== undefined && now() - this.#dueAt > late
    const reason = this.#problem === undefined ? this.#next : `${this.#next}: ${this.#problem}`
    return { ok: this.#problem === undefined && !isLate, reason, optional: true }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#done
  }

  /** Gives when to look again. */
  async #look(): Promise<number> {
    try {
      await this.#step()
      this.#problem = undefined
      this.#failures = 0
    } catch (error) {
      if (!this.#closing.signal.aborted) return this.#failed(error)
    }
    return lookSeconds * 1000
  }

  #failed(error: unknown): number {
    const { log } = this.#options
    const why = error instanceof Error ? error.message : String(error)
    const code = error instanceof CountersignError ? error.code : undefined
    // What only waits, for readers or for somebody else's step, is no failure.
    if (code === 'pki/authority-step' || code === 'pki/authority-unavailable') {
      this.#next = why
      this.#problem = undefined
      return lookSeconds * 1000
    }
    this.#failures += 1
    if (this.#problem !== why) log.warn({ error }, 'there is no new CA')
    this.#problem = why
    const isAnswer = code === 'signer/authority-request'
    if (!isAnswer) this.#count('error')
    return backoffMilliseconds(
      isAnswer ? answerBackoff : failureBackoff,
      this.#failures,
      this.#random,
    )
  }

  async #step(): Promise<void> {
    const { authorities, held, now } = this.#options
    const { rotation } = authorities
    if (rotation?.isFresh() !== true) return this.#wait('authorities are not read')
    const journal = rotation.journal()
    const prepared = preparedOf(journal)
    const dueAt = prepared?.since ?? this.#renewAt(journal)
    this.#measure(dueAt)
    const at = new Date(dueAt).toISOString()
    if (dueAt > now()) return this.#wait(`the next CA is asked for at ${at}`)
    this.#dueAt = dueAt
    this.#next = `the next CA is due since ${at}`
    const delivery = held()
    if (delivery === undefined) {
      return this.#wait('the replica that holds the Lease of the trust bundle asks for CAs', dueAt)
    }
    await checkStepClock(this.#options.probe, { signal: this.#closing.signal, now })
    if (prepared === undefined) await this.#ask(journal)
    else await this.#advance(prepared, journal, delivery)
  }

  #wait(next: string, dueAt?: number): void {
    this.#next = next
    this.#dueAt = dueAt
  }

  /**
   * Of the first one, and of one that is revoked, or leads to an anchor which is configured no more: at once. Of the others by the life that we have had of it: one
   * that was said to have begun years ago would else be due as soon as it is there, and so would the next.
   */
  #renewAt(journal: Journal): number {
    const { now } = this.#options
    const active = this.#inForce(journal)
    if (active === undefined) return this.#dueAt ?? now()
    const begun = Math.max(active.certificate.notBefore.getTime(), active.since)
    return Math.floor(begun + (active.notAfter.getTime() - begun) * renewShare)
  }

  #inForce(journal: Journal): JournalEntry | undefined {
    const active = activeOf(journal)
    return active !== undefined && this.#isUsable(active) ? active : undefined
  }

  #isUsable(entry: JournalEntry): boolean {
    return this.#isConfigured(entry) && this.#options.isRevoked?.(entry.certificate) !== true
  }

  /** Throws `pki/bundle` while the file of anchors cannot be read: nothing is asked for on a guess. */
  #isConfigured({ anchor }: JournalEntry): boolean {
    const { anchors } = this.#options.configured.current()
    return anchors.some(({ sha256 }) => sha256 === anchor.sha256)
  }

  async #ask(journal: Journal): Promise<void> {
    const { request, secret, configured, client, now } = this.#options
    configured.current()
    await this.#checkAskedAnew()
    const store = pendingIn(secret, journal)
    const answer = await requestCertificate({
      ...request,
      client,
      store,
      expirationSeconds: secret.lifetimeSeconds,
      usages,
      names: { trustDomain: secret.trustDomain },
      delay: this.#delay,
      random: this.#random,
      signal: this.#closing.signal,
      waits: (created, name) => {
        const since = created ?? new Date(now())
        // It may be weeks before anything else is done here.
        if (this.#dueAt !== undefined) this.#measure(this.#dueAt)
        this.#problem = undefined
        this.#next = `CertificateSigningRequest ${name} waits since ${since.toISOString()} to be approved, and signed by ${request.signerName}`
      },
    })
    if (answer.kind === 'issued') return this.#take(answer)
    const { metadata } = await readAuthority(secret)
    throw await this.#unanswered(answer.kind, answer.why, metadata)
  }

  /** Whoever has not seen the answer that was no waits like whoever has. */
  async #checkAskedAnew(): Promise<void> {
    const { secret, now } = this.#options
    const { metadata, pending } = await readAuthority(secret)
    const at = askedAnewAt(metadata.annotations, now())
    if (pending !== undefined || at === undefined || at <= now()) return
    const from = new Date(at).toISOString()
    const unseen = `the CA that was asked for last was not issued: another one is asked for from ${from} on`
    throw new CountersignError('signer/authority-request', this.#refusal ?? unseen)
  }

  async #take(answer: Extract<Answered, { readonly kind: 'issued' }>): Promise<void> {
    const { secret, configured, probe, now, log } = this.#options
    const { privateKeyPem, chainPem } = answer
    const { anchors } = configured.current()
    const found = await readAuthority(secret)
    // Another replica has taken it, or given it up.
    if (found.pending?.privateKeyPem !== privateKeyPem) return
    await checkStepClock(probe, { signal: this.#closing.signal, now })
    const journal = found.journal ?? []
    let entry: JournalEntry
    try {
      entry = judgeRequested({
        chainPem,
        privateKeyPem,
        anchors,
        now,
        trustDomain: secret.trustDomain,
        dnsSuffixes: secret.dnsSuffixes,
        before: this.#inForce(journal),
        place: {
          state: found.journal === undefined ? 'active' : 'prepared',
          since: now(),
        },
      })
    } catch (error) {
      if (!(error instanceof CountersignError) || error.code !== 'pki/authority') throw error
      await writePending(found.metadata, undefined, secret)
      throw await this.#unanswered('refused', error.message, found.metadata)
    }
    const { metadata } = found
    const next =
      found.journal === undefined
        ? { metadata, journal: [entry], activeKeyPem: privateKeyPem }
        : {
            metadata,
            journal: prepare(journal, entry, now()),
            activeKeyPem: found.activeKeyPem,
            preparedKeyPem: privateKeyPem,
          }
    checkReadable(next.journal, secret)
    await writeAuthority(next, secret)
    this.#count('issued')
    const authority = shortName(entry.certificate.sha256)
    log.info({ authority, notAfter: entry.notAfter.toISOString() }, 'a CA was issued')
    const message = `${authority} was issued, and is ${entry.state}`
    await this.#tell({ type: 'Normal', reason: 'CaIssued', message }, metadata)
  }

  /** The one that is prepared signs when readers have its anchor, or is given up when that is configured no more or it has ended meanwhile. */
  async #advance(prepared: JournalEntry, journal: Journal, delivery: Delivery): Promise<void> {
    const { secret, propagationSeconds, metrics, log, now } = this.#options
    const authority = shortName(prepared.certificate.sha256)
    this.#next = `${authority} is prepared`
    const hasEnded = prepared.notAfter.getTime() < now()
    const step: RotationStep =
      !hasEnded && this.#isUsable(prepared)
        ? { kind: 'activate', leaked: false, delivered: false, delivery, propagationSeconds }
        : { kind: 'revoke', name: authority }
    const { metadata } = await rotateAuthority(step, secret, journal)
    metrics.count('countersign_signer_rotation_steps_total', { step: step.kind, outcome: 'taken' })
    log.info({ step: step.kind, authority }, 'a step of the rotation was taken, as it was due')
    const [reason, message] = texts[step.kind]
    const event = { type: 'Normal', reason, message: `${authority} ${message}` } as const
    await this.#tell(event, metadata)
  }

  async #unanswered(outcome: Outcome, why: string, metadata: Metadata): Promise<CountersignError> {
    this.#count(outcome)
    const { signerName } = this.#options.request
    const message = `the CA that was asked of ${signerName} is ${outcome}: ${why}`
    const reason = `CaRequest${reasons[outcome]}`
    this.#refusal = message
    await this.#tell({ type: 'Warning', reason, message }, metadata)
    return new CountersignError('signer/authority-request', message)
  }

  #measure(dueAt: number): void {
    const { metrics, now } = this.#options
    metrics.set('countersign_signer_rotation_due_seconds', (dueAt - now()) / 1000)
  }

  #count(outcome: Outcome | 'issued' | 'error'): void {
    this.#options.metrics.count('countersign_signer_authority_requests_total', { outcome })
  }

  async #tell(event: SecretEvent, metadata: Metadata): Promise<void> {
    await tellOfSecret(event, metadata, { ...this.#options, signal: this.#closing.signal })
  }
}

/** `refused`: by us, because of what was issued. */
type Outcome = 'denied' | 'failed' | 'gone' | 'refused'

const reasons = { denied: 'Denied', failed: 'Failed', gone: 'Gone', refused: 'Refused' } as const

const texts = {
  activate: [
    'CaActivated',
    'signs from now on; the anchor of the CA before it stays until its last certificate has ended',
  ],
  revoke: [
    'CaGivenUp',
    'has ended, is revoked, or leads to an anchor that is configured no more: another one is asked for',
  ],
} as const
