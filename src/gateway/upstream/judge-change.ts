import {
  acknowledged,
  changeOf,
  parseChangeFilter,
  subscriptionMember,
  type Change,
  type ChangeFilter,
} from '../../mcp/changes.ts'
import { isJsonObject } from '../../mcp/envelope.ts'
import { scanAnswer, type JsonObject } from '../../mcp/scan.ts'
import { taskNews } from '../../mcp/task.ts'

/** What one message of an upstream says in a subscription. */
export type ChangeVerdict =
  | { readonly kind: 'acknowledged'; readonly filter: ChangeFilter }
  | { readonly kind: 'changed'; readonly change: Change }
  /** What it tells of the task is not judged yet. */
  | { readonly kind: 'task'; readonly taskId: string }
  /** Its answer: the subscription is over. */
  | { readonly kind: 'complete' }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  /** Of another subscription, or of nothing that can be subscribed to. */
  | { readonly kind: 'drop' }
  | { readonly kind: 'bad'; readonly detail: string }

/** An acknowledgement repeats what was asked for. */
const limits = { depthMax: 32, membersMax: 10_000 }
/** What is told of a task may hold its result. */
const limitsOfTasks = { depthMax: 256, membersMax: 1_000_000 }

/**
 * Reads one message on the stream of a subscription. Of a notification of a change no octet is passed on, only what has changed: so all of
 * it that can reach anybody is what is read here.
 */
export function judgeChange(subscription: string, octets: Buffer, hasTasks = false): ChangeVerdict {
  const scanned = scanAnswer(octets, hasTasks ? limitsOfTasks : limits, undefined)
  if ('rule' in scanned) return bad(scanned.message)
  const { value } = scanned
  if (value['jsonrpc'] !== '2.0') return bad('jsonrpc is not "2.0"')
  const { method } = value as { readonly method?: unknown }
  if (method === undefined) return judgeResponse(subscription, value)
  // Nothing may be asked of a client here (MCP 2026-07-28 transports), and nobody answers.
  if (typeof method !== 'string' || Object.hasOwn(value, 'id')) return { kind: 'drop' }
  return judgeNotification(subscription, method, value['params'])
}

function judgeNotification(subscription: string, method: string, params: unknown): ChangeVerdict {
  const meta = isJsonObject(params) ? params['_meta'] : undefined
  const named = isJsonObject(meta) ? meta[subscriptionMember] : undefined
  if (!isJsonObject(params)) return { kind: 'drop' }
  // The extension shows it without the id of its subscription.
  if (method === taskNews && (named ?? subscription) === subscription) {
    const { taskId } = params as { readonly taskId?: unknown }
    return typeof taskId === 'string' ? { kind: 'task', taskId } : { kind: 'drop' }
  }
  if (named !== subscription) return { kind: 'drop' }
  if (method !== acknowledged) {
    const change = changeOf(method, params)
    return change === undefined ? { kind: 'drop' } : { kind: 'changed', change }
  }
  const filter = parseChangeFilter(params['notifications'])
  return typeof filter === 'string' ? bad(filter) : { kind: 'acknowledged', filter }
}

function judgeResponse(subscription: string, value: JsonObject): ChangeVerdict {
  if (value['id'] !== subscription) return bad('it is to another request')
  const { result, error } = value as { readonly result?: unknown; readonly error?: unknown }
  if (isJsonObject(result) && error === undefined) return { kind: 'complete' }
  if (!isJsonObject(error) || result !== undefined) return bad('want one of result and error')
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
  return Number.isSafeInteger(code) && typeof message === 'string'
    ? { kind: 'error', code: code as number, message }
    : bad('error has no code or no message')
}

function bad(what: string): ChangeVerdict {
  return { kind: 'bad', detail: `message of a subscription is not read: ${what}` }
}
