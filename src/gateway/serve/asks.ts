import { randomUUID } from 'node:crypto'
import type { ResponseMessage } from '../../mcp/message.ts'
import type { Ask } from '../handle/ask-id.ts'
import type { Refused } from '../refusal.ts'
import type { Soon } from '../soon.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import { createShares, type Account, type Full, type SharePercents } from '../../shares.ts'

/** What a server has asked of a caller, as long as somebody waits for the answer. */
export interface OpenAsk {
  readonly account: Account
  /** Of the caller's session. */
  readonly key: string
  readonly server: string
  /** The token under which the server wants to be told of progress, if it does. */
  readonly progressToken: string | number | undefined
  /** Whether policy, as it is now, still lets it be asked. */
  readonly permits: () => Soon<Refused | undefined>
  /** Somebody has answered. Called once, and then it is open no more. */
  readonly answered: (response: ResponseMessage) => void
  /** Its server has not taken the answer, and whatever needs that ends so. */
  readonly broken?: (failure: ExchangeFailure) => void
}

/** The requests of servers that are open with callers of this process. */
export interface Asks {
  /** This process, among all that may be answered to. */
  readonly by: string
  /** Its number here; or whose share of all is used up. */
  open(ask: OpenAsk): number | Full
  close(number: number): void
  /** The same, as long as it is open in this process. */
  find(ask: Ask): OpenAsk | undefined
  /** Whether one that is answered now is to be told to its server: once, and of this process only while somebody waits. */
  take(ask: Ask, response: ResponseMessage): boolean
  /** The servers that want to be told of this progress. */
  serversOf(progress: Pick<OpenAsk, 'key'> & { readonly token: unknown }): readonly string[]
  readonly size: number
}

export interface AsksOptions {
  readonly limits: SharePercents & { readonly asksMax: number }
  readonly now: () => number
}

/** So many answers to what other processes have carried are remembered, so that each counts once here. */
const takenMax = 10_000

export function createAsks({ limits, now }: AsksOptions): Asks {
  const by = randomUUID()
  const shares = createShares(limits.asksMax, limits)
  const asks = new Map<number, OpenAsk>()
  const taken = new Map<string, number>()
  let numbers = 0

  function close(number: number): void {
    const ask = asks.get(number)
    if (ask === undefined) return
    asks.delete(number)
    shares.give(ask.account)
  }
  /** What has ended is forgotten; of what has not, the oldest where there is too much. */
  function makeRoom(): void {
    for (const [name, endsAt] of taken) {
      if (endsAt > now() && taken.size < takenMax) return
      taken.delete(name)
    }
  }
  function takeOfAnother({ by: other, number, endsAt }: Ask): boolean {
    const name = `${other} ${number}`
    if (taken.has(name)) return false
    makeRoom()
    taken.set(name, endsAt)
    return true
  }
  return {
    by,
    open(ask) {
      const full = shares.take(ask.account)
      if (full !== undefined) return full
      numbers += 1
      asks.set(numbers, ask)
      return numbers
    },
    close,
    find: (ask) => (ask.by === by ? asks.get(ask.number) : undefined),
    take(ask, response) {
      if (now() >= ask.endsAt) return false
      if (ask.by !== by) return takeOfAnother(ask)
      const open = asks.get(ask.number)
      close(ask.number)
      open?.answered(response)
      return open !== undefined
    },
    serversOf({ key, token }) {
      if (token === undefined) return []
      const meant = [...asks.values()].filter(
        (ask) => ask.key === key && ask.progressToken === token,
      )
      return [...new Set(meant.map(({ server }) => server))]
    },
    get size() {
      return asks.size
    },
  }
}
