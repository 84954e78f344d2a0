import { removeMember, setMembers, valueOf, type AnswerBody } from '../../mcp/answer.ts'
import { applyEdits, type Edit } from '../../mcp/edits.ts'
import { listFormOf } from '../../mcp/lists.ts'
import type { Call } from '../call.ts'
import { replyBody, replyInForm, type Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import {
  filterPages,
  timeToLive,
  type Filtered,
  type Lasting,
  type Listed,
} from '../permit/list.ts'
import { isRefused, statusOfAnswer, type Refused } from '../refusal.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { askAnswer } from './ask.ts'
import { atItsDoor } from './in-session.ts'
import type { Parts } from './serve.ts'

/** A list at the door of one upstream: its page without what the caller may not use; every other octet is kept. */
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
  const filtered = await filterPages(permit.call, [{ upstream, answer }], parts)
  if (isRefused(filtered)) return filtered
  const page = { upstream, answer, ...filtered }
  replyInForm(reply, answer.form, applyEdits(answer.octets, editsOf(permit, parts, page)))
  return undefined
}

function editsOf(
  { call }: Permit,
  { now, limits, log }: Parts,
  page: Filtered & { readonly upstream: Upstream; readonly answer: AnswerBody },
): readonly Edit[] {
  const { upstream, answer, items, ageMilliseconds } = page
  const { listSecondsMax } = limits
  const lasting = { now: now(), listSecondsMax, ageMilliseconds }
  const edits = [...editsOfItems(call, answer, items, lasting)]
  const { cursor } = call.message.params
  if (cursor === undefined || cursor !== valueOf(answer, 'nextCursor')) return edits
  const { server } = upstream.config
  log.warn({ server, detail: 'cursor does not advance' }, 'list of an upstream is cut')
  return [...edits, ...removeMember(answer, 'nextCursor')]
}

function editsOfItems(
  call: Call,
  answer: AnswerBody,
  items: readonly Listed[],
  lasting: Lasting,
): readonly Edit[] {
  const member = listFormOf(call.message.method)?.member ?? 'tools'
  const kept = { [member]: arrayOf(items) }
  if (call.message.era !== 'modern') return setMembers(answer, kept)
  const ttlMs = timeToLive(call.caller, valueOf(answer, 'ttlMs'), lasting)
  return setMembers(answer, { ...kept, ttlMs: String(ttlMs), cacheScope: '"private"' })
}

/** The items as they came, in octets: of a long list a text would be made twice. */
function arrayOf(items: readonly Listed[]): Buffer {
  const parts = items.flatMap(({ item }) => [comma, item.octets])
  return Buffer.concat([bracket.open, ...parts.slice(1), bracket.close])
}

const comma = Buffer.from(',')
const bracket = { open: Buffer.from('['), close: Buffer.from(']') }
