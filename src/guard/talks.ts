import { randomBytes } from 'node:crypto'
import { Bag } from '../bag.ts'
import { createShares, type Account, type SharePercents } from '../shares.ts'
import type { VerifiedCaller } from '../toolserver/caller.ts'
import type { Standby } from './standby.ts'
import { Talk } from './talk.ts'
import { invalidRequest, unavailable, type Unfit } from './unfit.ts'

/** The sessions that are open, so many and no more, and of those nobody has so many that none is left for the next. */
export interface Talks extends AsyncDisposable {
  begin(): Talk | Unfit
  /**
   * By what a request says its session is. A gateway opens sessions and lists on its own account; a session is that caller's, of those
   * who have a share, whom its first message with a token names.
   */
  find(sessionId: string | readonly string[] | undefined, caller: VerifiedCaller): Talk | Unfit
  end(talk: Talk): void
}

/** One that nobody uses for so long may end for another one; a gateway opens it anew. */
const idleMillisecondsMax = 600_000
/** One that is nobody's yet has nothing to lose. */
const unownedMillisecondsMax = 30_000

/** Of 16 sessions, an identity that is alone gets 7, a namespace 8, a tenant 9. */
const percents: SharePercents = {
  identitySharePercent: 50,
  namespaceSharePercent: 57,
  tenantSharePercent: 64,
}

export function createTalks(options: {
  readonly standby: Standby
  readonly sessionsMax: number
  readonly now: () => number
}): Talks {
  const { standby, sessionsMax, now } = options
  const talks = new Map<string, Talk>()
  const closing = new Bag<Talk>()
  const shares = createShares(sessionsMax, percents)

  const close = async (talk: Talk): Promise<void> => {
    closing.add(talk)
    await talk[Symbol.asyncDispose]()
    closing.delete(talk)
  }

  const end = (talk: Talk): void => {
    if (!talks.delete(talk.sessionId)) return
    if (talk.owner !== undefined) shares.give(talk.owner)
    void close(talk)
  }
  /** Undefined: it is theirs. */
  const own = (talk: Talk, caller: VerifiedCaller): Unfit | undefined => {
    const account = accountOf(caller)
    const full = shares.take(account)
    if (full === undefined) {
      talk.owner = account
      return undefined
    }
    end(talk)
    return unavailable(`share of the ${full} is used up: sessions`)
  }

  return {
    begin() {
      const isFull = (): boolean => talks.size >= sessionsMax
      const idle = [...talks.values()].filter(isForgotten)
      if (isFull()) for (const each of idle) end(each)
      if (isFull()) return unavailable('there are as many sessions as there may be')
      // A process may take seconds to end, and whoever ends session after session would have one more of them each time.
      if (closing.size >= sessionsMax) return unavailable('as many sessions end as there may be')
      const child = standby.take()
      if (child === undefined) return unavailable('the server inside does not run')
      const sessionId = randomBytes(24).toString('base64url')
      const talk: Talk = new Talk({ child, sessionId, now, over: () => end(talk) })
      talks.set(sessionId, talk)
      return talk
    },
    find(sessionId, caller) {
      if (typeof sessionId !== 'string') return noSession
      const talk = talks.get(sessionId)
      if (talk === undefined) return unknownSession
      if (caller.via !== 'gateway') return talk
      if (talk.owner === undefined) return own(talk, caller) ?? talk
      const [, , identity] = talk.owner
      return identity === caller.spiffeId ? talk : unknownSession
    },
    end,
    async [Symbol.asyncDispose]() {
      const left = [...talks.values(), ...closing.members()]
      talks.clear()
      await Promise.all(left.map((talk) => talk[Symbol.asyncDispose]()))
    },
  }
}

function isForgotten(talk: Talk): boolean {
  const most = talk.owner === undefined ? unownedMillisecondsMax : idleMillisecondsMax
  return talk.idleMilliseconds() > most
}

/** The account of a caller by its SPIFFE ID alone, `spiffe://<trust domain>/ns/<namespace>/sa/<name>`: no two trust domains share a tenant. */
function accountOf({ spiffeId, tenant }: VerifiedCaller): Account {
  const namespace = spiffeId.split('/').slice(0, 5).join('/')
  const [, , trustDomain = ''] = spiffeId.split('/')
  return [tenant === undefined ? namespace : `${tenant} of ${trustDomain}`, namespace, spiffeId]
}

const noSession: Unfit = {
  status: 400,
  code: invalidRequest,
  message: 'want=mcp-session-id of a session that initialize has opened',
}

/** The one answer after which a client opens another one (MCP 2025-11-25 transports, session management). */
const unknownSession: Unfit = { status: 404, code: invalidRequest, message: 'no such session' }
