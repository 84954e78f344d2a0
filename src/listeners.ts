/** Those who want to be told that something is another now; what it is they look at themselves. */
export interface Listeners {
  /** Gives how to stop listening. */
  readonly onChange: (listener: () => void) => () => void
  readonly tell: () => void
  readonly clear: () => void
}

export function createListeners(): Listeners {
  const listeners = new Set<() => void>()
  return {
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    tell() {
      for (const listener of listeners) listener()
    },
    clear: () => listeners.clear(),
  }
}
