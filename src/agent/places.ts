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
      else {
        waiting.delete(next)
        next()
      }
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
      // At once, and not when the wait is known to be over: nobody may be handed a place that will not take it.
      const leaveLine = (reason: Error): void => {
        if (waiting.delete(turn.resolve)) turn.reject(reason)
      }
      const giveUp = (): void => leaveLine(signal?.reason as Error)
      const timer = setTimeout(() => leaveLine(full(placesMax)), waitMilliseconds)
      signal?.addEventListener('abort', giveUp, { once: true })
      waiting.add(turn.resolve)
      try {
        await turn.promise
      } finally {
        clearTimeout(timer)
        signal?.removeEventListener('abort', giveUp)
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
