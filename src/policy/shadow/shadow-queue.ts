import type { Metrics } from '../../metrics.ts'
import type { Decided } from './shadow-question.ts'

/** What a decision is called, and by which policy it was taken. */
export interface Named {
  readonly decisionId: string
  readonly subject: string
  readonly digest: string
  /** How much of memory what was asked takes, about. */
  readonly octets: number
}

export interface Queued {
  readonly decided: Decided
  readonly named: Named
}

/** What waits for the candidate: some seconds of calls, and of large ones fewer. */
const waitingMax = 1024
const waitingOctetsMax = 4 * 1024 * 1024

/** What is handed over in one turn of those who decide. */
const batchMax = 64
const batchOctetsMax = 128 * 1024

/** Oldest first. What comes when it is full is dropped, and counted: nobody who calls waits. */
export function createShadowQueue(metrics: Metrics): {
  add(decided: Decided, named: Named): void
  take(): readonly Queued[]
  clear(): void
} {
  let waiting: Queued[] = []
  let octets = 0
  return {
    add(decided, named) {
      const isFull = waiting.length >= waitingMax || octets + named.octets > waitingOctetsMax
      if (isFull) {
        metrics.count('countersign_policy_shadow_dropped_total', {})
        return
      }
      waiting.push({ decided, named })
      octets += named.octets
    },
    take() {
      let [count, taken] = [0, 0]
      for (const { named } of waiting) {
        if (count === batchMax || (count > 0 && taken + named.octets > batchOctetsMax)) break
        count += 1
        taken += named.octets
      }
      octets -= taken
      return waiting.splice(0, count)
    },
    clear() {
      if (waiting.length > 0) {
        metrics.count('countersign_policy_shadow_dropped_total', {}, waiting.length)
      }
      waiting = []
      octets = 0
    },
  }
}
