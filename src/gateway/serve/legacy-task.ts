import type { Permit } from '../permit/authorize.ts'
import { refused, unservedAsked, type Refused } from '../refusal.ts'
import { isAcross } from '../translate/era.ts'
import { toolAcross } from '../translate/tool.ts'
import type { LegacySession } from '../upstream/legacy-session.ts'

/**
 * Why a legacy call is not made in the form in which its client asks for it: as a task where the server runs the tool as none, or not as
 * one where it runs it as nothing else (MCP 2025-11-25 tasks, tool-level negotiation). Without the capability of its server no tool is run
 * as a task, whatever it says of itself. A task goes on when the call is over that made it, and is under no limit of open calls.
 */
export function unfitAsTask(
  { call, definition, duties }: Permit,
  session: LegacySession | undefined,
): Refused | undefined {
  const { message, target } = call
  if (message.method !== 'tools/call' || definition === undefined) return undefined
  const isAsked = message.era === 'legacy' && Object.hasOwn(message.params, 'task')
  if (isAsked && duties.concurrencies.length > 0) {
    return refuse('a call under a limit of open calls is not run as a task')
  }
  const across = target.upstream !== undefined && isAcross(message.era, target.upstream.config)
  if (isAsked && across) return refuse('tasks are not carried to a tool server of the other era')
  if (across || (!isAsked && session?.tasks !== true)) return undefined
  const { taskSupport } = toolAcross(definition)
  if (!isAsked) {
    return taskSupport === 'required' ? refuse('this tool is called as a task alone') : undefined
  }
  if (session?.tasks !== true) return refuse('the tool server runs no tool as a task')
  return taskSupport === 'forbidden' ? refuse('this tool is not run as a task') : undefined
}

function refuse(message: string): Refused {
  return refused('definition', unservedAsked(message))
}
