import { randomUUID } from 'node:crypto'
import type { StayPart } from '../stay.ts'
import { createShares, type Account, type Full, type SharePercents } from '../../shares.ts'
import type { Call } from '../call.ts'
import type { Talk } from './talk.ts'

/** Where a call of a client without sessions has a session to itself. */
export interface Place {
  /** Of the session, among those of its caller. */
  readonly number: number
  /** Keeps it until what is given is called. */
  keep(): () => void
}

/** The calls that legacy servers may ask their modern clients something in, as long as they are open there. */
export interface Talks {
  /** Its number here; or whose share of all is used up. */
  open(talk: Talk, account: Account): number | Full
  close(number: number, account: Account): void
  /** What a client brings back with its answers says which call goes on, here and now. */
  find(
    state: string,
  ): (Suspended & Pick<Call, 'approved' | 'pageRounds'> & { readonly stay: StayPart }) | undefined
  /** The text of that. */
  stateOf(suspended: Suspended): string
  /** Undefined: it has ended, or has gone on since. */
  get(suspended: Suspended): Talk | undefined
  /** The first session of these that no other call is in. */
  place(sessions: string): Place
  /** Whose they are, who need not be connected. */
  callers(): ReadonlySet<Call['caller']>
  /** The caller is no more. */
  endOwner(owner: string): void
  endAll(): void
  readonly size: number
}

export interface TalksOptions {
  readonly limits: SharePercents & { readonly asksMax: number }
}

export type Suspended = Required<Call>['suspended']

interface State extends Suspended {
  /** This process, among all that it may be shown to. */
  readonly by: string
}

export function createTalks({ limits }: TalksOptions): Talks {
  const by = randomUUID()
  const shares = createShares(limits.asksMax, limits)
  const talks = new Map<number, Talk>()
  const places = new Map<string, Map<number, number>>()
  let numbers = 0

  function get({ number, round }: Suspended): Talk | undefined {
    const talk = talks.get(number)
    return talk?.isSuspendedIn(round) === true ? talk : undefined
  }
  function leave(sessions: string, number: number): void {
    const taken = places.get(sessions)
    const keepers = (taken?.get(number) ?? 1) - 1
    if (keepers > 0) taken?.set(number, keepers)
    else taken?.delete(number)
    if (taken?.size === 0) places.delete(sessions)
  }
  return {
    open(talk, account) {
      const full = shares.take(account)
      if (full !== undefined) return full
      numbers += 1
      talks.set(numbers, talk)
      return numbers
    },
    close(number, account) {
      if (talks.delete(number)) shares.give(account)
    },
    find(text) {
      const state = JSON.parse(text) as State
      const talk = state.by === by ? get(state) : undefined
      const { number, round } = state
      if (talk === undefined) return undefined
      const { pageRounds } = talk.permit.call
      return { number, round, stay: talk.stay, approved: talk.permit.duties.approved, pageRounds }
    },
    stateOf: (suspended) => JSON.stringify({ by, ...suspended } satisfies State),
    get,
    place(sessions) {
      const taken = places.get(sessions) ?? new Map<number, number>()
      places.set(sessions, taken)
      let number = 0
      while (taken.has(number)) number += 1
      taken.set(number, 0)
      return {
        number,
        keep() {
          taken.set(number, (taken.get(number) ?? 0) + 1)
          let isKept = true
          return () => {
            if (isKept) leave(sessions, number)
            isKept = false
          }
        },
      }
    },
    callers: () => new Set([...talks.values()].map(({ permit }) => permit.call.caller)),
    endOwner(owner) {
      for (const talk of talks.values()) if (talk.owner === owner) talk.giveUp()
    },
    endAll() {
      for (const talk of talks.values()) talk.giveUp()
    },
    get size() {
      return talks.size
    },
  }
}
