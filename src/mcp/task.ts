import { isJsonObject } from './envelope.ts'
import type { JsonObject } from './scan.ts'

/** The extension of MCP 2026-07-28 whose server decides that a call becomes a task. */
export const tasksExtension = 'io.modelcontextprotocol/tasks'

const statuses: ReadonlySet<unknown> = new Set([
  'working',
  'input_required',
  'completed',
  'failed',
  'cancelled',
])

/** Whether the result of this method tells of a task: one that a call has become, or one that is asked for. */
export function tellsOfTask(method: string, { resultType }: JsonObject): boolean {
  if (method === 'tools/call') return resultType === 'task'
  return method === 'tasks/get' && resultType === 'complete'
}

/** Whether it is one that two clients read alike, and asks for nothing that nobody decides on. */
export function isTask(result: JsonObject): boolean {
  const { taskId, status, inputRequests } = result
  if (typeof taskId !== 'string' || taskId === '' || !statuses.has(status)) return false
  if (inputRequests !== undefined && !isJsonObject(inputRequests)) return false
  return unfitMembers.every((member) => !Object.hasOwn(result, member))
}

/** Of an answer, and of what only a call brings back. */
const unfitMembers = ['content', 'structuredContent', 'contents', 'messages', 'requestState']
