import type { Message } from '../../mcp/message.ts'
import { badRequest, identityRefusal, refused, type Refused } from '../refusal.ts'
import { clientCapabilitiesOf, type ClientCapabilities } from './client-capabilities.ts'
import type { Opened, Seal } from './seal.ts'

/**
 * What a legacy session is: nothing is kept in the gateway, the caller carries it sealed as its `Mcp-Session-Id`. It names its
 * owner, and whoever is not the owner cannot use it (MCP 2025-11-25 security best practices: sessions are no authentication).
 */
export interface Session {
  /** SPIFFE ID and pod UID of the caller that opened it. */
  readonly owner: string
  /** Tells it from the others of its owner. */
  readonly key: string
  readonly door: string
  /** What the client has said of itself, for upstreams whose sessions are opened later. */
  readonly hello: Hello
  /** The protocol revision that was agreed on with the caller. */
  readonly version: string
  /** What was agreed on with each upstream, by server. */
  readonly upstreams: Readonly<Record<string, UpstreamSession>>
}

/** As `upstream/` knows it; this room knows no other. */
export interface UpstreamSession {
  /** The upstream's own session id; null where it gave none. */
  readonly id: string | null
  readonly version: string
  /** SPIFFE ID of the server that gave it. */
  readonly spiffeId: string
  /** The server runs calls of its tools as tasks. */
  readonly tasks?: true
}

export interface Sealed {
  /** The id to give the caller. */
  readonly id: string
  /** The servers whose sessions did not fit, those with the longest ids first. */
  readonly without: readonly string[]
}

/** Seals as many of the upstreams' sessions as fit into a header; undefined where nothing does. */
export function sealSession(seal: Seal, { owner, ...session }: Session): Sealed | undefined {
  const left = Object.entries(session.upstreams).toSorted(
    ([, one], [, other]) => (one.id ?? '').length - (other.id ?? '').length,
  )
  const without: string[] = []
  while (true) {
    const id = seal.seal(
      { kind: 'session', owner },
      { ...session, upstreams: Object.fromEntries(left) },
    )
    if (id !== undefined) return { id, without }
    const longest = left.pop()
    if (longest === undefined) return undefined
    without.push(longest[0])
  }
}

/** The session of an id for its owner, or whose it is; undefined when this gateway never sealed it. */
export function openSession(
  seal: Seal,
  { id, owner }: { readonly id: string; readonly owner: string },
): Session | Exclude<Opened, { readonly value: unknown }> {
  const opened = seal.open({ kind: 'session', owner }, id)
  if (opened === undefined || 'ownedBy' in opened) return opened
  return { ...(opened.value as Omit<Session, 'owner'>), owner }
}

interface Hello {
  readonly capabilities: ClientCapabilities
  readonly clientInfo: object
}

/** A client that says more of itself is introduced with the name of the gateway. */
const helloCharactersMax = 512

/** What a client says of itself in `initialize`, as far as it is carried. */
export function helloOf(
  params: Readonly<Record<string, unknown>>,
  otherwise: object,
  version?: string,
): Hello {
  return {
    capabilities: clientCapabilitiesOf(params['capabilities'], version),
    clientInfo: carried(params['clientInfo']) ?? otherwise,
  }
}

function carried(value: unknown): object | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  return JSON.stringify(value).length > helloCharactersMax ? undefined : value
}

/**
 * The session that a message is in. A legacy message belongs to a session, a session to a door, a version and an owner. An id that this
 * gateway never sealed is a session that is over: 404, on which the client opens a new one. Somebody else's session is no mistake of a
 * client: it is refused as an identity is.
 */
export function sessionOf(
  { message, ...whose }: Asking,
  opening: Opening,
): Session | Refused | undefined {
  if (message.era !== 'legacy') return undefined
  const { sessionId, version } = message
  if (message.kind === 'request' && message.method === 'initialize') {
    return sessionId === undefined
      ? undefined
      : refuse(400, 'initialize opens a session, it is in none')
  }
  if (sessionId === undefined) return refuse(400, 'header mcp-session-id is missing')
  return sessionOfId({ ...whose, sessionId, version }, opening)
}

/** The session of an id that somebody shows at a door. */
export function sessionOfId(
  { sessionId, owner, door, version }: Shown,
  { seal, isEnded }: Opening,
): Session | Refused {
  const session = openSession(seal, { id: sessionId, owner })
  if (session === undefined) return refuse(404, 'session is not known')
  if ('ownedBy' in session) {
    const detail = `owner ${session.ownedBy}`
    return refused('session', identityRefusal('session is of another identity', detail))
  }
  if (session.door !== door || session.version !== (version ?? session.version)) {
    return refuse(400, 'session is of another door or version')
  }
  return isEnded(session.key) ? refuse(404, 'session is not known') : session
}

interface Opening {
  readonly seal: Seal
  /** Whether its caller has ended the session of this key. */
  readonly isEnded: (key: string) => boolean
}

interface Whose {
  /** SPIFFE ID, pod UID and that of its claim. */
  readonly owner: string
  readonly door: string
}

interface Asking extends Whose {
  readonly message: Message
}

interface Shown extends Whose {
  readonly sessionId: string
  /** The revision that is named beside it, if any is. */
  readonly version: string | undefined
}

function refuse(status: 400 | 404, message: string): Refused {
  return refused('session', badRequest(status, message))
}
