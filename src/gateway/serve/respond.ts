import { applyEdits } from '../../mcp/edits.ts'
import { withoutHandles } from '../../mcp/handle-names.ts'
import { skipSpace } from '../../mcp/lex.ts'
import type { ResponseMessage } from '../../mcp/message.ts'
import { membersOf } from '../../mcp/spans.ts'
import { relateToTask } from '../../mcp/task.ts'
import type { Caller } from '../caller/caller.ts'
import type { Door } from '../door/arrived.ts'
import { replyAccepted, type Reply } from '../door/reply.ts'
import { openAsk, type Ask } from '../handle/ask-id.ts'
import type { Session } from '../handle/session.ts'
import { isWithinCeiling } from '../permit/ceiling.ts'
import { badRequest, refused, type Refused } from '../refusal.ts'
import { deliver, whyNotTaken } from '../upstream/deliver.ts'
import { sessionRequest } from '../upstream/legacy-session.ts'
import { fault } from './fault.ts'
import type { Parts } from './serve.ts'

export interface Responding {
  readonly caller: Caller
  readonly session: Session
  readonly door: Door
  readonly response: ResponseMessage
  readonly reply: Reply
}

/** That nobody waits for it is no fault that a client could mend, so it is taken all the same. */
const unasked: Refused = refused('era', badRequest(202, 'no request of the server is open'))

/** The call that needs it is open there, and ends there when its time is over. */
const askedElsewhere: Refused = refused(
  'era',
  badRequest(202, 'request of the server is open in another process of the gateway'),
)

/**
 * The answer of a caller to what a server has asked: to that server, in that session, under the server's own id. Policy was asked when
 * the server asked, and is asked again where it is another one since. It goes out beside the places at its server that calls have, for one of those waits for it.
 */
export async function respond(
  { caller, session, door, response, reply }: Responding,
  parts: Parts,
): Promise<Refused | undefined> {
  const { asks, seal, upstreams, log } = parts
  const { owner } = caller
  const ask = openAsk(seal, { owner, key: session.key, door: door.name }, response.id.value)
  if (ask === undefined) return unasked
  const { server, there } = ask
  const upstream = upstreams.get(server)
  if (upstream === undefined) return unasked
  if (there === undefined && ask.by !== asks.by) return askedElsewhere
  if (there !== undefined && upstream.config.spiffeId.uri !== there.spiffeId) return unasked
  if (!isWithinCeiling({ caller, target: { kind: 'server', upstream } })) return unasked
  if (!(await isStillPermitted(ask, parts))) return unasked
  if (caller.ended !== undefined) return refused('peer', caller.ended)
  const open = asks.find(ask)
  if (!asks.take(ask, response)) return unasked
  if (there === undefined) {
    replyAccepted(reply)
    return undefined
  }
  const body = answerThere(response, ask)
  const failure = await deliver({ upstream, request: sessionRequest(there, body) })
  if (failure !== undefined) {
    log.warn({ server, detail: failure.detail }, 'answer did not reach the server that asked')
  }
  const why = whyNotTaken(failure)
  if (why !== undefined) {
    open?.broken?.(why)
    return fault(why)
  }
  replyAccepted(reply)
  return undefined
}

/**
 * The answer under the server's own id. Of which task or subscription a client says that it is tells nothing, for it has none of the
 * server's: of the task that the request was of it is (MCP 2025-11-25 tasks, associating task-related messages).
 */
function answerThere({ body, offsets }: ResponseMessage, { rawId, taskId }: Ask): Buffer {
  const given = offsets.result
  const bare = given === undefined ? body : applyEdits(body, withoutHandles(body, given))
  const whole = membersOf(bare, { start: skipSpace(bare, 0), end: bare.length })
  const [id, result] = [whole?.get('id'), whole?.get('result')]
  if (id === undefined) throw new TypeError('an answer has an id')
  const related =
    taskId === undefined || result === undefined ? [] : relateToTask(bare, result, taskId)
  return applyEdits(bare, [{ ...id, text: rawId }, ...related])
}

/** What the request was about is known where it was carried: elsewhere an answer is none once the policy is another one. */
async function isStillPermitted(
  ask: Ask,
  { asks, decisions }: Pick<Parts, 'asks' | 'decisions'>,
): Promise<boolean> {
  if (ask.policy === decisions.digest()) return true
  const open = asks.find(ask)
  return open !== undefined && (await open.permits()) === undefined
}
