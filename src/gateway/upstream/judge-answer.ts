import { isJsonObject } from '../../mcp/envelope.ts'
import { handleNamed, handlesNamed, relatedTask } from '../../mcp/handle-names.ts'
import { isElicitationId, mayNeedInput, parsePages, type Page } from '../../mcp/ask.ts'
import type { ListSpan, Recognizer } from '../../mcp/listed.ts'
import { listFormOf } from '../../mcp/lists.ts'
import type { Era } from '../../mcp/message.ts'
import type { Span } from '../../mcp/levels.ts'
import { taskIn, taskOfNotification, taskStatus, tellsOfTask } from '../../mcp/task.ts'
import { scanAnswer, type JsonObject, type Scanned } from '../../mcp/scan.ts'

/** The request that an answer has to be to; a `RequestMessage` is one. */
export interface Asked {
  readonly era: Era
  readonly method: string
  readonly id: { readonly value: string | number }
  /** Whoever asks decides on the pages that an error asks to be opened; unless told, such an error reaches nobody. */
  readonly mayOpenPages?: true
}

/** The upstream asks its client something. */
export interface ServerRequest {
  readonly kind: 'server request'
  readonly what: string
  readonly method: string
  /** `{}` where it has none. */
  readonly params: JsonObject
  /** The octets of the id, and where they stand. */
  readonly rawId: string
  readonly id: Span
}

/** What to do with one message of an upstream that came in answer to a request. */
export type AnswerVerdict =
  /** The answer itself; `result` is where its result stands, undefined for an error, and `list` what it lists. */
  | {
      readonly kind: 'response'
      readonly result: Span | undefined
      readonly list: ListSpan | undefined
    }
  /** The answer asks for input before there is another: `result` is where that stands. None of it is decided on yet. */
  | { readonly kind: 'input required'; readonly result: Span }
  /** An error that asks for pages to be opened first (MCP 2025-11-25 elicitation). None of them is decided on yet. */
  | { readonly kind: 'pages'; readonly pages: readonly Page[] }
  /** It tells of a task: `result` is where that stands. What it asks is not decided on yet, and its id is the upstream's. */
  | { readonly kind: 'task'; readonly result: Span }
  | { readonly kind: 'notification'; readonly method: string; readonly params?: JsonObject }
  /** A notification that is of a task of a legacy server, by the server's id: for whoever has that one. */
  | { readonly kind: 'of a task'; readonly method: string; readonly taskId: string }
  /** Not for this caller: left out. */
  | { readonly kind: 'drop' }
  | ServerRequest
  /** The upstream wants something from the caller that policy is not asked about: the call is refused. */
  | { readonly kind: 'refuse'; readonly what: string }
  /** No answer at all. */
  | { readonly kind: 'bad'; readonly detail: string }

/** The octets of an answer are bounded before; these bound what its reading takes. */
const limits = { depthMax: 256, membersMax: 1_000_000 }

const messageMembers: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'params'])
const responseMembers: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'result', 'error'])

/** What a server may say beside its answer, on the stream of it, and what a client need not be told. */
const notificationPrefix = 'notifications/'

/** MCP 2025-11-25 elicitation: what was to be done on a page is done. */
export const elicitationComplete = 'notifications/elicitation/complete'

/** MCP 2025-11-25 elicitation: an error that asks the caller to open a URL. */
const urlElicitationRequired = -32042

/**
 * Every message of an upstream is judged here, whatever was asked and however it came, before anything else reads it. Two parsers
 * must not read it differently; it is exactly one response to this request, or a notification. Requests of a server (legacy sampling,
 * elicitation, roots) and what asks for input where no answer may would reach an agent without a decision: never let through in part.
 */
export function judgeAnswer(asked: Asked, octets: Buffer, recognizer?: Recognizer): AnswerVerdict {
  const scanned = scanAnswer(octets, limits, listFormOf(asked.method)?.member, recognizer)
  if ('rule' in scanned) return bad(scanned.message)
  const { value } = scanned
  if (value['jsonrpc'] !== '2.0') return bad('jsonrpc is not "2.0"')
  if (Object.hasOwn(value, 'method')) return judgeMessage(asked, octets, scanned)
  if (!hasOnly(value, responseMembers)) return bad('an unknown member beside the JSON-RPC ones')
  const hasResult = Object.hasOwn(value, 'result')
  if (hasResult === Object.hasOwn(value, 'error')) return bad('want one of result and error')
  if (!isIdOf(asked, octets, scanned)) return bad('it is to another request')
  return hasResult ? judgeResult(asked, scanned) : judgeError(value['error'], asked)
}

/** Judges a message on the stream of a legacy session, which answers nothing. What tells of a change is left to who knows the session. */
export function judgeUnasked(octets: Buffer): AnswerVerdict {
  const scanned = scanAnswer(octets, limits, undefined)
  if ('rule' in scanned) return bad(scanned.message)
  const { value } = scanned
  if (value['jsonrpc'] !== '2.0') return bad('jsonrpc is not "2.0"')
  // A response comes there only where a stream is taken up again, which is not offered.
  if (!Object.hasOwn(value, 'method')) return { kind: 'drop' }
  const { method, params } = value as { readonly method?: unknown; readonly params?: unknown }
  const isOfOwn = ownNotifications.has(method) && !Object.hasOwn(value, 'id')
  if (!isOfOwn || !hasOnly(value, messageMembers) || !isJsonObject(params)) {
    return judgeMessage({ era: 'legacy' }, octets, scanned)
  }
  const isOfAnother = handleNamed(params) !== undefined
  if (isOfAnother || (method === elicitationComplete && !tellsOfPage(params))) {
    return { kind: 'drop' }
  }
  return { kind: 'notification', method: method as string, params }
}

/** What says of whom it is by the session that it comes in. */
const ownNotifications: ReadonlySet<unknown> = new Set([
  'notifications/resources/updated',
  elicitationComplete,
])

/** MCP 2025-11-25 elicitation, completion notifications: the id and nothing beside it. */
function tellsOfPage(params: JsonObject): boolean {
  return Object.keys(params).length === 1 && isElicitationId(params['elicitationId'])
}

function bad(what: string): AnswerVerdict {
  return { kind: 'bad', detail: `answer is not read: ${what}` }
}

function hasOnly(value: JsonObject, members: ReadonlySet<string>): boolean {
  for (const name in value) if (!members.has(name)) return false
  return true
}

const integer = /^-?[0-9]+$/

/** A number has to be written as one too: some parsers hold digits that a double does not. */
function isIdOf(asked: Asked, octets: Buffer, { value, offsets }: Scanned): boolean {
  const id = value['id']
  if (id !== asked.id.value || offsets.id === undefined) return false
  const { start, end } = offsets.id
  if (typeof id === 'string') return true
  return end - start <= 17 && integer.test(octets.toString('latin1', start, end))
}

function judgeMessage(
  { era }: Pick<Asked, 'era'>,
  octets: Buffer,
  { value, offsets }: Scanned,
): AnswerVerdict {
  const { method } = value as { readonly method?: unknown }
  const params = value['params']
  if (!hasOnly(value, messageMembers) || typeof method !== 'string') return bad('it is no message')
  if (params !== undefined && !isJsonObject(params)) return bad('params is no object')
  if (!Object.hasOwn(value, 'id')) {
    if (!method.startsWith(notificationPrefix)) return { kind: 'refuse', what: serverRequest }
    const taskId = era === 'legacy' ? taskOfNotification(method, params) : undefined
    if (taskId !== undefined) return { kind: 'of a task', method, taskId }
    if (isOfAHandle(method, params)) return { kind: 'drop' }
    return { kind: 'notification', method, ...(params === undefined ? {} : { params }) }
  }
  if (era === 'legacy') {
    const { id } = offsets
    const rawId = rawIdOf(octets, value['id'], id)
    if (id === undefined || rawId === undefined) {
      return bad('its id is no text or integer of fair length')
    }
    return { kind: 'server request', what: serverRequest, method, params: params ?? {}, rawId, id }
  }
  return method === 'ping' ? { kind: 'drop' } : { kind: 'refuse', what: serverRequest }
}

const serverRequest = 'a request of the server'
const serverIdOctetsMax = 256

function rawIdOf(octets: Buffer, id: unknown, span: Span | undefined): string | undefined {
  if (span === undefined || span.end - span.start > serverIdOctetsMax) return undefined
  const raw = octets.toString('utf8', span.start, span.end)
  return typeof id === 'string' || integer.test(raw) ? raw : undefined
}

/** What tells of a task or a subscription, of which it is not known whose it is: so it is that of somebody else. */
const handleNotifications: ReadonlySet<string> = new Set([
  'notifications/tasks',
  taskStatus,
  'notifications/subscriptions/acknowledged',
  'notifications/resources/updated',
  elicitationComplete,
])
function isOfAHandle(method: string, params: unknown): boolean {
  return handleNotifications.has(method) || handleNamed(params) !== undefined
}

const asksForInput = 'an error that asks for input'

function judgeError(error: unknown, asked?: Asked): AnswerVerdict {
  if (!isJsonObject(error)) return bad('error is no object')
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
  if (!Number.isSafeInteger(code)) return bad('error.code is no integer')
  if (typeof message !== 'string') return bad('error.message is no text')
  if (code === urlElicitationRequired) {
    if (asked?.mayOpenPages !== true) return { kind: 'refuse', what: asksForInput }
    const pages = parsePages(error['data'])
    return typeof pages === 'string' ? { kind: 'refuse', what: pages } : { kind: 'pages', pages }
  }
  return { kind: 'response', result: undefined, list: undefined }
}

/** Members that ask for input, whatever the type of the result says: a client may look at them first. */
const askingMembers = ['inputRequests', 'requestState'] as const

/** What a client might take for an answer, whatever the type of the result says. */
const answeringMembers = ['content', 'structuredContent', 'contents', 'messages'] as const

/** MCP 2026-07-28, multi round-trip requests: which calls may need input, and what says that one does. */
function isInputRequired({ era, method }: Asked, result: JsonObject): boolean {
  const { resultType, inputRequests, requestState } = result
  if (era !== 'modern' || !mayNeedInput(method) || resultType !== 'input_required') return false
  if (answeringMembers.some((member) => Object.hasOwn(result, member))) return false
  return (
    (inputRequests !== undefined || requestState !== undefined) &&
    (inputRequests === undefined || isJsonObject(inputRequests)) &&
    (requestState === undefined || typeof requestState === 'string')
  )
}

/** What a task has come to is what its call would have been answered, and judged as that. */
function judgeTask(asked: Asked, answer: JsonObject, span: Span | undefined): AnswerVerdict {
  const told = taskIn(asked, answer)
  if (span === undefined || told === undefined) return bad('it is no task')
  if (asked.era === 'legacy') return { kind: 'task', result: span }
  const { result: given, error } = told as { readonly result?: unknown; readonly error?: unknown }
  if (given !== undefined && !isJsonObject(given)) return bad('result of a task is no object')
  if (handleNamed(given) !== undefined)
    return { kind: 'refuse', what: 'a result of a task or a subscription' }
  if (isJsonObject(given) && askingMembers.some((member) => Object.hasOwn(given, member))) {
    return { kind: 'refuse', what: 'a result that asks for input' }
  }
  const judged = error === undefined ? undefined : judgeError(error)
  return judged === undefined || judged.kind === 'response'
    ? { kind: 'task', result: span }
    : judged
}

/** A legacy result says of which task it is (MCP 2025-11-25 tasks, associating task-related messages): who asked has to tell whether of its own. */
function mayNameTask({ era, method }: Asked, isTold: boolean, result: JsonObject): boolean {
  const isOfTask = era === 'legacy' && (isTold || method === 'tasks/result')
  return isOfTask && handlesNamed(result).every((name) => name === relatedTask)
}

function judgeResult(asked: Asked, { value, offsets, list }: Scanned): AnswerVerdict {
  const { result } = value as { readonly result?: unknown }
  if (!isJsonObject(result)) return bad('result is no object')
  const type = result['resultType']
  const isTold = tellsOfTask(asked, result)
  if (handleNamed(result) !== undefined && !mayNameTask(asked, isTold, result))
    return { kind: 'refuse', what: 'a result of a task or a subscription' }
  if (isTold) return judgeTask(asked, result, offsets.result)
  // What a task has come to is no other one.
  if (asked.era === 'legacy' && asked.method === 'tasks/result' && Object.hasOwn(result, 'task')) {
    return { kind: 'refuse', what: 'a result of a task or a subscription' }
  }
  if (isInputRequired(asked, result) && offsets.result !== undefined) {
    return { kind: 'input required', result: offsets.result }
  }
  if (askingMembers.some((member) => Object.hasOwn(result, member))) {
    return { kind: 'refuse', what: 'a result that asks for input' }
  }
  if (type === 'complete') return { kind: 'response', result: offsets.result, list }
  const hasNoType = type === undefined && !Object.hasOwn(result, 'resultType')
  // A legacy result has no type; that of a call is complete without one (MCP 2026-07-28 base protocol, results).
  const mayLackType = asked.era === 'legacy' || asked.method === 'tools/call'
  return hasNoType && mayLackType
    ? { kind: 'response', result: offsets.result, list }
    : { kind: 'refuse', what: 'a result that is not complete' }
}
