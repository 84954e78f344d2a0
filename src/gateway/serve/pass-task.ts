import { parseSpan } from '../../mcp/answer.ts'
import { applyEdits } from '../../mcp/edits.ts'
import { withoutHandles } from '../../mcp/handle-names.ts'
import type { Span } from '../../mcp/levels.ts'
import { membersOf } from '../../mcp/spans.ts'
import { relatedTaskOf, renameTask, taskMembers } from '../../mcp/task.ts'
import type { JsonObject } from '../../mcp/scan.ts'
import type { Call } from '../call.ts'
import type { Permit } from '../permit/authorize.ts'
import { judgeResult } from '../permit/result.ts'
import { knowsTasks, sealTaskOf } from '../permit/task.ts'
import type { Refused } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import { fault, refuseAnswer } from './fault.ts'
import { permitInput, type InputRequired } from './input-required.ts'
import type { Parts } from './serve.ts'

/**
 * What the caller is told of a task, as its server writes it but for the id: that is sealed for the caller, because to the server all
 * callers are the gateway. What the task asks of the caller is decided on as what a call asks, and what it brings as what a call brings.
 */
export function passTask(
  permit: Permit,
  parts: Parts,
  answer: InputRequired,
): Soon<Buffer | Refused> {
  const { call } = permit
  const { octets, result } = answer
  const { era } = call.message
  const members = taskMembers(call.message, octets, result)
  const span = members?.get('taskId')
  const taskId = span === undefined ? undefined : parseSpan(octets, span)
  if (span === undefined || typeof taskId !== 'string') return bad('a task has no id')
  const isNew = call.taskId === undefined
  if (isNew && !knowsTasks(call)) {
    return refuseAnswer(permit, parts.decisions, 'a task that was not asked for')
  }
  if (!isNew && call.taskId !== taskId) return bad('it is another task')
  const ttl = members?.get(era === 'legacy' ? 'ttl' : 'ttlMs')
  const task = { taskId, ttl: ttl === undefined ? undefined : parseSpan(octets, ttl) }
  // Asked for by the text that the caller has, it is told under that.
  const sealed = isNew ? sealTaskOf(call, task, parts) : shownIn(call)
  if (sealed === undefined) return bad('taskId is too long')
  return whenThere(judgeTold(permit, parts, answer), (refusal) => {
    if (refusal !== undefined) return refusal
    noteTask(call, parts, { taskId, ...sealed })
    const others = era === 'legacy' ? withoutHandles(octets, result) : []
    return applyEdits(octets, [{ ...span, text: JSON.stringify(sealed.shown) }, ...others])
  })
}

/** The result of a task, which says of which it is (MCP 2025-11-25 tasks, associating task-related messages): by its caller's id. */
export function passResultOfTask(
  { call }: Permit,
  { octets, result }: { readonly octets: Buffer; readonly result: Span },
): Buffer | Refused {
  const { shown } = shownIn(call)
  const named = relatedTaskOf(parseSpan(octets, result) as JsonObject)
  if (named === undefined) return applyEdits(octets, withoutHandles(octets, result))
  if (named !== call.taskId) return bad('it is the result of another task')
  return applyEdits(octets, renameTask(octets, result, shown))
}

/** A task that a call shows. */
function shownIn({ message, taskUntil = 0 }: Call): {
  readonly shown: string
  readonly until: number
} {
  return { shown: message.name ?? '', until: taskUntil }
}

/** Legacy servers tell of tasks outside of any request, and their clients ask for lists. */
function noteTask(
  { message, caller, arrived, target }: Call,
  { ownTasks }: Parts,
  task: { readonly taskId: string; readonly shown: string; readonly until: number },
): void {
  if (message.era !== 'legacy' || target.kind !== 'tool') return
  const { owner, account } = caller
  const { server, spiffeId } = target.upstream.config
  const there = { server, spiffeId: spiffeId.uri, tool: target.tool }
  ownTasks.note({ owner, account, door: arrived.door.name, ...there, ...task })
}

function judgeTold(
  permit: Permit,
  parts: Parts,
  { octets, result }: InputRequired,
): Soon<Refused | undefined> {
  const { decisions } = parts
  const brought = membersOf(octets, result)?.get('result')
  // With it goes the limit of all that is told: a task may say much beside its result.
  const asked = permitInput(permit, parts, { octets, result })
  return whenThere(asked, (refusal) =>
    refusal !== undefined || brought === undefined
      ? refusal
      : judgeResult(permit, { octets, span: brought }, decisions),
  )
}

function bad(detail: string): Refused {
  return fault({ failed: 'bad answer', detail })
}
