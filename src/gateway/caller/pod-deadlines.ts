import { clearDeadline } from '../../deadline.ts'

/** Does the work once, so many milliseconds from now. Returns how to give it up. */
export type Timer = (milliseconds: number, work: () => void) => () => void

/** The longest delay that `setTimeout` keeps (2^31 - 1 ms); a longer one fires at once. */
const delayMillisecondsMax = 2_147_483_647

export const realTimer: Timer = (milliseconds, work) => {
  const timer = setTimeout(work, milliseconds).unref()
  return () => clearDeadline(timer)
}

/** When terminating pods are beyond their grace: no watch tells of it, because nothing of the object changes then. */
export interface PodDeadlines {
  /** Takes the place of what was known of this pod. */
  set(podUid: string, at: Date): void
  delete(podUid: string): void
  clear(): void
}

/** Calls `reached` at each deadline. */
export function createPodDeadlines(options: {
  readonly now: () => number
  readonly timer: Timer
  readonly reached: () => void
}): PodDeadlines {
  const { now, timer, reached } = options
  const waiting = new Map<string, { readonly time: number; readonly cancel: () => void }>()
  function remove(podUid: string): void {
    waiting.get(podUid)?.cancel()
    waiting.delete(podUid)
  }
  function wait(podUid: string, time: number): void {
    const milliseconds = Math.min(time - now(), delayMillisecondsMax)
    const cancel = timer(milliseconds, () => {
      waiting.delete(podUid)
      // Timers may be early, and the clock may have been set back.
      if (now() < time) wait(podUid, time)
      else reached()
    })
    waiting.set(podUid, { time, cancel })
  }
  return {
    set(podUid, at) {
      const time = at.getTime()
      if (waiting.get(podUid)?.time === time) return
      remove(podUid)
      if (now() < time) wait(podUid, time)
    },
    delete: remove,
    clear() {
      for (const podUid of waiting.keys()) remove(podUid)
    },
  }
}
