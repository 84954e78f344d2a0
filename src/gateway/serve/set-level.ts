import { loggingLevels } from '../../mcp/logging.ts'
import { problemCodes } from '../../mcp/problem.ts'
import { replyResult, type Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import { visibleUpstreams } from '../permit/ceiling.ts'
import { refused, type Refused } from '../refusal.ts'
import { isAcross } from '../translate/era.ts'
import { askAnswer } from './ask.ts'
import { forward } from './forward.ts'
import { gather } from './gather.ts'
import { isOwn } from '../upstream/legacy-session.ts'
import { inSession, sessionAt } from './in-session.ts'
import type { Parts, Serve } from './serve.ts'

const levels: ReadonlySet<unknown> = new Set(loggingLevels)

const noLevel: Refused = refused('target', {
  status: 200,
  code: problemCodes.invalidParams,
  message: `params.level is no level, want=${loggingLevels.join('|')}`,
})

/**
 * `logging/setLevel` at the door of one upstream: its session has the level; without one of its own, it would be that of every caller. A
 * modern one is told it with each request.
 */
export const setLevel: Serve = (permit, reply, parts) => {
  const { message, target } = permit.call
  if (!levels.has(message.params['level'])) return noLevel
  const session = target.upstream && sessionAt(permit, parts, target.upstream)
  const isModern = target.upstream !== undefined && isAcross('legacy', target.upstream.config)
  if (!isModern && (session === undefined || isOwn(session))) return forward(permit, reply, parts)
  if (isModern) remember(permit, parts)
  replyResult(reply, {})
  return undefined
}

/** Each request of the session to a modern server names it from now on. */
function remember({ call }: Permit, parts: Parts): void {
  const { caller, session, message } = call
  if (session === undefined) return
  const { owner, account } = caller
  parts.levels.set({ owner, account, key: session.key }, String(message.params['level']))
}

/** The same at the door of all: each upstream of the session is told. One that logs nothing says so, and that is nobody's fault. */
export async function setLevelOfAll(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { call } = permit
  const { body, params } = call.message
  if (!levels.has(params['level'])) return noLevel
  remember(permit, parts)
  await gather(
    // A modern one is told the level with each request.
    visibleUpstreams(call, parts.upstreams).filter(({ config }) => !isAcross('legacy', config)),
    (upstream, signal) =>
      inSession(permit, parts, {
        upstream,
        use: (session) =>
          session === undefined || isOwn(session)
            ? askAnswer({ permit, reply, upstream, body, session, signal }, parts)
            : Promise.resolve({}),
      }),
    parts,
  )
  replyResult(reply, {})
  return undefined
}
