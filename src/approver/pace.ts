/** How many in an hour, by key. */
export interface Pace {
  /** Takes one of the hour's at once: whoever asks meanwhile finds it taken. */
  take(key: string): Place
  /** One that came about without a place. */
  note(key: string): void
}

export interface Place {
  /** Until there is one; 0: it is taken. */
  readonly seconds: number
  /** Gives it back: nothing came of it. */
  release(): void
}

const hourMilliseconds = 3_600_000

/** Keys of an hour ago are forgotten, so there are as many as there were in one. */
export function createPace(options: {
  readonly perHour: number
  readonly now: () => number
}): Pace {
  const { perHour, now } = options
  /** By key, oldest first; each is an object of its own, to be found again. */
  const notes = new Map<string, readonly { readonly at: number }[]>()
  let sweptAt = now()

  function recent(key: string): readonly { readonly at: number }[] {
    return (notes.get(key) ?? []).filter(({ at }) => at > now() - hourMilliseconds)
  }

  function noted(key: string): { readonly at: number } {
    if (now() - sweptAt > hourMilliseconds) {
      sweptAt = now()
      for (const each of notes.keys()) if (recent(each).length === 0) notes.delete(each)
    }
    const one = { at: now() }
    notes.set(key, [...recent(key), one].slice(-perHour))
    return one
  }

  return {
    take(key) {
      const oldest = recent(key).at(-perHour)
      if (oldest !== undefined) {
        const seconds = Math.max(1, (oldest.at + hourMilliseconds - now()) / 1000)
        return { seconds, release: () => {} }
      }
      const one = noted(key)
      const release = (): void => {
        const others = recent(key).filter((each) => each !== one)
        if (others.length === 0) notes.delete(key)
        else notes.set(key, others)
      }
      return { seconds: 0, release }
    },
    note(key) {
      noted(key)
    },
  }
}
