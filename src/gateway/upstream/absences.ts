import type { Upstream } from './upstream.ts'

/**
 * The upstreams that gave no answer a moment ago. Who asks several at once does not wait for those again: one request in each pause
 * tries, and the others do without.
 */
export interface Absences {
  /** Whether to ask it, in which case nobody else will for a while where it is away. */
  mayAsk(upstream: Upstream): boolean
  /** It has kept its caller waiting. */
  silent(upstream: Upstream): void
  /** It has cut a connection, as a server does that is started anew. */
  broken(upstream: Upstream): void
  /** It has. */
  back(upstream: Upstream): void
}

/** A server that is started anew is back within a second or two, and one caller a second finds out. */
const brokenMilliseconds = 1000

export function createAbsences(options: {
  readonly now: () => number
  readonly pauseMilliseconds: number
}): Absences {
  const { now, pauseMilliseconds } = options
  /** When each may be tried again. */
  const tryAgainAt = new WeakMap<Upstream, number>()
  const pause = (upstream: Upstream, milliseconds = pauseMilliseconds): void => {
    tryAgainAt.set(upstream, now() + milliseconds)
  }
  return {
    mayAsk(upstream) {
      const at = tryAgainAt.get(upstream)
      if (at === undefined) return true
      if (now() < at) return false
      pause(upstream)
      return true
    },
    silent: (upstream) => pause(upstream),
    broken: (upstream) => pause(upstream, Math.min(pauseMilliseconds, brokenMilliseconds)),
    back: (upstream) => void tryAgainAt.delete(upstream),
  }
}
