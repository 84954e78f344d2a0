import { setTimeout as after } from 'node:timers/promises'
import { CountersignError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { BundleContent } from '../bundle-content.ts'
import type { DataDocument } from '../data-document.ts'
import type { EngineName, PolicyName } from '../engine.ts'
import { createDifferences, type ToldDifference, type ToldExtent } from './differences.ts'
import { createShadowQueue, type Named } from './shadow-queue.ts'
import type { Decided, FromShadow, ToShadow } from './shadow-question.ts'

/** A process of its own, which has the candidate: it can be slow, or never return, and nobody waits for it. */
export interface ShadowProcess {
  /** One after the other. Throws `policy/test` when it has ended, or has no answer in time; it is ended then. */
  ask(message: ToShadow): Promise<FromShadow>
  end(): void
}

type Tell = (told: ToldDifference | ToldExtent) => void

/** A candidate that is asked what the policy in force has decided. It changes no answer, and nobody waits for it. */
export interface Shadow extends AsyncDisposable {
  /** Whether there is anybody to ask: else nothing need be gathered for it. */
  readonly isAsking: boolean
  /** Takes what was decided, or counts that it did not. Never throws. */
  add(decided: Decided, named: Named): void
  /** Another candidate from now on. Resolves when it is decided whether it can be asked, and never throws. */
  offer(content: BundleContent): Promise<void>
  /** What is there now is no candidate; the one before is asked no more. */
  refuse(problem: Error): void
  /** What is in force has changed: what was decided before is not asked any more. */
  renew(): void
  /** From now on tells the listener, and the process's own log no more, of some of the differences: of each kind a few. */
  onDifference(listener: Tell): void
  /** The candidate that is asked. */
  readonly asked: { readonly content: BundleContent; readonly name: PolicyName } | undefined
  readonly problem: Error | undefined
  /** How it has decided so far. */
  readonly summary: string
}

export interface ShadowOptions {
  readonly start: (candidate: BundleContent, documents: readonly DataDocument[]) => ShadowProcess
  readonly engine: EngineName | undefined
  /** The policy that decides, with the data that the candidate is asked with, too. */
  readonly inForce: () => { readonly name: PolicyName; readonly documents: readonly DataDocument[] }
  readonly delay?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>
  /** Milliseconds of a monotonic clock. */
  readonly elapsed?: () => number
  readonly log: Log
  readonly metrics: Metrics
}

/** How long what was decided waits for company. */
const gatherMilliseconds = 20

/** To hand questions over takes a share of the time of those who decide: a twentieth at most. */
const shareOfTime = 20

/** One that ended, or was too slow, may have been in bad company: it is started again, ever less often. */
const retryMillisecondsMin = 10_000
const retryMillisecondsMax = 300_000

function unhurried(milliseconds: number, signal: AbortSignal): Promise<unknown> {
  return after(milliseconds, undefined, { signal, ref: false })
}

export function openShadow(options: ShadowOptions): Shadow {
  return new OpenShadow(options)
}

interface Offered {
  readonly content: BundleContent
  readonly decided: PromiseWithResolvers<void>
  /** Ends what is done for it. */
  readonly over: AbortController
}

class OpenShadow implements Shadow {
  readonly #options: ShadowOptions
  readonly #queue: ReturnType<typeof createShadowQueue>
  #differences: ReturnType<typeof createDifferences>
  #offered: Offered | undefined
  #asked: Shadow['asked']
  #problem: Error | undefined
  #tell: Tell
  readonly #rules = new Set<string>()
  #wake = Promise.withResolvers<void>()
  #work: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: ShadowOptions) {
    this.#options = options
    this.#queue = createShadowQueue(options.metrics)
    this.#differences = this.#newDifferences()
    this.#tell = (told) => {
      const isOne = 'decisionId' in told
      options.log.info(
        { ...told },
        isOne ? 'a candidate decides otherwise' : 'a candidate is asked',
      )
    }
  }

  onDifference(listener: Tell): void {
    this.#tell = listener
  }

  get asked(): Shadow['asked'] {
    return this.#asked
  }

  get problem(): Error | undefined {
    return this.#problem
  }

  /** The candidate says nothing new while it is what is in force. */
  get isAsking(): boolean {
    return this.#asked !== undefined && !this.#isInForce
  }

  get #isInForce(): boolean {
    return this.#asked?.name.digest === this.#options.inForce().name.digest
  }

  add(decided: Decided, named: Named): void {
    // What is in force may have changed since: its data is the candidate's by now.
    if (!this.isAsking || named.digest !== this.#options.inForce().name.digest) return
    this.#queue.add(decided, named)
    this.#wake.resolve()
  }

  async offer(content: BundleContent): Promise<void> {
    if (this.#closed || content.digest === this.#offered?.content.digest) return
    const offered = { content, decided: Promise.withResolvers<void>(), over: new AbortController() }
    this.#replace(offered)
    this.#work = this.#work.then(() => this.#follow(offered))
    await offered.decided.promise
  }

  refuse(problem: Error): void {
    if (this.#problem?.message !== problem.message) {
      this.#options.log.warn({ error: problem }, 'the candidate is not asked')
    }
    this.#replace(undefined)
    this.#problem = problem
  }

  renew(): void {
    this.#queue.clear()
    this.#wake.resolve()
  }

  get summary(): string {
    return this.#isInForce ? 'it is in force' : this.#differences.summary
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#replace(undefined)
    await this.#work
  }

  #replace(offered: Offered | undefined): void {
    this.#offered?.over.abort()
    this.#offered?.decided.resolve()
    this.#offered = offered
    this.#asked = undefined
    this.#problem = undefined
    this.#queue.clear()
    this.#wake.resolve()
  }

  #newDifferences(): ReturnType<typeof createDifferences> {
    const { metrics } = this.#options
    return createDifferences({ metrics, rules: this.#rules, tell: (told) => this.#tell(told) })
  }

  /** Until another one is offered. */
  async #follow(offered: Offered): Promise<void> {
    const { delay = unhurried, log } = this.#options
    const { signal } = offered.over
    this.#differences = this.#newDifferences()
    for (let pause = retryMillisecondsMin; !signal.aborted;) {
      const failure = await this.#serve(offered)
      if (signal.aborted || failure === undefined) return
      log.warn({ error: failure }, 'the candidate is not asked')
      this.#asked = undefined
      this.#problem = failure
      this.#queue.clear()
      offered.decided.resolve()
      await (isUnlucky(failure) ? delay(pause, signal) : this.#change(offered)).catch(() => {})
      pause = Math.min(2 * pause, retryMillisecondsMax)
    }
  }

  /** What is wrong with it may be the data: it is tried again with other data. */
  async #change(offered: Offered): Promise<void> {
    const { documents } = this.#options.inForce()
    const isOver = (): boolean => offered.over.signal.aborted
    while (!isOver() && this.#options.inForce().documents === documents) await this.#woken()
  }

  #woken(): Promise<void> {
    this.#wake = Promise.withResolvers()
    return this.#wake.promise
  }

  /** Asks the candidate as long as it answers. Gives why it does not. */
  async #serve(offered: Offered): Promise<Error | undefined> {
    const { signal } = offered.over
    let child: ShadowProcess | undefined
    const end = (): void => child?.end()
    signal.addEventListener('abort', end, { once: true })
    try {
      child = this.#started(offered.content)
      await this.#ask(offered, child)
      return undefined
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    } finally {
      signal.removeEventListener('abort', end)
      end()
    }
  }

  /** A node without memory or processes to spare may have them later. */
  #started(content: BundleContent): ShadowProcess {
    try {
      return this.#options.start(content, this.#options.inForce().documents)
    } catch (cause) {
      const got = cause instanceof Error ? cause.message : String(cause)
      const message = `process of the candidate cannot be started, got=${got}`
      throw new CountersignError('policy/test', message, { cause })
    }
  }

  async #ask({ content, decided, over }: Offered, child: ShadowProcess): Promise<void> {
    const { engine, inForce, log, delay = unhurried } = this.#options
    const { elapsed = () => performance.now() } = this.#options
    const { files, digest } = content
    let { documents } = inForce()
    let opening: ToShadow = { kind: 'begin', files, digest, documents, engine }
    const isOver = (): boolean => over.signal.aborted
    while (!isOver()) {
      const name = readyOf(await child.ask(opening))
      if (isOver()) return
      if (this.#asked === undefined) log.info({ ...name }, 'a candidate is asked beside the policy')
      this.#asked = { content, name }
      this.#problem = undefined
      decided.resolve()
      while (!isOver() && documents === inForce().documents) {
        const batch = this.isAsking ? this.#queue.take() : []
        if (batch.length === 0) {
          await this.#woken()
          continue
        }
        const begun = elapsed()
        const asked = child.ask({ kind: 'ask', decided: batch.map((each) => each.decided) })
        const took = elapsed() - begun
        const said = await asked
        if (isOver()) return
        this.#differences.add(batch, said)
        await delay(Math.max(gatherMilliseconds, (shareOfTime - 1) * took), over.signal)
      }
      documents = inForce().documents
      opening = { kind: 'documents', documents }
    }
  }
}

function readyOf(said: FromShadow): PolicyName {
  if (said.kind === 'ready') return said.name
  if (said.kind !== 'refused') throw new TypeError('the candidate answers what it was not asked')
  const { code, message, hint } = said.failure
  throw new CountersignError(code, message, hint === undefined ? {} : { hint })
}

function isUnlucky(error: Error): boolean {
  return error instanceof CountersignError && error.code === 'policy/test'
}
