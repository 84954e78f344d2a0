import { mayNeedInput } from '../../mcp/ask.ts'
import { legacyVersions } from '../../mcp/revisions.ts'
import type { Permit } from '../permit/authorize.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { gatewayInfo } from '../self.ts'
import { isAcross } from '../translate/era.ts'
import {
  closeLegacySession,
  openLegacySession,
  type LegacySession,
} from '../upstream/legacy-session.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import { clientCapabilitiesOf, type ClientCapabilities } from '../handle/client-capabilities.ts'
import { helloOf, type Session } from '../handle/session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { noteAbsence } from './ask.ts'
import { whyUnasked } from './crossing.ts'
import { fault, notThere, sessionOver } from './fault.ts'
import { raiseLevel } from './levels.ts'
import { renewSubscriptions } from './renew-subscriptions.ts'
import { Hold } from '../../shares.ts'
import { whenThere, type Soon } from '../soon.ts'
import type { Parts } from './serve.ts'
import type { Place } from './talks.ts'

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
  readonly use: (session: LegacySession | undefined, own?: OwnPlace) => Promise<T | Refused>
}

/** A session that one call has to itself, as long as it lasts. */
export interface OwnPlace {
  keep(): () => void
  /** It is not used again: its server may still be at what nobody waits for. */
  spoil(): void
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
  const begun = (session: LegacySession): Promise<void> | undefined => {
    if (known !== undefined) return renewSubscriptions({ permit, parts, upstream, session })
    // Those of a server that had the name before are none of this one.
    const { owner } = permit.call.caller
    parts.subscriptions.endAt({ owner, key: whole.key, server: upstream.config.server })
    return undefined
  }
  const opened = await openFor({ permit, parts, upstream, begun }, whole, known)
  if ('failed' in opened) return notOpened(opened)
  const done = await use(opened)
  return done === sessionOver ? lostAtOnce : done
}

/** A modern server has no sessions; a legacy one has one for all clients of the caller that have none. */
function inOtherEra<T>(
  permit: Permit,
  parts: Parts,
  { upstream, use }: InSession<T>,
): Promise<T | Refused> {
  if (permit.call.message.era === 'legacy') return use(undefined)
  const shared = sharedOf({ permit, parts, upstream })
  return mayBeAsked(shared) ? inOneOfItsOwn(shared, use) : inShared(shared, use)
}

async function inOneOfItsOwn<T>(shared: Shared, use: InSession<T>['use']): Promise<T | Refused> {
  const { parts, upstream } = shared
  const place = parts.talks.place(`${shared.key} ${upstream.config.server}`)
  const o = place.number === 0 ? shared : { ...shared, key: `${shared.key} ${place.number}` }
  const leave = place.keep()
  try {
    return await inShared(o, (session) =>
      use(session, { keep: () => keep(o, place), spoil: () => spoil(o, session) }),
    )
  } finally {
    leave()
  }
}

async function inShared<T>(
  o: Shared,
  use: (session: LegacySession) => Promise<T | Refused>,
): Promise<T | Refused> {
  // Most often it is open, and waiting for it would be a promise more of each call.
  const soon = openShared(o)
  const known = soon instanceof Promise ? await soon : soon
  if (isRefused(known)) return known
  const first = await useShared(o, known, use)
  if (first !== sessionOver) return first
  const opened = await openShared(o, known)
  if (isRefused(opened)) return opened
  const second = await useShared(o, opened, use)
  return second === sessionOver ? lostAtOnce : second
}

async function useShared<T>(
  o: Shared,
  session: LegacySession,
  use: (session: LegacySession) => Promise<T>,
): Promise<T> {
  const { permit, parts, upstream, meta } = o
  const { account } = permit.call.caller
  const done = useOf(o)
  try {
    const telling = { upstream, account, session, nextId: () => parts.sessions.nextId() }
    const raised = raiseLevel(telling, meta['io.modelcontextprotocol/logLevel'])
    if (raised !== undefined) await raised
    return await use(session)
  } finally {
    done()
  }
}

/** It is used for as long as the call in it goes on, however often nobody waits for that. */
function keep(o: Shared, place: Place): () => void {
  const ends = [place.keep(), useOf(o)]
  return () => {
    for (const end of ends.splice(0)) end()
  }
}

function spoil({ permit, parts, upstream, key }: Shared, session: LegacySession): void {
  const { owner, account } = permit.call.caller
  const { server } = upstream.config
  if (parts.sessions.find({ key, server })?.id !== session.id) return
  parts.sessions.drop({ owner, key, server })
  closeLegacySession({ upstream, account }, session)
}

/** What a call of a modern client says of itself, for the session that is used for it. */
interface Shared extends For {
  readonly meta: Readonly<Record<string, unknown>>
  /** What the client says that it does for servers, in the words of a legacy one, as far as that is carried. */
  readonly capabilities: ClientCapabilities
  /** Of those of its pod in which the same is offered, this one; no key of a session that a client carries is like it. */
  readonly key: string
}

function sharedOf({ permit, parts, upstream }: For): Shared {
  const { caller, message } = permit.call
  const meta = (message.params['_meta'] ?? {}) as Readonly<Record<string, unknown>>
  const capabilities = capabilitiesThere(parts, meta)
  const offered = Object.entries(capabilities).map(
    ([name, said]) => `${name}(${Object.keys(said as object).join('+')})`,
  )
  const key = ['shared', caller.owner, ...offered].join(' ')
  return { permit, parts, upstream, meta, capabilities, key }
}

function capabilitiesThere(parts: Parts, meta: Shared['meta']): ClientCapabilities {
  if (whyUnasked(parts) !== undefined) return {}
  const { roots, ...said } = clientCapabilitiesOf(
    meta['io.modelcontextprotocol/clientCapabilities'],
  )
  // Nobody tells when they change.
  return roots === undefined ? said : { roots: {}, ...said }
}

/**
 * The session with a legacy server that the clients of a pod share which have none of their own. It is of nobody else, and in it is
 * offered what their client says with its request that it does, as far as that is carried.
 */
export function sharedSession(o: For): Soon<LegacySession | Refused> {
  return openShared(sharedOf(o))
}

function openShared(o: Shared, lost?: LegacySession): Soon<LegacySession | Refused> {
  const { meta, key, capabilities } = o
  const to: ToOpen = {
    key,
    version: legacyVersion,
    get hello() {
      const clientInfo = meta['io.modelcontextprotocol/clientInfo']
      return { ...helloOf({ clientInfo }, gatewayInfo), capabilities }
    },
    isShared: true,
  }
  return whenThere(openFor(o, to, lost), (opened) =>
    'failed' in opened ? notOpened(opened) : opened,
  )
}

/** Whether a legacy server may ask the modern client of this call something before it answers. */
function mayBeAsked({ permit, capabilities }: Shared): boolean {
  const { method } = permit.call.message
  return mayNeedInput(method) && Object.keys(capabilities).length > 0
}

const [legacyVersion = ''] = legacyVersions

function useOf({ parts, upstream, key }: Shared): () => void {
  return parts.sessions.use({ key, server: upstream.config.server })
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

/** What its client has said of itself is read only where a session is opened. */
type ToOpen = Pick<Session, 'key' | 'version' | 'hello'> & { readonly isShared?: boolean }

interface For {
  readonly permit: Permit
  readonly parts: Parts
  readonly upstream: Upstream
}

interface OpeningFor extends For {
  /** Done in it before anybody else is. */
  readonly begun?: (session: LegacySession) => Promise<void> | undefined
}

/**
 * Opens a session in a caller's name, in place of a lost one. It is not given up with the request that asked for it: whoever comes next
 * finds it open.
 */
export function openFor(
  { permit, parts, upstream, begun }: OpeningFor,
  to: ToOpen,
  lost?: LegacySession,
): Soon<LegacySession | ExchangeFailure> {
  const { sessions, limits, absences } = parts
  const { owner, account, unsent } = permit.call.caller
  const { server, spiffeId } = upstream.config
  const { key, version, isShared = false } = to
  const holder = { owner, account, key, server, isShared, spiffeId: spiffeId.uri }
  return sessions.renew(holder, lost, async () => {
    const { answerBytesMax } = limits
    const room = new Hold(unsent)
    const opening = { upstream, account, version, hello: to.hello, answerBytesMax, room }
    const opened = await openLegacySession(opening).finally(() => room.end())
    noteAbsence(absences, upstream, opened)
    if (!('failed' in opened)) await begun?.(opened)
    return opened
  })
}
