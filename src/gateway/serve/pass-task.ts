import { parseSpan } from '../../mcp/answer.ts'
import { applyEdits } from '../../mcp/edits.ts'
import { membersOf } from '../../mcp/spans.ts'
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
  const members = membersOf(octets, result)
  const span = members?.get('taskId')
  const taskId = span === undefined ? undefined : parseSpan(octets, span)
  if (span === undefined || typeof taskId !== 'string') return bad('a task has no id')
  const isNew = call.taskId === undefined
  if (isNew && !knowsTasks(call)) {
    return refuseAnswer(permit, parts.decisions, 'a task that was not asked for')
  }
  if (!isNew && call.taskId !== taskId) return bad('it is another task')
  // Asked for by the text that the caller has, it is told under that.
  const ttl = members?.get('ttlMs')
  const task = { taskId, ttl: ttl === undefined ? undefined : parseSpan(octets, ttl) }
  const sealed = isNew ? sealTaskOf(call, task, parts) : call.message.name
  if (sealed === undefined) return bad('taskId is too long')
  return whenThere(
    judgeTold(permit, parts, answer),
    (refusal) => refusal ?? applyEdits(octets, [{ ...span, text: JSON.stringify(sealed) }]),
  )
}

function judgeTold(
  permit: Permit,
  parts: Parts,
  { octets, result }: InputRequired,
): Soon<Refused | undefined> {
  const { decisions } = parts
  const brought = membersOf(octets, result)?.get('result')
  const asked = permitInput(permit, parts, { octets, result })
  // The limit is of all that is told: a task may say much beside its result.
  const whole = whenThere(
    asked,
    (refusal) => refusal ?? judgeResult(permit, { octets, span: result }, decisions),
  )
  return whenThere(whole, (refusal) =>
    refusal !== undefined || brought === undefined
      ? refusal
      : judgeResult(permit, { octets, span: brought }, decisions),
  )
}

function bad(detail: string): Refused {
  return fault({ failed: 'bad answer', detail })
}
