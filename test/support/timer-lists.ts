import type { TestContext } from 'node:test'

/** Of the timers that are set from now on in a test. */
export interface TimerLists {
  /** The durations, at least so many milliseconds, of which a list is kept. */
  kept(millisecondsMin: number): readonly number[]
}

export function watchTimerLists(t: TestContext): TimerLists {
  const real = globalThis.setTimeout as (...all: readonly unknown[]) => NodeJS.Timeout
  const seen: { readonly milliseconds: number; readonly list: unknown }[] = []
  function watched(...all: readonly unknown[]): NodeJS.Timeout {
    const timer = real(...all)
    seen.push({ milliseconds: Number(all[1]), list: listOf(timer) })
    return timer
  }
  t.mock.method(globalThis, 'setTimeout', watched as typeof setTimeout)
  return {
    kept: (millisecondsMin) =>
      seen.flatMap(({ milliseconds, list }) => {
        if (!(milliseconds >= millisecondsMin)) return []
        // It is in the list that there is, and leaves it there.
        const next = real(() => {}, milliseconds).unref()
        const isKept = listOf(next) === list
        clearTimeout(next)
        return isKept ? [milliseconds] : []
      }),
  }
}

/** Node has a list of timers for each duration: whether it keeps one is seen by no other means than this member. */
const listMember = '_idlePrev'

function listOf(timer: NodeJS.Timeout): unknown {
  return (timer as unknown as Readonly<Record<string, unknown>>)[listMember]
}
