import type { Message } from '../../mcp/message.ts'
import { badRequest, identityRefusal, refused, type Refused } from '../refusal.ts'
import type { Seal } from './seal.ts'

/**
 * What a legacy session is: nothing is kept in the gateway, the caller carries it sealed as its `Mcp-Session-Id`. It names its
 * owner, and whoever is not the owner cannot use it (MCP 2025-11-25 security best practices: sessions are no authentication).
 */
export interface Session {
  /** SPIFFE ID and pod UID of the caller that opened it. */
  readonly owner: string
  readonly door: string
  /** The protocol revision that was agreed on with the caller. */
  readonly version: string
  /** What was agreed on with each upstream, by server. */
  readonly upstreams: Readonly<Record<string, UpstreamSession>>
}

export interface UpstreamSession {
  /** The upstream's own session id; null where it gave none. */
  readonly id: string | null
  readonly version: string
}

const purpose = 'countersign/session/1'

/** Longer ids of upstreams would make a header that clients and proxies cut. */
const upstreamIdCharactersMax = 256
const sessionIdCharactersMax = 4096

export interface Sealed {
  /** The id to give the caller. */
  readonly id: string
  /** The servers whose sessions did not fit, those with the longest ids first. */
  readonly without: readonly string[]
}

/** Seals as many of the upstreams' sessions as fit into a header; undefined where nothing does. */
export function sealSession(seal: Seal, session: Session): Sealed | undefined {
  const left = Object.entries(session.upstreams).toSorted(
    ([, one], [, other]) => (one.id ?? '').length - (other.id ?? '').length,
  )
  const without: string[] = []
  while (true) {
    const id = seal.seal(purpose, { ...session, upstreams: Object.fromEntries(left) })
    if (id.length <= sessionIdCharactersMax) return { id, without }
    const longest = left.pop()
    if (longest === undefined) return undefined
    without.push(longest[0])
  }
}

/** The session of an id, or undefined when this gateway never sealed it. */
export function openSession(seal: Seal, id: string): Session | undefined {
  return id.length > sessionIdCharactersMax
    ? undefined
    : (seal.open(purpose, id) as Session | undefined)
}

/** MCP 2025-11-25 transports, session management: visible ASCII. */
export function isSessionId(id: unknown): id is string {
  return typeof id === 'string' && id.length <= upstreamIdCharactersMax && /^[\x21-\x7e]+$/.test(id)
}

/**
 * The session that a message is in. A legacy message belongs to a session, a session to a door, a version and an owner. An id that this
 * gateway never sealed is a session that is over: 404, on which the client opens a new one. Somebody else's session is no mistake of a
 * client: it is refused as an identity is.
 */
export function sessionOf(
  { message, owner, door }: Asking,
  seal: Seal,
): Session | Refused | undefined {
  if (message.era !== 'legacy') return undefined
  if (message.kind === 'request' && message.method === 'initialize') {
    return message.sessionId === undefined
      ? undefined
      : refuse(400, 'initialize opens a session, it is in none')
  }
  if (message.sessionId === undefined) return refuse(400, 'header mcp-session-id is missing')
  const session = openSession(seal, message.sessionId)
  if (session === undefined) return refuse(404, 'session is not known')
  if (session.owner !== owner) {
    return refused(
      'session',
      identityRefusal('session is of another identity', `owner ${session.owner}`),
    )
  }
  return session.door === door && session.version === message.version
    ? session
    : refuse(400, 'session is of another door or version')
}

interface Asking {
  readonly message: Message
  /** SPIFFE ID and pod UID. */
  readonly owner: string
  readonly door: string
}

function refuse(status: 400 | 404, message: string): Refused {
  return refused('session', badRequest(status, message))
}
