/** How often one pod may have a certificate that it asked for by itself. */
export interface PodPace {
  /** Seconds until the pod may have another one; 0: now. */
  wait(podUid: string): number
  /** That it has one since then, in milliseconds. */
  note(podUid: string, at: number): void
}

/** An agent renews at half of an hour at the soonest, and may have been started again some times. */
export const certificatesPerHour = 10

const hourMilliseconds = 3_600_000

/** After so many notes those that are over are swept out. */
const sweepEvery = 1024

export function createPodPace(now: () => number): PodPace {
  const notes = new Map<string, readonly number[]>()
  let additions = 0
  const recent = (podUid: string): readonly number[] =>
    (notes.get(podUid) ?? []).filter((at) => at > now() - hourMilliseconds)
  return {
    wait(podUid) {
      const oldest = recent(podUid)
        .toSorted((a, b) => a - b)
        .at(-certificatesPerHour)
      return oldest === undefined ? 0 : Math.max(1, (oldest + hourMilliseconds - now()) / 1000)
    },
    note(podUid, at) {
      notes.set(podUid, [...recent(podUid), at].slice(-certificatesPerHour))
      additions += 1
      if (additions % sweepEvery !== 0) return
      for (const uid of notes.keys()) if (recent(uid).length === 0) notes.delete(uid)
    },
  }
}
