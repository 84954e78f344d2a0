import { setMembers, valueOf, type AnswerBody } from '../../mcp/answer.ts'
import { applyEdits } from '../../mcp/edits.ts'
import { replyBody, type Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import { filterTools, timeToLive, type ListedTool } from '../permit/list.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { askAnswer } from './ask.ts'
import type { Parts } from './serve.ts'

/** `tools/list` at the door of one upstream: its page without what the caller may not call; every other octet is kept. */
export async function list(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { message, session, target } = permit.call
  const { upstream } = target
  if (upstream === undefined) return undefined
  const of = session?.upstreams[upstream.config.server]
  const asking = { permit, reply, upstream, body: message.body, session: of }
  const answer = await askAnswer(asking, parts)
  if (isRefused(answer)) return answer
  if (answer.result === undefined) {
    replyBody(reply, answer.octets, { status: answer.status })
    return undefined
  }
  const tools = filterTools(permit.call, [{ upstream, answer }], parts)
  if (isRefused(tools)) return tools
  replyBody(reply, applyEdits(answer.octets, editsOf(permit, parts, { answer, tools })))
  return undefined
}

function editsOf(
  { call }: Permit,
  { now, limits }: Parts,
  page: { readonly answer: AnswerBody; readonly tools: readonly ListedTool[] },
): ReturnType<typeof setMembers> {
  const { answer, tools } = page
  const kept = `[${tools.map(({ octets }) => octets.toString('utf8')).join(',')}]`
  if (call.message.era !== 'modern') return setMembers(answer, { tools: kept })
  const { listSecondsMax } = limits
  const ttlMs = timeToLive(call.caller, valueOf(answer, 'ttlMs'), { now: now(), listSecondsMax })
  return setMembers(answer, { tools: kept, ttlMs: String(ttlMs), cacheScope: '"private"' })
}
