import type { Upstream } from './upstream.ts'

/**
 * The upstreams that were not there a moment ago. Who asks several at once does not wait for those again: one request in each pause
 * tries, and the others do without.
 */
export interface Absences {
  /** Whether to ask it, in which case nobody else will for a while where it is away. */
  mayAsk(upstream: Upstream): boolean
  isAway(upstream: Upstream): boolean
  /** It has not answered. */
  away(upstream: Upstream): void
  /** It has. */
  back(upstream: Upstream): void
}

export function createAbsences(options: {
  readonly now: () => number
  readonly pauseMilliseconds: number
}): Absences {
  const { now, pauseMilliseconds } = options
  /** When each may be tried again. */
  const tryAgainAt = new WeakMap<Upstream, number>()
  const pause = (upstream: Upstream): void => {
    tryAgainAt.set(upstream, now() + pauseMilliseconds)
  }
  return {
    mayAsk(upstream) {
      const at = tryAgainAt.get(upstream)
      if (at === undefined) return true
      if (now() < at) return false
      pause(upstream)
      return true
    },
    isAway: (upstream) => tryAgainAt.has(upstream),
    away: pause,
    back: (upstream) => void tryAgainAt.delete(upstream),
  }
}
