import { createTokenBucket } from '../../kubernetes/token-bucket.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { PodEvent } from '../issue/ports.ts'

/** In a calm hour every certificate is told; a write to the API server beside each would double what a storm costs it. */
const tokensMax = 25
const tokensPerSecond = 5

/** While more requests wait, what went well is not told at all: what they wait for is their certificates. */
const calmDepthMax = 64

/** So many are on their way at once, beside the writes that requests wait for. */
const openMax = 4

/** What is kept of failures that are still to be told; a pod that waits is told again later. */
const waitingMax = 4096

/** Pods and reasons that were told; one that was forgotten counts as new. */
const toldMax = 16_384

export interface PodEventsOptions {
  /** Rejects where the event was not written. */
  readonly write: (event: PodEvent) => Promise<void>
  /** Whether there is that pod: a request may name any. */
  readonly knows: (pod: PodEvent['pod']) => boolean
  /** How many requests wait. */
  readonly depth: () => number
  /** Milliseconds of a clock that only goes forward. */
  readonly clock: () => number
  readonly log: Log
  readonly metrics: Metrics
}

/**
 * Gives what takes events. The first failure of a known pod for a reason takes no token, however many pods fail: it is lost only where
 * too many wait or two writes fail, and then the next is the first again. Whatever is repeated, went well, or is of a pod that is not
 * known takes a token.
 */
export function createPodEvents(options: PodEventsOptions): (event: PodEvent) => void {
  const { write, knows, depth, clock, log, metrics } = options
  const takeToken = createTokenBucket({ tokensMax, tokensPerSecond, clock })
  const told = new Set<string>()
  const waiting: { readonly event: PodEvent; readonly isLast: boolean }[] = []
  let open = 0

  function count(outcome: 'written' | 'failed' | 'withheld' | 'lost'): void {
    metrics.count('countersign_signer_events_total', { outcome })
  }
  function isFirstFailure(event: PodEvent): boolean {
    if (event.type !== 'Warning' || !knows(event.pod)) return false
    const key = keyOf(event)
    const isFirst = !told.delete(key)
    // The one that was told last is forgotten last.
    told.add(key)
    for (const oldest of told) {
      if (told.size <= toldMax) break
      told.delete(oldest)
    }
    return isFirst
  }
  /** Takes a place, or waits for one. */
  function place(event: PodEvent, isLast: boolean): void {
    if (open < openMax) return send(event, isLast)
    if (waiting.length < waitingMax) return void waiting.push({ event, isLast })
    told.delete(keyOf(event))
    count('lost')
  }
  function send(event: PodEvent, isLast: boolean): void {
    open += 1
    write(event)
      .then(
        () => count('written'),
        (error: unknown) => {
          log.debug({ error, pod: event.pod.name }, 'event was not written')
          if (isLast) {
            told.delete(keyOf(event))
            count('failed')
          } else waiting.push({ event, isLast: true })
        },
      )
      .finally(() => {
        open -= 1
        const next = waiting.shift()
        if (next !== undefined) send(next.event, next.isLast)
      })
  }
  return (event) => {
    if (!isFirstFailure(event)) {
      const isCalm = event.type === 'Warning' || depth() <= calmDepthMax
      if (!isCalm || !takeToken()) return count('withheld')
    }
    // What went well is not worth a second write.
    place(event, event.type !== 'Warning')
  }
}

function keyOf({ pod, reason }: PodEvent): string {
  return `${pod.uid} ${reason}`
}
