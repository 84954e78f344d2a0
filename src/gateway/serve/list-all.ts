import { valueOf } from '../../mcp/answer.ts'
import { listFormOf } from '../../mcp/lists.ts'
import { replyResultText, type Reply } from '../door/reply.ts'
import { joinName, joinUri } from '../federated-name.ts'
import { sealCursor, type Position } from '../handle/cursor.ts'
import type { Permit } from '../permit/authorize.ts'
import { visibleUpstreams } from '../permit/ceiling.ts'
import { filterPages, timeToLive, type Listed, type Page } from '../permit/list.ts'
import { isRefused, type Refused } from '../refusal.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { askAnswer } from './ask.ts'
import { itemOctets } from './crossing.ts'
import { fault, notThere } from './fault.ts'
import { gather, metaOfMissing } from './gather.ts'
import { inSession } from './in-session.ts'
import { bodyAt, positionOf } from './position.ts'
import type { Parts } from './serve.ts'

/** A list at the door of all upstreams: page n is every upstream's page n, filtered in one evaluation. */
export async function listAll(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { call } = permit
  const position = positionOf(permit, parts)
  if (position !== undefined && isRefused(position)) return position
  const upstreams = visibleUpstreams(call, parts.upstreams).filter(
    ({ config }) => position === undefined || Object.hasOwn(position.cursors, config.server),
  )
  const { given: pages, missing } = await gather(
    upstreams,
    (upstream, signal) => pageOf({ permit, reply, upstream, position, signal }, parts),
    parts,
  )
  if (upstreams.length > 0 && pages.length === 0) {
    return notThere({ failed: 'unreachable', detail: 'no upstream has answered' })
  }
  const filtered = await filterPages(call, pages, parts)
  if (isRefused(filtered)) return filtered
  const { items, cut, ageMilliseconds } = filtered
  const left = [...missing, ...cut]
  replyResultText(
    reply,
    formatPage(permit, parts, { position, pages, items, missing: left, ageMilliseconds }),
  )
  return undefined
}

/** One upstream's page. */
async function pageOf(
  asked: {
    readonly permit: Permit
    readonly reply: Reply
    readonly upstream: Upstream
    readonly position: Position | undefined
    readonly signal: AbortSignal
  },
  parts: Parts,
): Promise<Page | Refused> {
  const { permit, reply, upstream, position, signal } = asked
  const { server } = upstream.config
  const { message } = permit.call
  const body = bodyAt(message, position?.cursors[server])
  const answer = await inSession(permit, parts, {
    upstream,
    use: (session) => askAnswer({ permit, reply, upstream, body, session, signal }, parts),
  })
  if (isRefused(answer)) return answer
  // What a server has none of, it may not know the method of.
  return answer.result === undefined && message.method === 'tools/list'
    ? fault({ failed: 'bad answer', detail: 'answer is an error' })
    : { upstream, answer }
}

function formatPage(
  { call }: Permit,
  { seal, now, limits }: Parts,
  union: {
    readonly position: Position | undefined
    readonly pages: readonly Page[]
    readonly items: readonly Listed[]
    readonly missing: readonly string[]
    readonly ageMilliseconds: number
  },
): string {
  const { position, pages, items, ageMilliseconds } = union
  const { caller, message, arrived } = call
  const { owner } = caller
  const { era } = message
  const { member = 'tools' } = listFormOf(message.method) ?? {}
  const named = member === 'tools' || member === 'prompts' ? joinName : joinUri
  const textOf = (each: Listed): string => {
    const name = named(each.upstream.config.server, each.item.name)
    return itemOctets(message, each, name).toString('utf8')
  }
  const members = [`"${member}":[${items.map(textOf).join(',')}]`]
  const { cursors, ended } = nextCursors(position, pages)
  const read = 1 + (position?.pages ?? 0)
  const { cursor, without } = sealCursor(seal, {
    owner,
    era,
    list: message.method,
    door: arrived.door.name,
    pages: read,
    cursors,
  })
  if (cursor !== undefined) members.push(`"nextCursor":${JSON.stringify(cursor)}`)
  const missing = [...union.missing, ...ended, ...without]
  if (missing.length > 0) members.push(`"_meta":${JSON.stringify(metaOfMissing(missing))}`)
  if (era === 'modern') {
    const { listSecondsMax } = limits
    const most = { now: now(), listSecondsMax, ageMilliseconds }
    const lives = pages.map(({ answer }) => timeToLive(caller, valueOf(answer, 'ttlMs'), most))
    // What is missing may be back at once.
    const ttlMs = lives.length === 0 || missing.length > 0 ? 0 : Math.min(...lives)
    members.push('"resultType":"complete"', `"ttlMs":${ttlMs}`, '"cacheScope":"private"')
  }
  return `{${members.join(',')}}`
}

/** A caller that follows cursors comes to an end, whatever upstreams say. */
const pagesMax = 1000

/** The cursors of those that have more, and the servers that say so and cannot be followed. */
function nextCursors(
  position: Position | undefined,
  pages: readonly Page[],
): {
  readonly cursors: Readonly<Record<string, string>>
  readonly ended: readonly string[]
} {
  const cursors: Record<string, string> = {}
  const ended: string[] = []
  const isLast = (position?.pages ?? 0) + 1 >= pagesMax
  for (const { upstream, answer } of pages) {
    const { server } = upstream.config
    const next = valueOf(answer, 'nextCursor')
    // An empty one is a cursor like any other (MCP 2026-07-28 pagination).
    if (typeof next !== 'string') continue
    if (isLast || next === position?.cursors[server]) ended.push(server)
    else cursors[server] = next
  }
  return { cursors, ended }
}
