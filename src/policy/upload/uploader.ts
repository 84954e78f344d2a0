import { setTimeout as after } from 'node:timers/promises'
import { CountersignError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { codeOf } from '../error-code.ts'
import { retryPauseMilliseconds } from '../retry-pause.ts'
import { createChunker, type Chunk, type Chunker } from './chunk.ts'
import { UploadError, type Poster } from './post.ts'
import { reduceEvent } from './reduce-event.ts'
import type { Spool } from './spool.ts'

/** In OPA's own words. */
export interface Reporting {
  /** Between two looks at what is to be sent, where nothing fails. */
  readonly minDelaySeconds: number
  /** Also the longest wait after failures. */
  readonly maxDelaySeconds: number
  /** Of a chunk, packed. */
  readonly uploadSizeLimitBytes: number
}

/** Sends what a decision log holds, in its order, each event once or more. */
export interface Uploader extends AsyncDisposable {
  /** Begins, and goes on until it is disposed, which sends what is left for a bounded time. */
  start(): void
  /** There is much to be sent. */
  wake(): void
  /** Why the last attempt has failed; undefined where it has not. */
  readonly problem: UploadError | undefined
}

interface UploaderOptions {
  readonly spool: Spool
  readonly poster: Poster
  readonly reporting: Reporting
  readonly log: Log
  readonly metrics: Metrics
  readonly random?: () => number
  readonly delay?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>
  /** How long the end may take. Default five seconds. */
  readonly endMilliseconds?: number
}

const endMillisecondsDefault = 5000

/** RFC 9110 §15.5.14 */
const tooLarge = 413

export function createUploader(options: UploaderOptions): Uploader {
  return new SpoolUploader(options)
}

class SpoolUploader implements Uploader {
  readonly #options: UploaderOptions
  readonly #chunker: Chunker
  readonly #ending = new AbortController()
  #waiting = new AbortController()
  #loop: Promise<void> = Promise.resolve()
  #problem: UploadError | undefined
  #failures = 0
  /** Lines of this file were told of once. */
  #toldOfTorn = false

  constructor(options: UploaderOptions) {
    this.#options = options
    this.#chunker = createChunker(options.reporting.uploadSizeLimitBytes)
  }

  get problem(): UploadError | undefined {
    return this.#problem
  }

  start(): void {
    this.#loop = this.#run()
  }

  wake(): void {
    // Who waits because nothing is taken is not in a hurry.
    if (this.#problem === undefined) this.#waiting.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    await this.#loop
    const { endMilliseconds = endMillisecondsDefault, spool, poster, log } = this.#options
    await this.#attempt(AbortSignal.timeout(endMilliseconds))
    const octets = await spool.unsentOctets().catch(() => 0)
    if (octets > 0) log.warn({ octets }, 'decision log ends with events that are not sent')
    poster[Symbol.dispose]()
    await spool[Symbol.asyncDispose]()
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending
    while (!signal.aborted) {
      await this.#attempt(signal)
      if (!signal.aborted) await this.#wait()
    }
  }

  async #wait(): Promise<void> {
    const { delay = unhurried } = this.#options
    this.#waiting = new AbortController()
    const signal = AbortSignal.any([this.#waiting.signal, this.#ending.signal])
    await delay(this.#delayMilliseconds(), signal).catch(() => {})
  }

  #delayMilliseconds(): number {
    const { random = Math.random, reporting } = this.#options
    const { minDelaySeconds, maxDelaySeconds } = reporting
    if (this.#problem === undefined) {
      return (minDelaySeconds + random() * (maxDelaySeconds - minDelaySeconds)) * 1000
    }
    const pause = retryPauseMilliseconds(this.#failures, {
      millisecondsMax: maxDelaySeconds * 1000,
      random,
    })
    return Math.max(pause, this.#problem.waitMilliseconds)
  }

  /** Sends until all is sent, or something fails. Never throws. */
  async #attempt(signal: AbortSignal): Promise<void> {
    const { spool, metrics } = this.#options
    try {
      while (!signal.aborted && (await this.#sendNext(signal))) this.#succeed()
    } catch (error) {
      if (!signal.aborted) this.#fail(error)
    }
    const octets = await spool.unsentOctets().catch(() => undefined)
    if (octets !== undefined) metrics.set('countersign_decision_log_unsent_octets', octets)
  }

  /** False: there was nothing to send. */
  async #sendNext(signal: AbortSignal): Promise<boolean> {
    const { spool } = this.#options
    const lines = await spool.read(this.#chunker.linesOctetsMax)
    if (lines === undefined) return false
    const events = this.#eventsOf(lines)
    if (events.length === 0) {
      await spool.sent(lines.length)
      return true
    }
    const chunk = await this.#send(
      events.map(({ line }) => line),
      signal,
    )
    this.#chunker.grow()
    this.#options.metrics.count('countersign_decision_log_uploaded_events_total', {}, chunk.lines)
    await spool.sent(events[chunk.lines]?.at ?? lines.length)
    return true
  }

  /** What a crash has cut is no event, and would make none of all that are sent with it. */
  #eventsOf(lines: readonly Buffer[]): readonly { readonly line: Buffer; readonly at: number }[] {
    const events = lines.flatMap((line, at) => (isEvent(line) ? [{ line, at }] : []))
    const torn = lines.length - events.length
    if (torn > 0) {
      this.#options.metrics.count('countersign_decision_log_torn_lines_total', {}, torn)
      if (!this.#toldOfTorn) this.#options.log.warn({}, 'decision log has a line that is no event')
      this.#toldOfTorn = true
    }
    return events
  }

  async #send(events: readonly Buffer[], signal: AbortSignal): Promise<Chunk> {
    const { poster, metrics, log } = this.#options
    let given = events
    let isReduced = false
    for (;;) {
      const chunk = await this.#chunker.pack(given)
      const isRefused = chunk.isTooLarge || (await this.#isRefused(chunk, signal))
      if (!isRefused) return chunk
      if (chunk.lines > 1) {
        log.warn(
          { octets: chunk.body.length },
          'receiver of decisions takes no chunks of this size',
        )
        this.#chunker.shrink(chunk)
        continue
      }
      if (isReduced) {
        // What is left is small: it is tried, whatever the limit says.
        await poster.post(chunk.body, signal)
        return chunk
      }
      isReduced = true
      metrics.count('countersign_decision_log_reduced_events_total')
      given = given.slice(0, 1).map((line) => Buffer.from(reduceEvent(line.toString())))
    }
  }

  async #isRefused(chunk: Chunk, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#options.poster.post(chunk.body, signal)
      return false
    } catch (error) {
      if (error instanceof UploadError && error.httpCode === tooLarge) return true
      throw error
    }
  }

  #succeed(): void {
    const { metrics, log } = this.#options
    metrics.count('countersign_decision_log_uploads_total', { outcome: 'taken' })
    if (this.#problem !== undefined) log.info({}, 'decisions are sent again')
    this.#problem = undefined
    this.#failures = 0
  }

  #fail(error: unknown): void {
    const { metrics, log } = this.#options
    metrics.count('countersign_decision_log_uploads_total', { outcome: 'failed' })
    const problem = problemOf(error)
    if (problem.message !== this.#problem?.message) {
      log.warn({ error: problem }, 'decisions are not sent, and kept until they are')
    }
    this.#problem = problem
    this.#failures += 1
  }
}

function isEvent(line: Buffer): boolean {
  if (line[0] !== 0x7b) return false
  try {
    JSON.parse(line.toString())
    return true
  } catch {
    return false
  }
}

/** Whatever does not come from the receiver comes from the files. */
function problemOf(error: unknown): UploadError {
  if (error instanceof UploadError) return error
  if (error instanceof CountersignError) return new UploadError(error.message)
  return new UploadError(`files of the decision log cannot be used, got=${codeOf(error)}`)
}

function unhurried(milliseconds: number, signal: AbortSignal): Promise<unknown> {
  return after(milliseconds, undefined, { signal, ref: false })
}
