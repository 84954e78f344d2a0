import { CountersignError } from '../../errors.ts'
import type { ApiClient, ApiProbe } from '../../kubernetes/api-client.ts'
import { realDelay, type Delay } from '../../kubernetes/backoff.ts'
import type { Metadata } from '../../kubernetes/resource.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { preparedOf, type Journal } from '../../pki/authority-journal.ts'
import { shortName } from '../../pki/authority-steps.ts'
import type { AuthoritySource } from '../../pki/authority.ts'
import { nextStep, type RotationSchedule, type ScheduledStep } from '../../pki/rotation-schedule.ts'
import type { Condition } from '../../readiness.ts'
import type { AuthoritySecretOptions } from './authority-secret.ts'
import type { Delivery } from './delivery.ts'
import { lookAgain } from './look-again.ts'
import { rotateAuthority, type RotationStep } from './rotate-authority.ts'
import { tellOfSecret } from './secret-event.ts'
import { checkStepClock } from './step-clock.ts'

/** Between two looks at what is due. */
const lookMilliseconds = 15_000

/** What waits for readers, for a Lease or for an answer, and no longer than so, is nothing to look at. */
const lateSeconds = 3600

export interface ScheduledRotationOptions {
  readonly schedule: RotationSchedule
  readonly secret: AuthoritySecretOptions
  readonly client: ApiClient
  readonly probe: ApiProbe
  /** Those of the Secret, as they were read last. */
  readonly authorities: AuthoritySource
  /** Of the replica that publishes the anchors, and of it alone: for how long it has seen each of them published. */
  readonly held: () => Delivery | undefined
  readonly propagationSeconds: number
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
  readonly delay?: Delay
}

/** What is told to a signer of it. */
export type SignerRotation = Pick<
  ScheduledRotationOptions,
  'schedule' | 'secret' | 'probe' | 'propagationSeconds'
>

export interface ScheduledRotation extends AsyncDisposable {
  condition(): Omit<Condition, 'name'>
}

/**
 * Takes the steps of a rotation when they are due. Of several replicas the one that publishes the anchors takes them: it knows by its own
 * eyes, and by a clock that does not jump, for how long they are published. A step is one write over what was read, so whoever is
 * killed, or loses the Lease meanwhile, leaves the state before the step or the one after it, and the next look goes on from there.
 */
export function startScheduledRotation(options: ScheduledRotationOptions): ScheduledRotation {
  return new Scheduled(options)
}

class Scheduled implements ScheduledRotation {
  readonly #options: ScheduledRotationOptions
  readonly #closing = new AbortController()
  readonly #done: Promise<void>
  #next: ScheduledStep | undefined
  /** Why what is due is not done. */
  #problem: string | undefined

  constructor(options: ScheduledRotationOptions) {
    this.#options = options
    const { delay = realDelay } = options
    this.#done = lookAgain(() => this.#look(), { delay, signal: this.#closing.signal })
  }

  condition(): Omit<Condition, 'name'> {
    const next = this.#next
    if (next === undefined) return { ok: true, reason: 'no CA is in force yet' }
    const what = next.name === undefined ? next.kind : `${next.kind} ${next.name}`
    const at = new Date(next.at).toISOString()
    if (this.#problem === undefined) return { ok: true, reason: `next: ${what}, at ${at}` }
    const reason = `${what} is due since ${at}: ${this.#problem}`
    const { now, propagationSeconds } = this.#options
    const isLate = now() - next.at > (lateSeconds + propagationSeconds) * 1000
    return { ok: !isLate, reason, optional: true }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#done
  }

  async #look(): Promise<number> {
    await this.#step()
    return lookMilliseconds
  }

  async #step(): Promise<void> {
    const { schedule, authorities, metrics, now, log } = this.#options
    const journal = authorities.rotation?.journal() ?? []
    const next = nextStep(journal, schedule)
    this.#next = next
    if (next === undefined) return
    metrics.set('countersign_signer_rotation_due_seconds', (next.at - now()) / 1000)
    if (next.at > now()) {
      this.#problem = undefined
      return
    }
    try {
      await this.#take(next, journal)
      this.#problem = undefined
    } catch (error) {
      if (this.#closing.signal.aborted) return
      const why = error instanceof Error ? error.message : String(error)
      // What only waits for readers is no failure.
      const isWaiting = error instanceof CountersignError && error.code === 'pki/authority-step'
      if (isNews(why, this.#problem)) {
        if (isWaiting)
          log.info({ step: next.kind, why }, 'a step of the rotation that is due waits')
        else
          log.warn({ step: next.kind, error }, 'a step of the rotation that is due was not taken')
      }
      if (!isWaiting) this.#count(next, 'failed')
      this.#problem = why
    }
  }

  async #take(next: ScheduledStep, journal: Journal): Promise<void> {
    const { held, probe, secret, propagationSeconds, log, now } = this.#options
    const delivery = held()
    if (delivery === undefined) {
      throw waits(
        'the replica that holds the Lease of the trust bundle does it, where one is published',
      )
    }
    await checkStepClock(probe, { signal: this.#closing.signal, now })
    const step = stepOf(next, { delivery, propagationSeconds })
    const after = await rotateAuthority(step, secret, journal)
    this.#count(next, 'taken')
    const authority = nameOf(next, after.journal)
    log.info({ step: next.kind, authority }, 'a step of the rotation was taken, as it was due')
    await this.#tell(next, authority, after.metadata)
  }

  #count({ kind: step }: ScheduledStep, outcome: 'taken' | 'failed'): void {
    this.#options.metrics.count('countersign_signer_rotation_steps_total', { step, outcome })
  }

  async #tell({ kind }: ScheduledStep, authority: string, metadata: Metadata): Promise<void> {
    const [reason, message] = texts[kind]
    const event = { type: 'Normal', reason, message: `${authority} ${message}` } as const
    await tellOfSecret(event, metadata, { ...this.#options, signal: this.#closing.signal })
  }
}

const texts = {
  prepare: ['CaPrepared', 'is the next CA: its anchor is published, and it signs nothing yet'],
  activate: [
    'CaActivated',
    'signs from now on; the CA before it is trusted until its last certificate has ended',
  ],
  revoke: [
    'CaGivenUp',
    'was prepared too long ago to sign for as long as it has to: another one is prepared',
  ],
} as const

function stepOf(
  { kind, name = '' }: ScheduledStep,
  proof: { readonly delivery: Delivery; readonly propagationSeconds: number },
): RotationStep {
  if (kind === 'prepare') return { kind }
  if (kind === 'revoke') return { kind, name }
  return { kind, leaked: false, delivered: false, ...proof }
}

/** Of whom a step was: of one that is prepared the journal after it tells. */
function nameOf({ name }: ScheduledStep, journal: Journal): string {
  return name ?? shortName(preparedOf(journal)?.certificate.sha256 ?? '')
}

/** Numbers change from look to look. */
function isNews(why: string, before: string | undefined): boolean {
  return why.replaceAll(/\d+/g, '') !== before?.replaceAll(/\d+/g, '')
}

function waits(why: string): CountersignError {
  return new CountersignError('pki/authority-step', why)
}
