import { legacyVersions } from '../../mcp/revisions.ts'
import type { Permit } from '../permit/authorize.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { gatewayInfo } from '../self.ts'
import { isAcross } from '../translate/era.ts'
import { openLegacySession, type LegacySession } from '../upstream/legacy-session.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import { helloOf, type Session } from '../handle/session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { noteAbsence } from './ask.ts'
import { fault, notThere, sessionOver } from './fault.ts'
import { raiseLevel } from './levels.ts'
import { Hold } from '../shares.ts'
import type { Parts } from './serve.ts'

/**
 * The session with an upstream that a message is in: the one held in place of another, or the one that its caller carries. That of
 * another server, which had the name before, is lost: whoever has the name now would learn an id that is good elsewhere.
 */
export function sessionAt(
  { call }: Permit,
  parts: Pick<Parts, 'sessions'>,
  upstream: Upstream,
): LegacySession | undefined {
  return call.session && sessionOfServer(call.session, parts, upstream)
}

/** The same, of the session itself. */
export function sessionOfServer(
  session: Session,
  { sessions }: Pick<Parts, 'sessions'>,
  { config }: Upstream,
): LegacySession | undefined {
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
  if (isAcross(permit.call.message.era, upstream.config)) {
    return inOtherEra(permit, parts, { upstream, use })
  }
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
  if (isAcross(permit.call.message.era, upstream.config)) {
    return inOtherEra(permit, parts, { upstream, use })
  }
  if (whole === undefined) return use(undefined)
  const known = sessionAt(permit, parts, upstream)
  if (known !== undefined) {
    const done = await use(known)
    if (done !== sessionOver) return done
  }
  const opened = await openFor({ permit, parts, upstream }, whole, known)
  if ('failed' in opened) return notOpened(opened)
  const done = await use(opened)
  return done === sessionOver ? lostAtOnce : done
}

/** A modern server has no sessions; a legacy one has one for all clients of the caller that have none. */
async function inOtherEra<T>(
  permit: Permit,
  parts: Parts,
  { upstream, use }: InSession<T>,
): Promise<T | Refused> {
  if (permit.call.message.era === 'legacy') return use(undefined)
  const known = await sharedSession({ permit, parts, upstream })
  if (isRefused(known)) return known
  const { caller, message } = permit.call
  const meta = (message.params['_meta'] ?? {}) as Readonly<Record<string, unknown>>
  const telling = { upstream, account: caller.account, nextId: () => parts.sessions.nextId() }
  const inSharedOne = (session: LegacySession): Promise<T | Refused> =>
    useShared({ permit, parts, upstream }, async () => {
      await raiseLevel({ ...telling, session }, meta['io.modelcontextprotocol/logLevel'])
      return use(session)
    })
  const first = await inSharedOne(known)
  if (first !== sessionOver) return first
  const opened = await sharedSession({ permit, parts, upstream }, known)
  if (isRefused(opened)) return opened
  const second = await inSharedOne(opened)
  return second === sessionOver ? lostAtOnce : second
}

/**
 * The session with a legacy server that the clients of a pod share which have none of their own. It is of nobody else, and nothing is
 * offered in it that is not carried to a modern client.
 */
export async function sharedSession(
  o: For,
  lost?: LegacySession,
): Promise<LegacySession | Refused> {
  const { caller, message } = o.permit.call
  const meta = (message.params['_meta'] ?? {}) as Readonly<Record<string, unknown>>
  const clientInfo = meta['io.modelcontextprotocol/clientInfo']
  const hello = helloOf({ clientInfo }, gatewayInfo)
  const key = sharedKey(caller)
  const opened = await openFor(o, { key, version: legacyVersion, hello, isShared: true }, lost)
  return 'failed' in opened ? notOpened(opened) : opened
}

/** No key of a session that a client carries is like it. */
function sharedKey({ owner }: { readonly owner: string }): string {
  return `shared ${owner}`
}

const [legacyVersion = ''] = legacyVersions

async function useShared<T>({ permit, parts, upstream }: For, use: () => Promise<T>): Promise<T> {
  const { server } = upstream.config
  const done = parts.sessions.use({ key: sharedKey(permit.call.caller), server })
  try {
    return await use()
  } finally {
    done()
  }
}

const lostAtOnce = fault({
  failed: 'bad answer',
  detail: 'session is lost as soon as it is open',
})

/** Nothing of the request has been sent: whatever is wrong, it may be asked again. */
function notOpened(failure: ExchangeFailure): Refused {
  return failure.failed === 'time-out' || failure.failed === 'bad answer'
    ? notThere(failure)
    : fault(failure)
}

type ToOpen = Pick<Session, 'key' | 'version' | 'hello'> & { readonly isShared?: boolean }

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
  { key, version, hello, isShared = false }: ToOpen,
  lost?: LegacySession,
): Promise<LegacySession | ExchangeFailure> {
  const { sessions, limits, absences } = parts
  const { owner, account, unsent } = permit.call.caller
  const { server, spiffeId } = upstream.config
  const holder = { owner, account, key, server, isShared, spiffeId: spiffeId.uri }
  return sessions.renew(holder, lost, async () => {
    const { answerBytesMax } = limits
    const room = new Hold(unsent)
    const opening = { upstream, account, version, hello, answerBytesMax, room }
    const opened = await openLegacySession(opening).finally(() => room.end())
    noteAbsence(absences, upstream, opened)
    return opened
  })
}
