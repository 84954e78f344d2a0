import { randomUUID } from 'node:crypto'
import type { KeptFacts } from '../../policy/history.ts'
import type { Account } from '../../shares.ts'
import type { HistoryStore, HistoryTurn } from './history-store.ts'

/** What a process asks the one that keeps the histories. An ask has a name that no other process gives. */
export type HistoryAsk =
  | { readonly kind: 'take'; readonly ask: string; readonly account: Account }
  | {
      readonly kind: 'keep'
      readonly ask: string
      readonly facts: KeptFacts
      readonly until: number
    }
  | { readonly kind: 'end'; readonly ask: string }

type Outcome = Awaited<ReturnType<HistoryTurn['keep']>>

export type HistoryAnswer =
  | { readonly kind: 'turn'; readonly ask: string; readonly kept: KeptFacts }
  | { readonly kind: 'outcome'; readonly ask: string; readonly outcome: Outcome }

/** The histories of one process, for others. */
export interface HistoryServer {
  /** Takes what a process asks. */
  hear(asker: number, ask: HistoryAsk, answer: (answer: HistoryAnswer) => void): Promise<void>
  /** It has ended: it has no turn any more, and is answered nothing. */
  gone(asker: number): void
}

export function serveHistory(store: HistoryStore): HistoryServer {
  const askers = new Map<number, Map<string, HistoryTurn>>()

  async function take(
    open: Map<string, HistoryTurn>,
    { ask, account }: Extract<HistoryAsk, { kind: 'take' }>,
    isThere: () => boolean,
  ): Promise<KeptFacts | undefined> {
    const turn = await store.take(account)
    if (turn === undefined) return undefined
    if (!isThere()) {
      turn.end()
      return undefined
    }
    open.set(ask, turn)
    return turn.kept
  }
  return {
    async hear(asker, message, answer) {
      const open = askers.get(asker) ?? new Map<string, HistoryTurn>()
      askers.set(asker, open)
      const isThere = (): boolean => askers.get(asker) === open
      const { ask } = message
      if (message.kind === 'take') {
        const kept = await take(open, message, isThere)
        if (kept !== undefined) answer({ kind: 'turn', ask, kept })
        return
      }
      const turn = open.get(ask)
      open.delete(ask)
      if (message.kind === 'end') {
        turn?.end()
        return
      }
      const outcome = (await turn?.keep(message.facts, message.until)) ?? 'late'
      if (isThere()) answer({ kind: 'outcome', ask, outcome })
    },
    gone(asker) {
      const open = askers.get(asker)
      askers.delete(asker)
      for (const turn of open?.values() ?? []) turn.end()
    },
  }
}

/** Histories that another process keeps. */
export interface CarriedHistory extends HistoryStore {
  /** Takes what the other process answers. */
  hear(answer: HistoryAnswer): void
}

/** Whoever does not answer for so long keeps nothing that a call could wait for. */
const answerMillisecondsMax = 3000

function afterTimeout(milliseconds: number, work: () => void): () => void {
  const timer = setTimeout(work, milliseconds)
  return () => clearTimeout(timer)
}

/** Asks another process for its histories. What is not answered in time is not known, and what is not said to be kept is not. */
export function createCarriedHistory(options: {
  readonly send: (ask: HistoryAsk) => void
  readonly after?: (milliseconds: number, work: () => void) => () => void
}): CarriedHistory {
  const { send, after = afterTimeout } = options
  const process = randomUUID()
  const waiting = new Map<string, (answer: HistoryAnswer) => void>()
  let asks = 0

  function ask(question: HistoryAsk): Promise<HistoryAnswer | undefined> {
    return new Promise((resolve) => {
      const cancel = after(answerMillisecondsMax, () => {
        waiting.delete(question.ask)
        resolve(undefined)
      })
      waiting.set(question.ask, (answer) => {
        cancel()
        resolve(answer)
      })
      send(question)
    })
  }
  return {
    async take(account) {
      asks += 1
      const name = `${process} ${asks}`
      let ended = false
      const end = (): void => {
        if (!ended) send({ kind: 'end', ask: name })
        ended = true
      }
      const turn = await ask({ kind: 'take', ask: name, account })
      if (turn?.kind !== 'turn') {
        // It may be given still, and nobody would end it.
        end()
        return undefined
      }
      return {
        kept: turn.kept,
        async keep(facts, until) {
          if (ended) return 'late'
          ended = true
          const kept = await ask({ kind: 'keep', ask: name, facts, until })
          return kept?.kind === 'outcome' ? kept.outcome : 'late'
        },
        end,
      }
    },
    hear(answer) {
      const resolve = waiting.get(answer.ask)
      waiting.delete(answer.ask)
      if (resolve !== undefined) resolve(answer)
      // Nobody waits for it any more, and others do.
      else if (answer.kind === 'turn') send({ kind: 'end', ask: answer.ask })
    },
    // Whoever keeps them tells how many there are.
    size: 0,
  }
}
