import { applyEdits, removeMembers, targetEdits, type Edit } from '../../mcp/edits.ts'
import { withoutHandles } from '../../mcp/handle-names.ts'
import { isMirrored } from '../../mcp/target.ts'
import type { Call, Target } from '../call.ts'
import { ownInputEdits } from '../own-input.ts'

/** What a header of the request repeats of what it is about, as the upstream knows it. */
export function nameHeaderThere({ message, target, taskId }: Call): string | undefined {
  return isMirrored(message.named) ? (taskId ?? nameThere(target)) : undefined
}

/**
 * The octets of the request: those that were decided on. Behind the door of all, what it is about has another name there, and a tool
 * server gets its own `requestState` and its own `taskId` back, and nothing of what was answered to the gateway itself.
 */
export function bodyThere(call: Call): Buffer {
  const edits = [
    ...nameEdits(call),
    ...stateEdits(call),
    ...ownInputEdits(call.message, notThere(call)),
  ]
  return edits.length === 0 ? call.message.body : applyEdits(call.message.body, edits)
}

/** The state that is the gateway's alone, and how a legacy client asks for a task: a server of both eras may not be asked so by the way. */
function notThere({ message, approved, requestState }: Call): readonly string[] {
  const { era, method, params } = message
  const isOwnState = approved !== undefined && requestState === undefined
  const isOfOtherEra = era === 'modern' && method === 'tools/call' && Object.hasOwn(params, 'task')
  return [...(isOwnState ? ['requestState'] : []), ...(isOfOtherEra ? ['task'] : [])]
}

function nameEdits({ message, target, arrived, taskId }: Call): readonly Edit[] {
  const { offsets, named, body } = message
  if (taskId !== undefined) {
    const own = targetEdits(offsets, { member: 'taskId', value: taskId })
    const { params } = offsets
    if (params === undefined) return own
    const unasked = removeMembers(body, params, (name) => name === 'task')
    return [...own, ...withoutHandles(body, params), ...unasked]
  }
  const value = nameThere(target)
  return arrived.door.kind === 'one' || named === undefined || value === undefined
    ? []
    : targetEdits(offsets, { member: named, value })
}

function stateEdits({ message, requestState }: Call): readonly Edit[] {
  const { requestState: span } = message.offsets
  return span === undefined || requestState === undefined ? [] : [{ ...span, text: requestState }]
}

export function nameThere(target: Target): string | undefined {
  if (target.kind === 'server') return undefined
  return target.kind === 'tool' ? target.tool : target.name
}
