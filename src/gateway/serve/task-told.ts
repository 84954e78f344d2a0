import { retellOfTask } from '../../mcp/task.ts'
import { hearingOfTasks, type Listener } from '../permit/heard.ts'
import { whenThere } from '../soon.ts'
import type { AnswerVerdict } from '../upstream/judge-answer.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Parts } from './serve.ts'

/** What a legacy server says of one of its tasks, beside an answer or outside of any. */
export type OfTask = Extract<AnswerVerdict, { readonly kind: 'of a task' }>

/**
 * Tells a caller what a server says of a task, under the caller's own id (MCP 2025-11-25 tasks, task status notification): where it has
 * that task, and policy still lets it ask for it. Of any other task nothing is told: it is somebody else's.
 */
export function createTaskTeller(
  listener: Listener,
  parts: Parts,
  write: (message: Buffer) => void,
): (upstream: Upstream, told: OfTask, data: Buffer) => void {
  const { caller, door } = listener
  const mayHear = hearingOfTasks(listener, parts)
  const broke = (error: unknown): void => parts.log.error({ error }, 'task could not be told of')
  return (upstream, { method, taskId }, data) => {
    const spiffeId = upstream.config.spiffeId.uri
    const { owner } = caller
    const known = parts.ownTasks.find({ owner, door: door.name, spiffeId, taskId })
    if (known === undefined) return
    const soon = whenThere(mayHear(upstream, known.tool), (may) => {
      if (may) write(retellOfTask(data, method, known.shown))
    })
    if (soon instanceof Promise) soon.catch(broke)
  }
}
