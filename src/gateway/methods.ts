import type { Era, NotificationMessage, RequestMessage } from '../mcp/message.ts'
import { problemCodes } from '../mcp/problem.ts'
import type { JsonObject } from '../mcp/scan.ts'
import { mayNeedInput } from '../mcp/ask.ts'
import { isJsonObject } from '../mcp/envelope.ts'
import { handleNamed } from '../mcp/handle-names.ts'
import { listFormOf } from '../mcp/lists.ts'
import { legacyTasksVersion } from '../mcp/task.ts'
import type { About } from './call.ts'
import { toolNameCharactersMax } from './catalogue/definition.ts'
import { notInUris, promptCharactersMax, uriCharactersMax } from './catalogue/offer.ts'
import type { Door } from './door/arrived.ts'
import { sealedCharactersMax } from './handle/seal.ts'
import { replyResult } from './door/reply.ts'
import { refused, unknownMethod, type Refused } from './refusal.ts'
import { approve, approveNowhere } from './serve/approve.ts'
import { discover, discoverAll } from './serve/discover.ts'
import { forward } from './serve/forward.ts'
import { initialize, initializeAll } from './serve/initialize.ts'
import { listAll } from './serve/list-all.ts'
import { list } from './serve/list.ts'
import { listTasks } from './serve/list-tasks.ts'
import { listen } from './serve/listen.ts'
import { acceptAll, notify, notifyAll, progress } from './serve/notify.ts'
import { setLevel, setLevelOfAll } from './serve/set-level.ts'
import { subscribe } from './serve/subscribe.ts'
import type { Serve } from './serve/serve.ts'
import { isAcross } from './translate/era.ts'

/** What happens to a method: in which eras it is served, what it is about, and what is done at each door. */
export interface Method {
  readonly kind: 'request' | 'notification'
  readonly eras: readonly Era[]
  readonly about: About
  /** At the door of one upstream, and at the door of all. */
  readonly serve: Readonly<Record<Door['kind'], Serve>>
}

const both: readonly Era[] = ['modern', 'legacy']
const pong: Serve = (_, reply) => {
  replyResult(reply, {})
  return undefined
}
/** A modern server knows no ping; that the gateway answers is all that a client can learn. */
const ping: Serve = (permit, reply, parts) => {
  const { message, target } = permit.call
  const isModern = target.upstream !== undefined && isAcross(message.era, target.upstream.config)
  return isModern ? pong(permit, reply, parts) : forward(permit, reply, parts)
}

/** What the gateway serves. Whatever is not here is refused by name. */
export const methods: Readonly<Record<string, Method>> = {
  'server/discover': row('request', ['modern'], 'server', discover, discoverAll),
  initialize: row('request', ['legacy'], 'server', initialize, initializeAll),
  ping: row('request', ['legacy'], 'server', ping, pong),
  'tools/list': row('request', both, 'server', list, listAll),
  'tools/call': row('request', both, 'tool', forward, forward),
  'prompts/list': row('request', both, 'server', list, listAll),
  'resources/list': row('request', both, 'server', list, listAll),
  'resources/templates/list': row('request', both, 'server', list, listAll),
  'prompts/get': row('request', both, 'prompt', forward, forward),
  'resources/read': row('request', both, 'resource', forward, forward),
  'resources/subscribe': row('request', ['legacy'], 'resource', subscribe, subscribe),
  'resources/unsubscribe': row('request', ['legacy'], 'resource', subscribe, subscribe),
  'completion/complete': row('request', both, 'reference', forward, forward),
  'subscriptions/listen': row('request', ['modern'], 'server', listen, listen),
  'tasks/get': row('request', both, 'task', forward, forward),
  'tasks/update': row('request', ['modern'], 'task', forward, forward),
  'tasks/cancel': row('request', both, 'task', forward, forward),
  'tasks/result': row('request', ['legacy'], 'task', forward, forward),
  'tasks/list': row('request', ['legacy'], 'server', listTasks, listTasks),
  'logging/setLevel': row('request', ['legacy'], 'server', setLevel, setLevelOfAll),
  'approvals/list': row('request', ['modern'], 'server', approveNowhere, approve),
  'approvals/approve': row('request', ['modern'], 'server', approveNowhere, approve),
  'approvals/deny': row('request', ['modern'], 'server', approveNowhere, approve),
  'notifications/initialized': row('notification', ['legacy'], 'server', notify, acceptAll),
  'notifications/progress': row('notification', ['legacy'], 'server', progress, progress),
  'notifications/roots/list_changed': row('notification', ['legacy'], 'server', notify, notifyAll),
  'notifications/cancelled': row('notification', both, 'server', notify, notifyAll),
}

/** The row of a message, or why it is not served at this door. */
export function methodOf(
  message: RequestMessage | NotificationMessage,
  door: Door,
): Method | Refused {
  const method = Object.hasOwn(methods, message.method) ? methods[message.method] : undefined
  const isServed =
    method?.kind === message.kind && method.eras.includes(message.era) && isOfRevision(message)
  if (isServed) return refuseMembers(message, method.about, door) ?? method
  const isUnneeded = message.kind === 'notification' && message.method.startsWith('notifications/')
  return isUnneeded ? dropped : refused('era', unknownMethod(message))
}

/** Of the legacy revisions one alone has tasks. */
function isOfRevision({
  era,
  method,
  version,
}: Pick<RequestMessage, 'era' | 'method' | 'version'>): boolean {
  return era === 'modern' || !method.startsWith('tasks/') || version === legacyTasksVersion
}

/** What a client tells that nobody here needs. No answer is owed to it, and some clients take a refusal for the end of their session. */
const dropped: Method = row('notification', both, 'server', acceptAll, acceptAll)

/**
 * What detaches a call where that is not asked for, and what continues one where none is to be continued: behind the gateway an upstream
 * could not tell whose it is, because to an upstream all callers are the gateway (MCP 2025-11-25 tasks; 2026-07-28 multi round-trip
 * requests).
 */
const unservedMembers = ['requestState', 'inputResponses', 'task'] as const
const unservedOfInput: readonly string[] = ['task']
/** A task has none of its own to bring back (MCP tasks extension). */
const unservedOfUpdate: readonly string[] = ['requestState', 'task']
const unservedOfLegacyCall: readonly string[] = ['requestState', 'inputResponses']

/** The name of an upstream and the mark after it, which stand before the name of a tool at the door of all. */
const prefixCharactersMax = 64

/** What no tool, prompt or resource is called is not written into logs either. */
const charactersMax: Readonly<Record<About, number>> = {
  server: 0,
  tool: toolNameCharactersMax,
  prompt: promptCharactersMax,
  resource: uriCharactersMax,
  reference: uriCharactersMax,
  task: sealedCharactersMax.task,
}

function refuseMembers(
  message: RequestMessage | NotificationMessage,
  about: About,
  door: Door,
): Refused | undefined {
  const { kind, era, method, params, name = '', named } = message
  // No client was given such an id of a server's: one that it names all the same would be that of another caller. In a request for a
  // task it says nothing (MCP 2025-11-25 tasks, associating task-related messages), and is not passed on.
  const handle = era === 'legacy' && about === 'task' ? undefined : handleIn(params)
  if (handle !== undefined) return invalidParams(`${handle} is not served`)
  if (kind === 'notification') return undefined
  const without = unservedIn(message)
  const unserved = without.find((member) => Object.hasOwn(params, member))
  if (unserved !== undefined) return invalidParams(`params.${unserved} is not served`)
  const isTask = method === 'tools/call' && Object.hasOwn(params, 'task')
  if (era === 'legacy' && isTask && !isTaskWanted(params['task'])) {
    return invalidParams('params.task is no object with a ttl of milliseconds')
  }
  if (!isTextOrAbsent(params, 'requestState'))
    return invalidParams('params.requestState is no text')
  if (Object.hasOwn(params, 'inputResponses') && !isJsonObject(params['inputResponses'])) {
    return invalidParams('params.inputResponses is no object')
  }
  // Readers differ on `null`: here it is what it is to the schema, at either door (MCP 2026-07-28 pagination, a cursor is a string).
  const isList = listFormOf(method) !== undefined || method === 'tasks/list'
  if (isList && !isTextOrAbsent(params, 'cursor')) {
    return invalidParams('params.cursor is no text')
  }
  if (named === undefined) return undefined
  const most = charactersMax[about] + (door.kind === 'all' ? prefixCharactersMax : 0)
  if (name.length > most) {
    return invalidParams(`params.${named} is too long, want=..${most} got=${name.length}`)
  }
  const isUri = named === 'uri' || named === 'ref.uri'
  return isUri && notInUris.test(name)
    ? invalidParams(`params.${named} is no URI: it has white space or control characters`)
    : undefined
}

function unservedIn({
  era,
  method,
  version,
}: RequestMessage | NotificationMessage): readonly string[] {
  // What asks for a task says nothing to a modern server, and is not passed on (MCP tasks extension: its server decides alone).
  if (era === 'modern' && method === 'tools/call') return []
  if (era === 'modern' && mayNeedInput(method)) return unservedOfInput
  if (era === 'modern' && method === 'tasks/update') return unservedOfUpdate
  // What is no call is none for being asked for as a task: SDKs ask so for tasks, too (MCP 2025-11-25 tasks, task support and handling).
  const mayBeTask =
    version === legacyTasksVersion && (method === 'tools/call' || method.startsWith('tasks/'))
  return mayBeTask ? unservedOfLegacyCall : unservedMembers
}

/** How a client asks for a task (MCP 2025-11-25 schema, TaskMetadata). */
function isTaskWanted(task: unknown): boolean {
  if (!isJsonObject(task)) return false
  const { ttl } = task
  return ttl === undefined || (typeof ttl === 'number' && ttl >= 0)
}

/** Of a request or notification, and of what is answered in it to a tool server. */
function handleIn(params: JsonObject): string | undefined {
  const own = handleNamed(params)
  if (own !== undefined) return `params._meta["${own}"]`
  const { inputResponses } = params
  if (!isJsonObject(inputResponses)) return undefined
  const named = Object.values(inputResponses)
    .map(handleNamed)
    .find((name) => name !== undefined)
  return named && `_meta["${named}"] of params.inputResponses`
}

function isTextOrAbsent(params: JsonObject, member: string): boolean {
  return !Object.hasOwn(params, member) || typeof params[member] === 'string'
}

function invalidParams(message: string): Refused {
  return refused('era', { status: 400, code: problemCodes.invalidParams, message })
}

// oxlint-disable-next-line max-params -- the five columns of the table
function row(
  kind: Method['kind'],
  eras: readonly Era[],
  about: Method['about'],
  one: Serve,
  all: Serve,
): Method {
  return { kind, eras, about, serve: { one, all } }
}
