import { valueOf } from '../../mcp/answer.ts'
import { listFormOf } from '../../mcp/lists.ts'
import type { Call } from '../call.ts'
import type { Texts } from '../translate/answer.ts'
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
import { isRefused, type Refused } from '../refusal.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { askAnswer, retell, statusToTell, type ReadAnswer } from './ask.ts'
import { itemOctets } from './crossing.ts'
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
    replyBody(reply, answer.octets, { status: statusToTell(answer, message) })
    return undefined
  }
  const filtered = await filterPages(permit.call, [{ upstream, answer }], parts)
  if (isRefused(filtered)) return filtered
  const page = { upstream, answer, position, ...filtered }
  const { texts, without } = changesOf(permit, parts, page)
  replyInForm(reply, answer.form, retell(answer, texts, without))
  return undefined
}

interface Changes {
  readonly texts: Texts
  readonly without?: string
}

/** What the page says otherwise than its upstream. */
function changesOf({ call }: Permit, parts: Parts, page: PageAt & Filtered): Changes {
  const { answer, items, ageMilliseconds } = page
  const { listSecondsMax } = parts.limits
  const lasting = { now: parts.now(), listSecondsMax, ageMilliseconds }
  const { texts, ...without } = cursorOf(call, parts, page)
  return { texts: { ...textsOf(call, answer, items, lasting), ...texts }, ...without }
}

interface PageAt {
  readonly upstream: Upstream
  readonly answer: ReadAnswer
  /** Where it was asked for. */
  readonly position: Position | undefined
}

/** The upstream's cursor, sealed: it is of use to nobody but this caller, at this list. */
function cursorOf(
  { message, caller, arrived }: Call,
  { seal, log }: Parts,
  { upstream, answer, position }: PageAt,
): Changes {
  const next = valueOf(answer, 'nextCursor')
  if (next === undefined) return { texts: {} }
  // It names no page, and is nothing that a caller could say.
  if (typeof next !== 'string') return { texts: {}, without: 'nextCursor' }
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
  if (cursor !== undefined) return { texts: { nextCursor: JSON.stringify(cursor) } }
  const detail = advances ? 'cursor is too long' : 'cursor does not advance'
  log.warn({ server, detail }, 'list of an upstream is cut')
  return { texts: {}, without: 'nextCursor' }
}

function textsOf(
  call: Call,
  answer: ReadAnswer,
  items: readonly Listed[],
  lasting: Lasting,
): Texts {
  const { method, era } = call.message
  const member = listFormOf(method)?.member ?? 'tools'
  const kept = { [member]: arrayOf(items.map((each) => itemOctets(call.message, each))) }
  if (era !== 'modern') return kept
  const ttlMs = timeToLive(call.caller, valueOf(answer, 'ttlMs'), lasting)
  return { ...kept, ttlMs: String(ttlMs), cacheScope: '"private"' }
}

/** The items as they came, in octets: of a long list a text would be made twice. */
function arrayOf(items: readonly Buffer[]): Buffer {
  const parts = items.flatMap((octets) => [comma, octets])
  return Buffer.concat([bracket.open, ...parts.slice(1), bracket.close])
}

const comma = Buffer.from(',')
const bracket = { open: Buffer.from('['), close: Buffer.from(']') }
