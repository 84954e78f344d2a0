import type { Account, Full } from '../../shares.ts'
import type { HistoryStore, HistoryTurn } from '../history/history-store.ts'
import { noRoom, retrySoon, unavailable, type Refusal } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import type { CallTexts } from '../../policy/asked.ts'
import type { Authorizer, Evaluated } from '../../policy/authorizer.ts'
import type { Decision } from '../../policy/decision.ts'
import {
  countedAt,
  formatHistory,
  isToKeep,
  keepNow,
  namesToKeep,
  type DeclaredFacts,
} from '../../policy/history.ts'
import type { InputText } from '../../policy/input.ts'

/** What policy is told of the moment that it is asked at. */
export interface Moment {
  /** RFC 3339. */
  readonly time: string
  /** What was kept of the caller; undefined where policy has nothing kept. */
  readonly history?: InputText
}

/** What policy has said, and whether what it wants kept is kept. */
export interface Remembered {
  readonly evaluated: Evaluated<Decision>
  /** Why it is not: nothing may follow from the permit. */
  readonly unkept?: 'late' | { readonly full: Full }
  /** What is left to carry out. */
  readonly obligations: Decision['obligations']
}

/** Asks policy about somebody, by texts that are made at that moment; undefined: what was kept of them is not known, and nobody was asked. */
export type AskRemembering = (
  account: Account,
  textsAt: (moment: Moment) => CallTexts,
) => Soon<Remembered | undefined>

/**
 * Policy is asked with what was kept of an identity, and what the permit wants kept is kept before anything follows from it and before anybody
 * else is permitted anything by that identity: of two calls at a time the later one is decided on with what the earlier one has left.
 */
export function createAskRemembering(options: {
  readonly authorizer: Authorizer
  /** Undefined: nothing can be kept here. */
  readonly history?: HistoryStore | undefined
  readonly now: () => number
}): AskRemembering {
  const { authorizer, history, now } = options

  function ask(textsAt: (moment: Moment) => CallTexts): Remembered {
    const evaluated = authorizer.decide(textsAt({ time: timeAt(now()) }))
    return { evaluated, obligations: evaluated.value.obligations }
  }
  /** The time is that of the turn: who has waited for it is decided on now. */
  function askIn(
    turn: HistoryTurn,
    declared: DeclaredFacts,
    textsAt: (moment: Moment) => CallTexts,
  ): Soon<Remembered> {
    const at = now()
    const counted = countedAt(declared, turn.kept, at)
    const history = formatHistory(counted)
    const evaluated = authorizer.decide(textsAt({ time: timeAt(at), history }))
    const { allow, obligations } = evaluated.value
    const names = allow ? namesToKeep(obligations, declared) : []
    if (names.length === 0) return { evaluated, obligations }
    const { facts, until } = keepNow(declared, counted, { names, at })
    return whenThere(turn.keep(facts, until), (outcome) =>
      outcome === 'kept'
        ? { evaluated, obligations: obligations.filter((each) => !isToKeep(each)) }
        : { evaluated, obligations, unkept: outcome },
    )
  }

  return (account, textsAt) => {
    if (authorizer.facts === undefined) return ask(textsAt)
    return whenThere(history?.take(account), (turn) => {
      if (turn === undefined) return undefined
      try {
        // Another policy may have come into force while others had their turns.
        const { facts } = authorizer
        return facts === undefined ? ask(textsAt) : askIn(turn, facts, textsAt)
      } finally {
        turn.end()
      }
    })
  }
}

/** Why nothing may follow from a permit of which nothing is kept. */
export function whyUnkept(unkept: NonNullable<Remembered['unkept']>): {
  readonly code: 'history-unavailable' | 'history-full'
  readonly refusal: Refusal
} {
  if (unkept !== 'late') return { code: 'history-full', refusal: noRoom('histories', unkept.full) }
  const message = 'what was permitted before is not known now'
  return { code: 'history-unavailable', refusal: unavailable(503, message, { headers: retrySoon }) }
}

function timeAt(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
