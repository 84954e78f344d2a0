import type { Caller } from '../caller/caller.ts'
import { replyEnded, type Reply } from '../door/reply.ts'
import type { Session } from '../handle/session.ts'
import { closeLegacySession } from '../upstream/legacy-session.ts'
import type { Parts } from './serve.ts'

/**
 * Ends a session for its caller, and those with upstreams behind it. The caller waits for none of them; each is told within its bound,
 * on the caller's share. The sealed id would still open, so this replica remembers that it is over.
 */
export function end(
  session: Session,
  { caller, reply }: { readonly caller: Caller; readonly reply: Reply },
  { sessions, streams, subscriptions, pages, upstreams }: Parts,
): undefined {
  const { owner, account } = caller
  const held = sessions.end({ owner, account, key: session.key })
  const open = new Map(Object.entries(session.upstreams))
  for (const { server, session: newer } of held) open.set(server, newer)
  for (const [server, each] of open) {
    const upstream = upstreams.get(server)
    if (upstream?.config.spiffeId.uri === each.spiffeId)
      closeLegacySession({ upstream, account }, each)
  }
  streams.endOf(session.key)
  subscriptions.endOf({ owner, key: session.key })
  pages.endOf({ owner, key: session.key })
  replyEnded(reply)
}
