import type { Condition } from '../readiness.ts'

const none: readonly Condition[] = []

/** Which conditions are not met yet. Once all were, it is not asked again: the hot path pays nothing for the start. */
export function createReadiness(
  ready: (() => readonly Condition[]) | undefined,
): () => readonly Condition[] {
  let isReady = ready === undefined
  return () => {
    if (isReady || ready === undefined) return none
    const unmet = ready().filter(({ ok, optional }) => !ok && optional !== true)
    isReady = unmet.length === 0
    return unmet
  }
}
