/** Lets those wait who need room that somebody else makes. */
export interface Room {
  /**
   * Whether there is room: at once where there is, else as soon as there is; false when it takes too long. Whoever goes on looks once
   * more, because somebody who has not waited may have been faster.
   */
  wait(): Promise<boolean>
  /** Nobody waits any longer. */
  close(): void
}

/** How often it is looked for room, while somebody waits for it. */
const lookMilliseconds = 10

/**
 * The bound is on how long there is no room, and not on how long each one waits: what lasts longer than that is refused at once, so that
 * nobody waits in vain behind a disk that is full.
 */
export function createRoom(options: {
  readonly isThere: () => boolean
  readonly waitMilliseconds: number
  /** Milliseconds of a monotonic clock. */
  readonly elapsed: () => number
  readonly delay: (milliseconds: number) => Promise<unknown>
}): Room {
  const { isThere, waitMilliseconds, elapsed, delay } = options
  let waiting: ((there: boolean) => void)[] = []
  /** Since when there is none; undefined while nobody has found that. */
  let since: number | undefined
  let closed = false

  function turnAway(): void {
    const all = waiting
    waiting = []
    for (const resolve of all) resolve(false)
  }
  /** One goes on at a time: what it takes is taken before it is looked again, so that nobody is told of room that another takes. */
  async function look(): Promise<void> {
    let pause = lookMilliseconds
    while (since !== undefined) {
      await delay(pause)
      if (closed) return
      pause = lookMilliseconds
      if (isThere()) {
        waiting.shift()?.(true)
        since = waiting.length === 0 ? undefined : elapsed()
        pause = 0
      } else if (elapsed() - since >= waitMilliseconds) turnAway()
    }
  }
  return {
    wait() {
      if (closed) return Promise.resolve(false)
      if (isThere() && waiting.length === 0) return Promise.resolve(true)
      if (since === undefined) {
        since = elapsed()
        void look()
      } else if (elapsed() - since >= waitMilliseconds) return Promise.resolve(false)
      return new Promise((resolve) => waiting.push(resolve))
    },
    close() {
      closed = true
      turnAway()
    },
  }
}
