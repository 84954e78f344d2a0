/** Lets those wait who need room that somebody else makes. */
export interface Room {
  /** Whether there is room: at once where there is, else as soon as there is; false when it takes too long. */
  wait(): Promise<boolean>
  /** Nobody waits any longer. */
  close(): void
}

/** How often it is looked for room, while somebody waits for it. */
const lookMilliseconds = 10

/** How many may go on before it is looked again: together they take far less than half of the room. */
const admittedMax = 8

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

  function answer(count: number, there: boolean): void {
    const answered = waiting.slice(0, count)
    waiting = waiting.slice(count)
    for (const resolve of answered) resolve(there)
  }
  async function look(): Promise<void> {
    while (since !== undefined) {
      await delay(lookMilliseconds)
      if (closed) return
      if (isThere()) {
        answer(admittedMax, true)
        since = waiting.length === 0 ? undefined : elapsed()
      } else if (elapsed() - since >= waitMilliseconds) answer(waiting.length, false)
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
      answer(waiting.length, false)
    },
  }
}
