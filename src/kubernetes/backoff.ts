import { setTimeout as sleep } from 'node:timers/promises'

/** Waits; rejects when the signal aborts. */
export type Delay = (milliseconds: number, signal: AbortSignal) => Promise<void>

export const realDelay: Delay = (milliseconds, signal) => sleep(milliseconds, undefined, { signal })

export interface BackoffConfig {
  readonly baseSeconds: number
  readonly maxSeconds: number
}

/** Doubles with each failure up to the limit, and lies anywhere in the upper half, so that many clients spread. */
export function backoffMilliseconds(
  config: BackoffConfig,
  failures: number,
  random: () => number,
): number {
  const doubled = config.baseSeconds * 2 ** Math.min(Math.max(failures - 1, 0), 40)
  return Math.min(doubled, config.maxSeconds) * 1000 * (0.5 + random() / 2)
}
