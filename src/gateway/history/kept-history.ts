import { nothingKept, type KeptFacts } from '../../policy/history.ts'
import { createShares, type Account, type Full, type SharePercents } from '../../shares.ts'
import type { HistoryStore, HistoryTurn } from './history-store.ts'

export interface KeptHistoryOptions extends SharePercents {
  /** Identities of which something is kept at a time. */
  readonly historyIdentitiesMax: number
  readonly now: () => number
  /** Does the work once, so many milliseconds from now; gives how to give it up. */
  readonly after?: (milliseconds: number, work: () => void) => () => void
}

/** Those who decide about one identity, one after the other. */
interface Line {
  /** Whose turn it is: a turn that is over is none any more. */
  holder: object
  readonly waiting: (() => void)[]
  cancel: (() => void) | undefined
}

/** Whoever has the turn for longer, while others wait, has died or hangs: it takes a millisecond. */
const turnMillisecondsMax = 1000

/** What has passed is looked for no oftener, where there is no room: whoever asks for room again and again makes nobody search. */
const sweepMilliseconds = 1000

function afterTimeout(milliseconds: number, work: () => void): () => void {
  const timer = setTimeout(work, milliseconds)
  return () => clearTimeout(timer)
}

/** Histories in the memory of this process, each decided on by one at a time. */
export function createKeptHistory(options: KeptHistoryOptions): HistoryStore {
  const { after = afterTimeout } = options
  const kept = createFacts(options)
  const lines = new Map<string, Line>()

  function next(identity: string, line: Line): void {
    line.cancel?.()
    line.cancel = undefined
    line.holder = {}
    const go = line.waiting.shift()
    if (go === undefined) lines.delete(identity)
    else go()
  }
  function watch(identity: string, line: Line): void {
    if (line.waiting.length === 0) return
    line.cancel ??= after(turnMillisecondsMax, () => next(identity, line))
  }
  function turnIn(line: Line, account: Account): HistoryTurn {
    const [, , identity] = account
    const self = {}
    line.holder = self
    watch(identity, line)
    const isOver = (): boolean => line.holder !== self
    const end = (): void => {
      if (!isOver()) next(identity, line)
    }
    return {
      kept: kept.of(identity),
      keep(facts, until) {
        if (isOver()) return 'late'
        const full = kept.keep(account, facts, until)
        end()
        return full === undefined ? 'kept' : { full }
      },
      end,
    }
  }
  return {
    take(account) {
      const [, , identity] = account
      const open = lines.get(identity)
      if (open === undefined) {
        const line: Line = { holder: {}, waiting: [], cancel: undefined }
        lines.set(identity, line)
        return turnIn(line, account)
      }
      return new Promise((resolve) => {
        open.waiting.push(() => resolve(turnIn(open, account)))
        watch(identity, open)
      })
    },
    get size() {
      return kept.size()
    },
  }
}

interface Kept {
  readonly facts: KeptFacts
  readonly until: number
  readonly account: Account
}

/**
 * What still counts is never forgotten for another identity's: whoever could make that happen would have no history. Where there is no room for
 * one more identity, nothing of it is kept, and what is not kept is not permitted.
 */
function createFacts(options: KeptHistoryOptions): {
  of(identity: string): KeptFacts
  keep(account: Account, facts: KeptFacts, until: number): Full | undefined
  size(): number
} {
  const { historyIdentitiesMax, now } = options
  const room = createShares(historyIdentitiesMax, options)
  const kept = new Map<string, Kept>()
  let sweptAt = Number.NEGATIVE_INFINITY

  function forgetPassed(identity: string, at: number): void {
    const known = kept.get(identity)
    if (known === undefined || known.until > at) return
    kept.delete(identity)
    room.give(known.account)
  }
  function sweep(at: number): void {
    if (Math.abs(at - sweptAt) < sweepMilliseconds) return
    sweptAt = at
    for (const identity of kept.keys()) forgetPassed(identity, at)
  }
  function makeRoom(account: Account): Full | undefined {
    if (room.full(account) !== undefined) sweep(now())
    return room.take(account)
  }
  return {
    of(identity) {
      forgetPassed(identity, now())
      return kept.get(identity)?.facts ?? nothingKept
    },
    keep(account, facts, until) {
      const [, , identity] = account
      const known = kept.get(identity)
      const full = known === undefined ? makeRoom(account) : undefined
      if (full !== undefined) return full
      kept.set(identity, { facts, until, account: known?.account ?? account })
      return undefined
    },
    size() {
      sweep(now())
      return kept.size
    },
  }
}

/** That of a process which serves alone: several that kept beside each other would each permit what all of them together may not. */
export function createOwnHistory({
  workers = 1,
  ...options
}: KeptHistoryOptions & { readonly workers?: number | undefined }): HistoryStore | undefined {
  return workers === 1 ? createKeptHistory(options) : undefined
}
