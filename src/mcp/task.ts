import { isJsonObject } from './envelope.ts'
import { applyEdits, type Edit } from './edits.ts'
import { handlesNamed, relatedTask, withoutHandles } from './handle-names.ts'
import { skipSpace } from './lex.ts'
import type { Span } from './levels.ts'
import type { Era } from './message.ts'
import type { JsonObject } from './scan.ts'
import { membersOf } from './spans.ts'

/** The extension of MCP 2026-07-28 whose server decides that a call becomes a task. */
export const tasksExtension = 'io.modelcontextprotocol/tasks'

/** The one legacy revision that has tasks, which its clients ask for (MCP 2025-11-25 tasks). */
export const legacyTasksVersion = '2025-11-25'

const statuses: ReadonlySet<unknown> = new Set([
  'working',
  'input_required',
  'completed',
  'failed',
  'cancelled',
])

/** A method and its result, as far as both are read. */
interface Answered {
  readonly era: Era
  readonly method: string
}

/** Whether the result of this method tells of a task: one that a call has become, or one that is asked for. */
export function tellsOfTask({ era, method }: Answered, result: JsonObject): boolean {
  if (era === 'legacy') {
    const isCreated = method === 'tools/call' && Object.hasOwn(result, 'task')
    return isCreated || method === 'tasks/get' || method === 'tasks/cancel'
  }
  const { resultType } = result
  if (method === 'tools/call') return resultType === 'task'
  return method === 'tasks/get' && resultType === 'complete'
}

/** The task that such a result tells of; undefined where it is none that two clients read alike, or asks for what nobody decides on. */
export function taskIn({ era, method }: Answered, result: JsonObject): JsonObject | undefined {
  const task = era === 'legacy' && method === 'tools/call' ? result['task'] : result
  return isFit(result) && isJsonObject(task) && isTask(era, task) ? task : undefined
}

function isTask(era: Era, task: JsonObject): boolean {
  const { taskId, status, inputRequests } = task
  if (typeof taskId !== 'string' || taskId === '' || !statuses.has(status)) return false
  // A legacy server asks by requests of its own.
  if (era === 'legacy' && inputRequests !== undefined) return false
  return isFit(task) && (inputRequests === undefined || isJsonObject(inputRequests))
}

function isFit(holder: JsonObject): boolean {
  return unfitMembers.every((member) => !Object.hasOwn(holder, member))
}

/** Of an answer, and of what only a call brings back. */
const unfitMembers = ['content', 'structuredContent', 'contents', 'messages', 'requestState']

/** Where the members of that task stand. */
export function taskMembers(
  { era, method }: Answered,
  octets: Buffer,
  result: Span,
): ReadonlyMap<string, Span> | undefined {
  const members = membersOf(octets, result)
  if (era !== 'legacy' || method !== 'tools/call') return members
  const task = members?.get('task')
  return task && membersOf(octets, task)
}

/** Whether a tool runs as a task where its client asks for that (MCP 2025-11-25 tasks, tool-level negotiation). */
export type TaskSupport = 'forbidden' | 'optional' | 'required'

export function taskSupportIn(execution: unknown): TaskSupport {
  const said = isJsonObject(execution) ? execution['taskSupport'] : undefined
  return said === 'optional' || said === 'required' ? said : 'forbidden'
}

/** Whether a legacy server runs calls of tools as tasks, by the capabilities that it has declared. */
export function runsToolsAsTasks(capabilities: unknown): boolean {
  const tasks = isJsonObject(capabilities) ? capabilities['tasks'] : undefined
  const requests = isJsonObject(tasks) ? tasks['requests'] : undefined
  const tools = isJsonObject(requests) ? requests['tools'] : undefined
  return isJsonObject(tools) && isJsonObject(tools['call'])
}

export const taskStatus = 'notifications/tasks/status'

/** What a legacy server says beside its answers, where it belongs to one of its tasks. */
const ofTasks: ReadonlySet<string> = new Set(['notifications/progress', 'notifications/message'])

/** The task, by its server's id, that a notification of a legacy server is of; undefined for any other notification. */
export function taskOfNotification(method: string, params: unknown): string | undefined {
  if (!isJsonObject(params)) return undefined
  const handles = handlesNamed(params)
  if (handles.some((name) => name !== relatedTask)) return undefined
  if (method === taskStatus) return isTask('legacy', params) ? String(params['taskId']) : undefined
  return ofTasks.has(method) && handles.length > 0 ? relatedTaskOf(params) : undefined
}

/** The task that `_meta` of params or of a result names. */
export function relatedTaskOf(holder: JsonObject): string | undefined {
  const meta = holder['_meta']
  const related = isJsonObject(meta) ? meta[relatedTask] : undefined
  const taskId = isJsonObject(related) ? related['taskId'] : undefined
  return typeof taskId === 'string' ? taskId : undefined
}

/** A notification that is of a task, with the id that its client has for that. */
export function retellOfTask(octets: Buffer, method: string, shown: string): Buffer {
  const whole = membersOf(octets, { start: skipSpace(octets, 0), end: octets.length })
  const params = whole?.get('params')
  if (params === undefined) throw new TypeError('what is told of a task has params')
  if (method !== taskStatus) return applyEdits(octets, renameTask(octets, params, shown))
  const span = membersOf(octets, params)?.get('taskId')
  if (span === undefined) throw new TypeError('a task has an id')
  const own = { ...span, text: JSON.stringify(shown) }
  return applyEdits(octets, [own, ...withoutHandles(octets, params)])
}

/** What a modern server says of a task beside its answers (MCP tasks extension, task status notifications). */
export const taskNews = 'notifications/tasks'

const answerHead = '{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete"'
const answerTail = '}}'
/** Of the stream, and of an answer. */
const besideNews: ReadonlySet<string> = new Set(['_meta', 'resultType'])

/** A notification of a task as the answer to the request of this id that asks for it: it tells the same. Undefined: it has no params. */
export function answerOfNews(
  octets: Buffer,
): { readonly id: 1; readonly octets: Buffer } | undefined {
  const whole = membersOf(octets, { start: skipSpace(octets, 0), end: octets.length })
  const params = whole?.get('params')
  const members = params && membersOf(octets, params)
  if (members === undefined) return undefined
  const told = [...members].filter(([name]) => !besideNews.has(name))
  const texts = told.map(
    ([name, { start, end }]) => `,${JSON.stringify(name)}:${octets.toString('utf8', start, end)}`,
  )
  return { id: 1, octets: Buffer.from(`${answerHead}${texts.join('')}${answerTail}`) }
}

/** The members of that answer's result, as it is told to a client. */
export function newsOfAnswer(octets: Buffer): string {
  return octets.toString('utf8', answerHead.length + 1, octets.length - answerTail.length)
}

/** Gives the task that `_meta` of this object names its client's id, and says no more of it. */
export function renameTask(octets: Buffer, holder: Span, shown: string): readonly Edit[] {
  const meta = membersOf(octets, holder)?.get('_meta')
  const span = meta && membersOf(octets, meta)?.get(relatedTask)
  return span === undefined ? [] : [{ ...span, text: JSON.stringify({ taskId: shown }) }]
}

/** Says of which task this is, where it does not say so (MCP 2025-11-25 tasks, associating task-related messages). */
export function relateToTask(octets: Buffer, holder: Span, taskId: string): readonly Edit[] {
  const members = membersOf(octets, holder)
  const meta = members?.get('_meta')
  const inside = meta && membersOf(octets, meta)
  const named = `${JSON.stringify(relatedTask)}:${JSON.stringify({ taskId })}`
  if (members === undefined || (meta !== undefined && inside === undefined)) return []
  const [at, size, text] =
    meta === undefined || inside === undefined
      ? [holder.start + 1, members.size, `"_meta":{${named}}`]
      : [meta.start + 1, inside.size, named]
  return [{ start: at, end: at, text: size === 0 ? text : `${text},` }]
}
