/** The streams of sessions that are open in this process, by the sessions of their callers. */
export interface SessionStreams {
  /** Returns how it is taken out. */
  add(key: string, end: () => void): () => void
  /** The session is over. */
  endOf(key: string): void
  /** Whoever reads one opens another: elsewhere, where this process takes no more. */
  endAll(): void
}

export function createSessionStreams(): SessionStreams {
  const byKey = new Map<string, Set<() => void>>()
  function endEach(key: string): void {
    for (const end of byKey.get(key) ?? []) end()
  }
  return {
    add(key, end) {
      const own = byKey.get(key) ?? new Set()
      byKey.set(key, own.add(end))
      return () => {
        own.delete(end)
        if (own.size === 0 && byKey.get(key) === own) byKey.delete(key)
      }
    },
    endOf: endEach,
    endAll() {
      for (const key of byKey.keys()) endEach(key)
    },
  }
}
