import type { LegacySession } from '../upstream/legacy-session.ts'
import type { KnownTask } from './own-tasks.ts'

/** Whoever had more has them run to the end of their time. */
const cancelledMax = 16

/**
 * What is said in the sessions of a caller that is no more, before they end: that nobody waits for its tasks (MCP 2025-11-25 tasks, task
 * cancellation). To its server each session is another client, so a task is cancelled in all of them that might have it.
 */
export function cancelTasks(
  tasks: readonly KnownTask[],
  nextId: () => number,
): (session: LegacySession) => readonly Buffer[] {
  let left = cancelledMax
  return ({ spiffeId }) => {
    const own = tasks.filter((task) => task.spiffeId === spiffeId).slice(0, left)
    left -= own.length
    return own.map(({ taskId }) => {
      const message = { jsonrpc: '2.0', id: nextId(), method: 'tasks/cancel', params: { taskId } }
      return Buffer.from(JSON.stringify(message))
    })
  }
}
