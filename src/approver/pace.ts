/** How often one node may have a certificate of one signer. */
export interface ApprovalPace {
  /** Seconds until it may have another one; 0: now. */
  wait(key: string): number
  /** That one is approved now. */
  note(key: string): void
}

const hourMilliseconds = 3_600_000

/** Only of what was approved: there are as many keys as there are nodes. */
export function createApprovalPace(options: {
  readonly perHour: number
  readonly now: () => number
}): ApprovalPace {
  const { perHour, now } = options
  const notes = new Map<string, readonly number[]>()
  const recent = (key: string): readonly number[] =>
    (notes.get(key) ?? []).filter((at) => at > now() - hourMilliseconds)
  return {
    wait(key) {
      const oldest = recent(key).at(-perHour)
      return oldest === undefined ? 0 : Math.max(1, (oldest + hourMilliseconds - now()) / 1000)
    },
    note(key) {
      for (const each of notes.keys()) if (recent(each).length === 0) notes.delete(each)
      notes.set(key, [...recent(key), now()].slice(-perHour))
    },
  }
}
