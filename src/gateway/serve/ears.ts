import { Hold, type Account, type OctetRoom } from '../../shares.ts'
import { createSteadyAnswerer } from '../upstream/answer-server.ts'
import type { Leg } from '../upstream/hear-session.ts'
import { isOwn, sessionRequest, type LegacySession } from '../upstream/legacy-session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Parts } from './serve.ts'
import { openLeg } from './stream-leg.ts'
import type { Talk } from './talk.ts'

/**
 * The streams of the sessions in which legacy servers may ask modern clients something (MCP 2025-11-25 transports, listening for messages from
 * the server): some servers ask there and not on the stream of the call. One call at a time is in such a session, so what is asked there is asked
 * in that call.
 */
export interface Ears {
  /** Listens for a call; done when its server says that it may, or does not offer it. */
  listen(talk: Talk, to: HeardSession): Promise<void>
  /** The call is over; `isSpoiled`: the session is, too. */
  leave(session: LegacySession, isSpoiled: boolean): void
  endOwner(owner: string): void
  endAll(): void
  readonly size: number
}

export interface HeardSession {
  readonly upstream: Upstream
  readonly session: LegacySession
  readonly account: Account
  /** Of the caller: what has come and is no whole event yet is taken of it. */
  readonly unsent: OctetRoom
}

/** A server may say nothing, not even that it listens, before it has something to tell. */
const openMilliseconds = 250
/** The next call in the session finds it open. */
const lingerMilliseconds = 30_000
/** Whoever asks somebody something says it in less. */
const eventOctetsMax = 4 * 1024 * 1024

interface Ear {
  readonly owner: string
  talk: Talk | undefined
  leg: Leg | undefined
  readonly opened: Promise<void>
  closing: NodeJS.Timeout | undefined
}

export function createEars({ limits, catalogueOf }: Pick<Parts, 'limits' | 'catalogueOf'>): Ears {
  const ears = new Map<LegacySession, Ear>()
  /** Their servers offer no stream. */
  const silent = new WeakSet<LegacySession>()

  function close(session: LegacySession): void {
    const ear = ears.get(session)
    ears.delete(session)
    clearTimeout(ear?.closing)
    ear?.leg?.cancel()
  }
  function open(talk: Talk, to: HeardSession): Ear | undefined {
    const { session } = to
    if (!isOwn(session)) return undefined
    const { promise: opened, resolve } = Promise.withResolvers<void>()
    const late = setTimeout(resolve, openMilliseconds)
    const ear: Ear = { owner: talk.owner, talk, leg: undefined, opened, closing: undefined }
    ears.set(session, ear)
    ear.leg = openEar(ear, to, {
      begun: resolve,
      changed: () => catalogueOf(to.upstream, 'legacy').changed(),
      limits,
      over(isSilent) {
        if (isSilent) silent.add(session)
        if (ears.get(session) === ear) ears.delete(session)
        clearTimeout(ear.closing)
        clearTimeout(late)
        resolve()
      },
    })
    return ear
  }
  return {
    async listen(talk, to) {
      const { session } = to
      if (silent.has(session)) return
      const known = ears.get(session)
      if (known !== undefined) {
        clearTimeout(known.closing)
        known.talk = talk
      }
      await (known ?? open(talk, to))?.opened
    },
    leave(session, isSpoiled) {
      const ear = ears.get(session)
      if (ear === undefined) return
      ear.talk = undefined
      if (isSpoiled) close(session)
      else ear.closing = setTimeout(close, lingerMilliseconds, session).unref()
    },
    endOwner(owner) {
      for (const [session, ear] of ears) if (ear.owner === owner) close(session)
    },
    endAll() {
      for (const session of ears.keys()) close(session)
    },
    get size() {
      return ears.size
    },
  }
}

interface Opening {
  readonly begun: () => void
  /** The tools of the server have. */
  readonly changed: () => void
  readonly over: (isSilent: boolean) => void
  readonly limits: Parts['limits']
}

function openEar(
  ear: Ear,
  { upstream, session, account, unsent }: HeardSession,
  { begun, changed, over, limits }: Opening,
): Leg | undefined {
  if (!isOwn(session)) return undefined
  // Of whose the calls in it are, and not of one of them: it is open for longer.
  const room = new Hold(unsent)
  const decline = createSteadyAnswerer({ upstream, request: sessionRequest(session, null) })
  return openLeg({
    account,
    upstream,
    session,
    asks: {
      carry(asked, octets) {
        if (ear.talk !== undefined) return ear.talk.carry(asked, octets)
        decline(asked)
        return true
      },
      takeBack: (octets) => ear.talk?.takenBackThere(octets),
      end: () => {},
    },
    changes: {
      take(_, { method }) {
        const isOfTools = method === 'notifications/tools/list_changed'
        if (isOfTools) changed()
        return isOfTools
      },
    },
    pass: (data) => ear.talk?.hear(data),
    // Nobody has a task in this session.
    ofTask: () => {},
    // While no call is in the session nothing of it is told.
    isRead: () => ear.talk?.isRead(() => ear.leg?.resume()) ?? true,
    room,
    answerBytesMax: Math.min(limits.answerBytesMax, eventOctetsMax),
    streamSecondsMax: limits.streamSecondsMax,
    begun,
    over(end) {
      room.end()
      over(end !== undefined && 'status' in end)
    },
  })
}
