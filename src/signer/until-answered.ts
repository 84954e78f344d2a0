import { CountersignError } from '../errors.ts'
import { backoffMilliseconds, type Delay } from '../kubernetes/backoff.ts'
import type { Log } from '../log.ts'

const backoff = { baseSeconds: 0.25, maxSeconds: 30 }

/** Asks the cluster again until it answers, whatever is in the way: it may be mended while we wait. Undefined when told to end. */
export async function untilAnswered<T>(
  ask: () => Promise<T>,
  options: {
    readonly signal: AbortSignal
    readonly log: Log
    readonly delay: Delay
    /** What is in the way now. */
    readonly told: (why: string) => unknown
  },
): Promise<T | undefined> {
  const { signal, log, delay, told } = options
  for (let failures = 1; !signal.aborted; failures += 1) {
    try {
      return await ask()
    } catch (error) {
      if (signal.aborted) return undefined
      if (!(error instanceof CountersignError)) throw error
      const why = error.hint === undefined ? error.message : `${error.message}. ${error.hint}`
      told(why)
      log.warn({ error, failures }, 'the cluster does not answer what the start has to know')
      await delay(backoffMilliseconds(backoff, failures, Math.random), signal).catch(() => {})
    }
  }
  return undefined
}

/** False when the signal aborts first. */
export async function unlessAborted(work: Promise<boolean>, signal: AbortSignal): Promise<boolean> {
  // What is given up may still fail, with the disposal of what it waits for: then nobody is left to tell.
  work.catch(() => {})
  const aborted = Promise.withResolvers<boolean>()
  const stop = (): void => aborted.resolve(false)
  if (signal.aborted) return false
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Whoever is told to end reads no further: what was read is not used then. */
export async function* untilAborted<T>(
  items: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncIterable<T> {
  for await (const item of items) {
    if (signal.aborted) return
    yield item
  }
}
