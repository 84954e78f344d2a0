import { setTimeout as timeout } from 'node:timers/promises'
import type { Log } from '../log.ts'
import type { Condition } from '../readiness.ts'
import type { Child } from './child.ts'

/** A process of the server inside that nobody has spoken to yet, so that a session begins at once, and it is known that there can be one. */
export interface Standby extends AsyncDisposable {
  /** Undefined while none can be started. It is the taker's from now on, and another one is started. */
  take(): Child | undefined
  state(): Omit<Condition, 'name'>
}

/** One that has run for so long has started well. */
const settledMilliseconds = 1000
const pauseMillisecondsMax = 30_000

/** Keeps one, and starts another one when it ends, after a pause that doubles while they end at once. */
export function keepStandby(options: {
  readonly start: () => Child
  readonly log: Log
  readonly delay?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>
}): Standby {
  const { start, log } = options
  const {
    delay = (milliseconds, signal) => timeout(milliseconds, undefined, { signal, ref: false }),
  } = options
  const over = new AbortController()
  const { signal } = over
  let child: Child | undefined
  let taken = Promise.withResolvers<'taken'>()
  let reason = 'the server inside has not started yet'
  let ok = false
  const keep = async (): Promise<void> => {
    let pause = settledMilliseconds
    while (!signal.aborted) {
      child = start()
      taken = Promise.withResolvers()
      const settled = delay(settledMilliseconds, signal).then(
        () => 'settled' as const,
        () => 'taken' as const,
      )
      const first = await Promise.race([taken.promise, endOf(child), settled])
      if (first === 'settled') {
        ok = true
        pause = settledMilliseconds
      }
      const last = first === 'settled' ? await Promise.race([taken.promise, endOf(child)]) : first
      if (last === 'taken' || signal.aborted) continue
      child = undefined
      ok = false
      reason = `the server inside ${last.how}`
      log.error({}, reason)
      await delay(pause, signal).catch(() => {})
      pause = Math.min(pause * 2, pauseMillisecondsMax)
    }
  }
  const keeping = keep()
  return {
    take() {
      if (child?.isAlive() !== true) return undefined
      const given = child
      child = undefined
      taken.resolve('taken')
      return given
    },
    state: () => (ok ? { ok, reason: 'the server inside runs' } : { ok, reason }),
    async [Symbol.asyncDispose]() {
      over.abort()
      taken.resolve('taken')
      await child?.[Symbol.asyncDispose]()
      await keeping
    },
  }
}

async function endOf(child: Child): Promise<{ readonly how: string }> {
  return { how: await child.ended }
}
