import { randomBytes } from 'node:crypto'
import { Bag } from '../bag.ts'
import type { VerifiedCaller } from '../toolserver/caller.ts'
import type { Standby } from './standby.ts'
import { Talk } from './talk.ts'
import { invalidRequest, unavailable, type Unfit } from './unfit.ts'

/** The sessions that are open, so many and no more. */
export interface Talks extends AsyncDisposable {
  begin(): Talk | Unfit
  /** By what a request says its session is. */
  find(sessionId: string | readonly string[] | undefined, caller: VerifiedCaller): Talk | Unfit
  end(talk: Talk): void
}

/** One that nobody uses for so long may end for another one; a gateway opens it anew. */
const idleMillisecondsMax = 600_000

export function createTalks(options: {
  readonly standby: Standby
  readonly sessionsMax: number
  readonly now: () => number
}): Talks {
  const { standby, sessionsMax, now } = options
  const talks = new Map<string, Talk>()
  const closing = new Bag<Talk>()

  const close = async (talk: Talk): Promise<void> => {
    closing.add(talk)
    await talk[Symbol.asyncDispose]()
    closing.delete(talk)
  }

  const end = (talk: Talk): void => {
    if (talks.delete(talk.sessionId)) void close(talk)
  }

  return {
    begin() {
      const isFull = (): boolean => talks.size >= sessionsMax
      const idle = [...talks.values()].filter(
        (each) => each.idleMilliseconds() > idleMillisecondsMax,
      )
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
      return talk?.isOf(caller) === true ? talk : unknownSession
    },
    end,
    async [Symbol.asyncDispose]() {
      const left = [...talks.values(), ...closing.members()]
      talks.clear()
      await Promise.all(left.map((talk) => talk[Symbol.asyncDispose]()))
    },
  }
}

const noSession: Unfit = {
  status: 400,
  code: invalidRequest,
  message: 'want=mcp-session-id of a session that initialize has opened',
}

/** The one answer after which a client opens another one (MCP 2025-11-25 transports, session management). */
const unknownSession: Unfit = { status: 404, code: invalidRequest, message: 'no such session' }
