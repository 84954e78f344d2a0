import { valueOf } from '../../mcp/answer.ts'
import { askAnswer } from './ask.ts'
import { rawIdOf, type Call } from '../call.ts'
import { visibleUpstreams } from '../permit/visible.ts'
import { filterTools, timeToLive, type ListedTool, type ToolPage } from '../permit/list.ts'
import { fault } from './fault.ts'
import type { Means } from '../means.ts'
import { problemCodes } from '../../mcp/problem.ts'
import { applyEdits, splice } from '../../mcp/edits.ts'
import { replyResultText } from '../door/reply.ts'
import type { Refused } from '../table.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** How far a caller has read the upstreams' lists: sealed, so that it is the caller's own and cannot be made up. */
interface Position {
  readonly owner: string
  readonly era: string
  /** The cursors of the upstreams that have more, by server. */
  readonly cursors: Readonly<Record<string, string>>
}

const purpose = 'countersign/cursor/1'

/** `tools/list` at the door of all upstreams: page n is every upstream's page n, filtered in one evaluation. */
export async function listOfAll(call: Call, means: Means): Promise<Refused | undefined> {
  const position = positionOf(call, means)
  if (position === 'invalid') return invalidCursor(call)
  const upstreams = visibleUpstreams(call, means).filter(
    ({ config }) => position === undefined || Object.hasOwn(position.cursors, config.server),
  )
  const asked = await Promise.all(
    upstreams.map((upstream) => pageOf(call, means, { upstream, position })),
  )
  const pages = asked.filter((page) => page !== undefined)
  if (upstreams.length > 0 && pages.length === 0) {
    return fault(call, { failed: 'unreachable', detail: 'no upstream has answered' })
  }
  const tools = filterTools(call, means, pages)
  if ('code' in tools) return { check: 'response', refusal: tools }
  replyResultText(call, formatPage(call, means, { pages, tools }))
  return undefined
}

function positionOf(call: Call, means: Means): Position | 'invalid' | undefined {
  const { message, peer } = call
  if (message === undefined || message.kind === 'response') return 'invalid'
  const { cursor } = message.params as { readonly cursor?: unknown }
  if (cursor === undefined) return undefined
  const opened = typeof cursor === 'string' ? means.seal.open(purpose, cursor) : undefined
  const position = opened as Position | undefined
  if (position === undefined || position.owner !== peer?.owner) return 'invalid'
  return position.era === message.era ? position : 'invalid'
}

function invalidCursor(call: Call): Refused {
  const rawId = rawIdOf(call)
  const problem = { status: 200, code: problemCodes.invalidParams, message: 'cursor is not known' }
  return { check: 'target', refusal: rawId === undefined ? problem : { ...problem, rawId } }
}

/** One upstream's page; undefined, and a line in the log, for one that gives none. */
async function pageOf(
  call: Call,
  means: Means,
  asked: { readonly upstream: Upstream; readonly position: Position | undefined },
): Promise<ToolPage | undefined> {
  const { upstream, position } = asked
  const { server } = upstream.config
  const { message, session } = call
  if (message === undefined) return undefined
  const cursor = position?.cursors[server]
  const span = message.offsets.cursor
  const body =
    cursor === undefined || span === undefined
      ? message.body
      : splice(message.body, span, JSON.stringify(cursor))
  const answer = await askAnswer(call, means, {
    upstream,
    body,
    session: session?.upstreams[server],
  })
  if (!('check' in answer) && answer.result !== undefined) return { upstream, answer }
  const detail = 'check' in answer ? answer.refusal.detail : 'answer is an error'
  means.log.warn({ server, detail }, 'upstream is left out of a list')
  return undefined
}

function formatPage(
  call: Call,
  means: Means,
  union: { readonly pages: readonly ToolPage[]; readonly tools: readonly ListedTool[] },
): string {
  const { pages, tools } = union
  const members = [`"tools":[${tools.map(renamed).join(',')}]`]
  const cursors: Record<string, string> = {}
  for (const { upstream, answer } of pages) {
    const next = valueOf(answer, 'nextCursor')
    if (typeof next === 'string') cursors[upstream.config.server] = next
  }
  const owner = call.peer?.owner
  const era = call.message?.era
  if (Object.keys(cursors).length > 0 && owner !== undefined && era !== undefined) {
    const position: Position = { owner, era, cursors }
    members.push(`"nextCursor":${JSON.stringify(means.seal.seal(purpose, position))}`)
  }
  if (era === 'modern') {
    const lives = pages.map(({ answer }) => timeToLive(call, means, valueOf(answer, 'ttlMs')))
    const ttlMs = lives.length === 0 ? 0 : Math.min(...lives)
    members.push('"resultType":"complete"', `"ttlMs":${ttlMs}`, '"cacheScope":"private"')
  }
  return `{${members.join(',')}}`
}

/** The definition under its name at this door. */
function renamed({ upstream, definition, octets, name }: ListedTool): string {
  const text = JSON.stringify(`${upstream.config.server}_${definition.name}`)
  return applyEdits(octets, [{ ...name, text }]).toString('utf8')
}
