import type { Call } from '../call.ts'
import { refuseIdentity } from './policy.ts'
import type { Means } from '../means.ts'
import { badRequest, identityRefusal, type Refusal } from '../refusal.ts'
import { openSession } from '../handle/session.ts'

/**
 * A legacy message belongs to a session, a session to a door, a version and an owner. An id that this gateway never sealed is a
 * session that is over: 404, on which the client opens a new one. Somebody else's session is no mistake of a client: it is refused
 * as an identity is.
 */
export function checkSession(call: Call, means: Means): Refusal | undefined {
  const { message, peer, door } = call
  if (message === undefined || peer === undefined || message.era !== 'legacy') return undefined
  if (message.kind === 'request' && message.method === 'initialize') {
    return message.sessionId === undefined
      ? undefined
      : badRequest(400, 'initialize opens a session, it is in none', message.id.raw)
  }
  const rawId = message.kind === 'notification' ? undefined : message.id.raw
  if (message.sessionId === undefined) {
    return badRequest(400, 'header mcp-session-id is missing', rawId)
  }
  const session = openSession(means.seal, message.sessionId)
  if (session === undefined) return badRequest(404, 'session is not known', rawId)
  if (session.owner !== peer.owner) {
    const refusal = identityRefusal('session is of another identity', `owner ${session.owner}`)
    return refuseIdentity(call, means, { refusal, svid: peer.svid, check: 'session' })
  }
  if (session.door !== door.name || session.version !== message.version) {
    return badRequest(400, 'session is of another door or version', rawId)
  }
  call.session = session
  return undefined
}
