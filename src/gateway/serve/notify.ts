import { replyAccepted, type Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import { visibleUpstreams } from '../permit/ceiling.ts'
import { isOwn } from '../upstream/legacy-session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { tellUpstream } from './ask.ts'
import { sessionAt } from './in-session.ts'
import { isAcross } from '../translate/era.ts'
import type { Parts } from './serve.ts'

/** Takes a notification at the door of one upstream. A modern client cancels by going away; a legacy one says so to its session. */
export async function notify(permit: Permit, reply: Reply, parts: Parts): Promise<undefined> {
  const { message, target } = permit.call
  if (message.method === 'notifications/cancelled') parts.running.cancel(permit.call)
  if (message.era === 'legacy' && target.upstream !== undefined) {
    await tell(permit, reply, parts, target.upstream)
  }
  replyAccepted(reply)
}

/** That a session is open was said by the gateway itself, which is the client of its several upstreams. */
export function acceptAll(_: Permit, reply: Reply): undefined {
  replyAccepted(reply)
}

/** A legacy client cancels at the door of all, or says that its roots have changed: to each upstream of its session. */
export async function notifyAll(permit: Permit, reply: Reply, parts: Parts): Promise<undefined> {
  if (permit.call.message.method === 'notifications/cancelled') parts.running.cancel(permit.call)
  if (permit.call.message.era === 'legacy') {
    const visible = visibleUpstreams(permit.call, parts.upstreams)
    await Promise.all(visible.map((each) => tell(permit, reply, parts, each)))
  }
  replyAccepted(reply)
}

/** How far a legacy client is with what a server has asked of it: told to the server that has given this token, and to no other. */
export async function progress(permit: Permit, reply: Reply, parts: Parts): Promise<undefined> {
  const { session, message } = permit.call
  const token = message.params['progressToken']
  const servers = session === undefined ? [] : parts.asks.serversOf({ key: session.key, token })
  for (const server of servers) {
    const upstream = parts.upstreams.get(server)
    if (upstream !== undefined) await tell(permit, reply, parts, upstream)
  }
  replyAccepted(reply)
}

/** Whatever comes of it: nobody waits for the answer to a notification, and clients lose their session by one that is no success. */
async function tell(permit: Permit, reply: Reply, parts: Parts, upstream: Upstream): Promise<void> {
  const { message } = permit.call
  const { server } = upstream.config
  const session = sessionAt(permit, parts, upstream)
  if (session === undefined || isAcross(message.era, upstream.config)) return
  // Without a session of its own, the upstream would take it for something of any request of the gateway, so of another caller.
  if (message.method !== 'notifications/initialized' && !isOwn(session)) return
  const failed = await tellUpstream({ permit, reply, upstream, body: message.body, session }, parts)
  if (failed !== undefined) {
    parts.log.warn({ server, detail: failed.detail }, 'notification did not reach an upstream')
  }
}
