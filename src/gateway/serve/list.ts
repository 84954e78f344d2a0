import { removeMember, setMembers, valueOf, type AnswerBody } from '../../mcp/answer.ts'
import { applyEdits, type Edit } from '../../mcp/edits.ts'
import { listFormOf } from '../../mcp/lists.ts'
import type { Call } from '../call.ts'
import { replyBody, replyInForm, type Reply } from '../door/reply.ts'
import { sealCursor, type Position } from '../handle/cursor.ts'
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
import { bodyAt, positionOf } from './position.ts'
import type { Parts } from './serve.ts'

/** A list at the door of one upstream: its page without what the caller may not use, its cursor sealed; every other octet is kept. */
export async function list(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { message, target } = permit.call
  const { upstream } = target
  if (upstream === undefined) return undefined
  const position = positionOf(permit, parts)
  if (position !== undefined && isRefused(position)) return position
  const body = bodyAt(message, position?.cursors[upstream.config.server])
  const answer = await atItsDoor(permit, parts, {
    upstream,
    use: (session) => askAnswer({ permit, reply, upstream, body, session }, parts),
  })
  if (isRefused(answer)) return answer
  if (answer.result === undefined) {
    replyBody(reply, answer.octets, { status: statusOfAnswer(answer.status, message) })
    return undefined
  }
  const filtered = await filterPages(permit.call, [{ upstream, answer }], parts)
  if (isRefused(filtered)) return filtered
  const page = { upstream, answer, position, ...filtered }
  replyInForm(reply, answer.form, applyEdits(answer.octets, editsOf(permit, parts, page)))
  return undefined
}

function editsOf({ call }: Permit, parts: Parts, page: PageAt & Filtered): readonly Edit[] {
  const { answer, items, ageMilliseconds } = page
  const { listSecondsMax } = parts.limits
  const lasting = { now: parts.now(), listSecondsMax, ageMilliseconds }
  const edits = editsOfItems(call, answer, items, lasting)
  return [...edits, ...editsOfCursor(call, parts, page)]
}

interface PageAt {
  readonly upstream: Upstream
  readonly answer: AnswerBody
  /** Where it was asked for. */
  readonly position: Position | undefined
}

/** The upstream's cursor, sealed: it is of use to nobody but this caller, at this list. */
function editsOfCursor(
  { message, caller, arrived }: Call,
  { seal, log }: Parts,
  { upstream, answer, position }: PageAt,
): readonly Edit[] {
  const next = valueOf(answer, 'nextCursor')
  if (next === undefined) return []
  // It names no page, and is nothing that a caller could say.
  if (typeof next !== 'string') return removeMember(answer, 'nextCursor')
  const { server } = upstream.config
  const advances = next !== position?.cursors[server]
  const { cursor } = sealCursor(seal, {
    owner: caller.owner,
    era: message.era,
    list: message.method,
    door: arrived.door.name,
    pages: 1 + (position?.pages ?? 0),
    cursors: advances ? { [server]: next } : {},
  })
  if (cursor !== undefined) return setMembers(answer, { nextCursor: JSON.stringify(cursor) })
  const detail = advances ? 'cursor is too long' : 'cursor does not advance'
  log.warn({ server, detail }, 'list of an upstream is cut')
  return removeMember(answer, 'nextCursor')
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
