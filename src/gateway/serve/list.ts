import { removeMember, setMembers, valueOf, type AnswerBody } from '../../mcp/answer.ts'
import { applyEdits, type Edit } from '../../mcp/edits.ts'
import type { Call } from '../call.ts'
import { replyBody, type Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import {
  filterTools,
  timeToLive,
  type Filtered,
  type Lasting,
  type ListedTool,
} from '../permit/list.ts'
import { isRefused, statusOfAnswer, type Refused } from '../refusal.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { askAnswer } from './ask.ts'
import { atItsDoor } from './in-session.ts'
import type { Parts } from './serve.ts'

/** `tools/list` at the door of one upstream: its page without what the caller may not call; every other octet is kept. */
export async function list(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { message, target } = permit.call
  const { upstream } = target
  if (upstream === undefined) return undefined
  const answer = await atItsDoor(permit, parts, {
    upstream,
    use: (session) => askAnswer({ permit, reply, upstream, body: message.body, session }, parts),
  })
  if (isRefused(answer)) return answer
  if (answer.result === undefined) {
    replyBody(reply, answer.octets, { status: statusOfAnswer(answer.status, message) })
    return undefined
  }
  const filtered = await filterTools(permit.call, [{ upstream, answer }], parts)
  if (isRefused(filtered)) return filtered
  const page = { upstream, answer, ...filtered }
  replyBody(reply, applyEdits(answer.octets, editsOf(permit, parts, page)))
  return undefined
}

function editsOf(
  { call }: Permit,
  { now, limits, log }: Parts,
  page: Filtered & { readonly upstream: Upstream; readonly answer: AnswerBody },
): readonly Edit[] {
  const { upstream, answer, tools, ageMilliseconds } = page
  const { listSecondsMax } = limits
  const lasting = { now: now(), listSecondsMax, ageMilliseconds }
  const edits = [...editsOfTools(call, answer, tools, lasting)]
  const { cursor } = call.message.params
  if (cursor === undefined || cursor !== valueOf(answer, 'nextCursor')) return edits
  const { server } = upstream.config
  log.warn({ server, detail: 'cursor does not advance' }, 'list of an upstream is cut')
  return [...edits, ...removeMember(answer, 'nextCursor')]
}

function editsOfTools(
  call: Call,
  answer: AnswerBody,
  tools: readonly ListedTool[],
  lasting: Lasting,
): readonly Edit[] {
  const kept = arrayOf(tools)
  if (call.message.era !== 'modern') return setMembers(answer, { tools: kept })
  const ttlMs = timeToLive(call.caller, valueOf(answer, 'ttlMs'), lasting)
  return setMembers(answer, { tools: kept, ttlMs: String(ttlMs), cacheScope: '"private"' })
}

/** The definitions as they came, in octets: of a long list a text would be made twice. */
function arrayOf(tools: readonly ListedTool[]): Buffer {
  const parts = tools.flatMap(({ definition }) => [comma, definition.octets])
  return Buffer.concat([bracket.open, ...parts.slice(1), bracket.close])
}

const comma = Buffer.from(',')
const bracket = { open: Buffer.from('['), close: Buffer.from(']') }
