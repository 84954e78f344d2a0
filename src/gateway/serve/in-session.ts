import type { Permit } from '../permit/authorize.ts'
import type { Refused } from '../refusal.ts'
import { openLegacySession, type LegacySession } from '../upstream/legacy-session.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import type { Session } from '../handle/session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { noteAbsence } from './ask.ts'
import { fault, notThere, sessionOver } from './fault.ts'
import { Hold } from '../shares.ts'
import type { Parts } from './serve.ts'

/**
 * The session with an upstream that a message is in: the one held in place of another, or the one that its caller carries. That of
 * another server, which had the name before, is lost: whoever has the name now would learn an id that is good elsewhere.
 */
export function sessionAt(
  { call }: Permit,
  { sessions }: Pick<Parts, 'sessions'>,
  { config }: Upstream,
): LegacySession | undefined {
  const { session } = call
  if (session === undefined) return undefined
  const { server, spiffeId } = config
  const known = [sessions.find({ key: session.key, server }), session.upstreams[server]]
  return known.find((each) => each?.spiffeId === spiffeId.uri)
}

/** Does something at the door of one upstream, whose client opens another session where its own is lost. */
export function atItsDoor<T>(
  permit: Permit,
  parts: Parts,
  { upstream, use }: InSession<T>,
): Promise<T | Refused> {
  const known = sessionAt(permit, parts, upstream)
  return known === undefined && permit.call.session !== undefined
    ? Promise.resolve(sessionOver)
    : use(known)
}

interface InSession<T> {
  readonly upstream: Upstream
  readonly use: (session: LegacySession | undefined) => Promise<T | Refused>
}

/**
 * Does something in the session with one of several upstreams. One that the upstream has forgotten, or that could not be opened before,
 * is opened in the caller's name, once: that one server began anew must not end the sessions with the others.
 */
export async function inSession<T>(
  permit: Permit,
  parts: Parts,
  { upstream, use }: InSession<T>,
): Promise<T | Refused> {
  const { session: whole } = permit.call
  if (whole === undefined) return use(undefined)
  const known = sessionAt(permit, parts, upstream)
  if (known !== undefined) {
    const done = await use(known)
    if (done !== sessionOver) return done
  }
  const opened = await openFor({ permit, parts, upstream }, whole, known)
  if ('failed' in opened) return notOpened(opened)
  const done = await use(opened)
  return done === sessionOver
    ? fault({ failed: 'bad answer', detail: 'session is lost as soon as it is open' })
    : done
}

/** Nothing of the request has been sent: whatever is wrong, it may be asked again. */
function notOpened(failure: ExchangeFailure): Refused {
  return failure.failed === 'time-out' || failure.failed === 'bad answer'
    ? notThere(failure)
    : fault(failure)
}

interface For {
  readonly permit: Permit
  readonly parts: Parts
  readonly upstream: Upstream
}

/**
 * Opens a session in a caller's name, in place of a lost one. It is not given up with the request that asked for it: whoever comes next
 * finds it open.
 */
export function openFor(
  { permit, parts, upstream }: For,
  { key, version, hello }: Pick<Session, 'key' | 'version' | 'hello'>,
  lost?: LegacySession,
): Promise<LegacySession | ExchangeFailure> {
  const { sessions, limits, absences } = parts
  const { owner, account, unsent } = permit.call.caller
  const { server, spiffeId } = upstream.config
  const holder = { owner, account, key, server, spiffeId: spiffeId.uri }
  return sessions.renew(holder, lost, async () => {
    const { answerBytesMax } = limits
    const room = new Hold(unsent)
    const opening = { upstream, account, version, hello, answerBytesMax, room }
    const opened = await openLegacySession(opening).finally(() => room.end())
    noteAbsence(absences, upstream, opened)
    return opened
  })
}
