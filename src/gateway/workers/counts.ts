import { addMetrics, type MetricsSnapshot } from '../../metrics.ts'
import type { After, Place } from './place.ts'

/** What the workers have counted, of those that there are and of those that there were. */
export interface Counts {
  /** Asks them all; of one that does not answer in time, what it said before. */
  snapshots(): Promise<readonly MetricsSnapshot[]>
  counted(number: number, ask: number, snapshot: MetricsSnapshot): void
  /** No counter goes back because a process has ended. */
  retire(number: number): void
}

/** A metrics page waits no longer for anybody. */
const countMilliseconds = 2_000

export function createCounts(places: readonly Place<never>[], after: After): Counts {
  const last = new Map<number, MetricsSnapshot>()
  const asked = new Map<number, { readonly left: Set<number>; readonly done: () => void }>()
  let retired = Promise.resolve<MetricsSnapshot>([])
  let asks = 0

  function answered(ask: number, number: number): void {
    const open = asked.get(ask)
    open?.left.delete(number)
    if (open?.left.size === 0) open.done()
  }
  function all(ask: number): Promise<void> {
    const alive = places.filter(({ conditions }) => conditions !== undefined)
    return new Promise((resolve) => {
      const cancel = after(countMilliseconds, resolve)
      const done = (): void => {
        cancel()
        resolve()
      }
      asked.set(ask, { left: new Set(alive.map(({ number }) => number)), done })
      for (const place of alive) place.tell({ kind: 'count', ask })
      if (alive.length === 0) done()
    })
  }
  return {
    async snapshots() {
      const ask = (asks += 1)
      await all(ask)
      asked.delete(ask)
      return [await retired, ...last.values()]
    },
    counted(number, ask, snapshot) {
      last.set(number, snapshot)
      answered(ask, number)
    },
    retire(number) {
      const snapshot = last.get(number)
      last.delete(number)
      for (const ask of asked.keys()) answered(ask, number)
      if (snapshot === undefined) return
      retired = retired.then((before) => addMetrics([before, snapshot.filter(countsUp)]))
    },
  }
}

/** Of a process that has ended only what it had counted is still true. */
function countsUp(metric: object): boolean {
  return (metric as { readonly type?: string }).type !== 'gauge'
}
