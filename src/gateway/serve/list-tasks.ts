import { skipSpace } from '../../mcp/lex.ts'
import type { RequestMessage } from '../../mcp/message.ts'
import { membersOf } from '../../mcp/spans.ts'
import type { Call } from '../call.ts'
import { replyResultText, type Reply } from '../door/reply.ts'
import { sealCursor } from '../handle/cursor.ts'
import type { Permit } from '../permit/authorize.ts'
import { isRefused, refused, type Refused } from '../refusal.ts'
import type { LegacySession } from '../upstream/legacy-session.ts'
import { bodyThere } from './as-there.ts'
import { askAnswer } from './ask.ts'
import { sessionOver } from './fault.ts'
import { metaOfMissing } from './gather.ts'
import { atItsDoor, inSession } from './in-session.ts'
import type { KnownTask } from './own-tasks.ts'
import { passTask } from './pass-task.ts'
import { positionOf } from './position.ts'
import type { Parts } from './serve.ts'

/** As many are asked about for one page, one after the other. */
const pageMax = 16

/**
 * The tasks of a caller, as far as this process has heard of them (MCP 2025-11-25 tasks, listing tasks). A server's own list is of all
 * callers of the gateway, so none is asked for one: of each task its server is asked as the caller itself would ask, and what the caller
 * would not be told of a task is not in the list.
 */
export async function listTasks(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const position = positionOf(permit, parts)
  if (position !== undefined && isRefused(position)) return position
  const after = Number(position?.cursors[cursorName] ?? 0)
  const { caller, arrived } = permit.call
  const whose = { owner: caller.owner, door: arrived.door.name }
  const left = parts.ownTasks.listOf(whose).filter(({ number }) => number > after)
  const tasks: string[] = []
  const missing: string[] = []
  const lateAt = parts.now() + parts.limits.federationWaitMilliseconds
  let last: KnownTask | undefined
  for (const task of left.slice(0, pageMax)) {
    if (last !== undefined && parts.now() >= lateAt) break
    last = task
    const told = await tellOne({ permit, reply, parts }, task)
    if (told === sessionOver && arrived.door.kind === 'one') return sessionOver
    if (caller.ended !== undefined) return refused('peer', caller.ended)
    if (typeof told === 'string') tasks.push(told)
    else if (told?.check === 'forward') missing.push(task.server)
  }
  const pages = 1 + (position?.pages ?? 0)
  const cursor =
    last === undefined || last === left.at(-1)
      ? undefined
      : nextCursor(permit, parts, last.number, pages)
  const next = cursor === undefined ? '' : `,"nextCursor":${JSON.stringify(cursor)}`
  const meta = missing.length === 0 ? '' : `,"_meta":${JSON.stringify(metaOfMissing(missing))}`
  replyResultText(reply, `{"tasks":[${tasks.join(',')}]${next}${meta}}`)
  return undefined
}

/** Among the cursors of a position, which are by server. */
const cursorName = 'tasks'

function nextCursor(
  { call }: Permit,
  { seal }: Parts,
  after: number,
  pages: number,
): string | undefined {
  const { caller, message, arrived } = call
  return sealCursor(seal, {
    owner: caller.owner,
    era: message.era,
    door: arrived.door.name,
    list: message.method,
    pages,
    cursors: { [cursorName]: String(after) },
  }).cursor
}

interface Listing {
  readonly permit: Permit
  readonly reply: Reply
  readonly parts: Parts
}

/** Where one task stands, as JSON; why it is not told. Undefined: its server does not know it any more. */
async function tellOne(
  { permit, reply, parts }: Listing,
  task: KnownTask,
): Promise<string | Refused | undefined> {
  const call = callOf(permit.call, parts, task)
  if (call === undefined) return undefined
  const permitted = await parts.authorize(call)
  if (isRefused(permitted)) return permitted
  const { upstream } = call.target
  if (upstream === undefined) return undefined
  const body = bodyThere(call)
  const ask = (session: LegacySession | undefined): ReturnType<typeof askAnswer> =>
    askAnswer({ permit: permitted, reply, upstream, body, session }, parts)
  const enter = call.arrived.door.kind === 'all' ? inSession : atItsDoor
  const answer = await enter(permitted, parts, { upstream, use: ask })
  if (isRefused(answer)) return answer
  const { octets, resultSpan } = answer
  if (resultSpan === undefined) {
    parts.ownTasks.forget(task)
    return undefined
  }
  const told = await passTask(permitted, parts, { octets, result: resultSpan })
  return isRefused(told) ? told : resultIn(told)
}

function resultIn(octets: Buffer): string {
  const whole = membersOf(octets, { start: skipSpace(octets, 0), end: octets.length })
  const span = whole?.get('result')
  if (span === undefined) throw new TypeError('what is told of a task is a result')
  return octets.toString('utf8', span.start, span.end)
}

/** The request for one task that its caller could make itself; undefined: its server is gone. */
function callOf(call: Call, { upstreams }: Parts, task: KnownTask): Call | undefined {
  const { message } = call
  const upstream = upstreams.get(task.server)
  if (message.kind !== 'request' || upstream?.config.spiffeId.uri !== task.spiffeId)
    return undefined
  return {
    ...call,
    message: requestFor(message, task.shown),
    target: { kind: 'tool', upstream, tool: task.tool },
    arguments: undefined,
    taskId: task.taskId,
    taskUntil: task.until,
  }
}

function requestFor({ version, id }: RequestMessage, taskId: string): RequestMessage {
  const method = 'tasks/get'
  const head = `{"jsonrpc":"2.0","id":${id.raw},"method":"${method}","params":{"taskId":`
  const start = Buffer.byteLength(head)
  const body = Buffer.from(`${head}${JSON.stringify(taskId)}}}`)
  const offsets = { taskId: { start, end: body.length - 2 } }
  const about = { name: taskId, named: 'taskId', params: { taskId } } as const
  return { kind: 'request', era: 'legacy', version, id, method, offsets, body, ...about }
}
