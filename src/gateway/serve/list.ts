import { setMembers, valueOf, type AnswerBody } from '../../mcp/answer.ts'
import { applyEdits } from '../../mcp/edits.ts'
import { askAnswer } from './ask.ts'
import type { Call } from '../call.ts'
import { filterTools, timeToLive, type ListedTool } from '../permit/list.ts'
import type { Means } from '../means.ts'
import { replyBody } from '../door/reply.ts'
import type { Refused } from '../table.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** `tools/list` at the door of one upstream: its page without what the caller may not call; every other octet is kept. */
export async function listOfOne(
  call: Call,
  means: Means,
  upstream: Upstream,
): Promise<Refused | undefined> {
  const { message, session } = call
  if (message === undefined) return undefined
  const { server } = upstream.config
  const answer = await askAnswer(call, means, {
    upstream,
    body: message.body,
    session: session?.upstreams[server],
  })
  if ('check' in answer) return answer
  if (answer.result === undefined) {
    replyBody(call, answer.octets, { status: answer.status })
    return undefined
  }
  const tools = filterTools(call, means, [{ upstream, answer }])
  if ('code' in tools) return { check: 'response', refusal: tools }
  replyBody(call, applyEdits(answer.octets, editsOf(call, means, { answer, tools })))
  return undefined
}

function editsOf(
  call: Call,
  means: Means,
  page: { readonly answer: AnswerBody; readonly tools: readonly ListedTool[] },
): ReturnType<typeof setMembers> {
  const { answer, tools } = page
  const kept = `[${tools.map(({ octets }) => octets.toString('utf8')).join(',')}]`
  if (call.message?.era !== 'modern') return setMembers(answer, { tools: kept })
  const ttlMs = timeToLive(call, means, valueOf(answer, 'ttlMs'))
  return setMembers(answer, { tools: kept, ttlMs: String(ttlMs), cacheScope: '"private"' })
}
