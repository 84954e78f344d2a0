import { CountersignError } from '../errors.ts'

export interface PlacesOptions {
  readonly placesMax: number
  /** How long somebody waits for a place before it is told that there is none. */
  readonly waitMilliseconds: number
}

/** So many may be inside at a time; who comes then waits in order, and not for ever. */
export interface Places {
  /** Gives what leaves the place again. Throws `agent/connections` after the wait, and the signal's reason when it is aborted. */
  enter(signal: AbortSignal | undefined): Promise<() => void>
}

export function createPlaces({ placesMax, waitMilliseconds }: PlacesOptions): Places {
  const waiting = new Set<() => void>()
  let inside = 0

  function leaveOnce(): () => void {
    let isInside = true
    return () => {
      if (!isInside) return
      isInside = false
      const [next] = waiting
      // The place goes from hand to hand: who comes now is behind those that wait.
      if (next === undefined) inside -= 1
      else next()
    }
  }

  return {
    async enter(signal) {
      signal?.throwIfAborted()
      if (inside < placesMax) {
        inside += 1
        return leaveOnce()
      }
      const turn = Promise.withResolvers<void>()
      const giveUp = (): void => turn.reject(signal?.reason as Error)
      const timer = setTimeout(() => turn.reject(full(placesMax)), waitMilliseconds)
      signal?.addEventListener('abort', giveUp, { once: true })
      waiting.add(turn.resolve)
      try {
        await turn.promise
      } finally {
        clearTimeout(timer)
        signal?.removeEventListener('abort', giveUp)
        waiting.delete(turn.resolve)
      }
      return leaveOnce()
    },
  }
}

function full(placesMax: number): CountersignError {
  return new CountersignError(
    'agent/connections',
    `every connection to the server has a request on it: want<${placesMax} open requests`,
    { hint: 'read or cancel the bodies of answers, or give a higher connectionsMax' },
  )
}
