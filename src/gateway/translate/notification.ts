import { splice } from '../../mcp/edits.ts'
import { isJsonObject } from '../../mcp/envelope.ts'
import { skipSpace } from '../../mcp/lex.ts'
import { loggingLevels } from '../../mcp/logging.ts'
import type { Era } from '../../mcp/message.ts'
import type { JsonObject } from '../../mcp/scan.ts'
import { membersOf } from '../../mcp/spans.ts'

/** What a server may say beside its answer; of the rest nobody has decided what it does to a client. */
const beside: ReadonlySet<string> = new Set([
  'notifications/message',
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
])

/** What a server says beside its answer, read. */
export interface Notification {
  readonly method: string
  readonly params?: JsonObject
}

/**
 * Whether a notification is of the call on whose stream it comes: progress under another token than the request has named is of another
 * one, and to its server all callers are the gateway (MCP 2026-07-28 and 2025-11-25 progress).
 */
export function isOfCall(
  { method, params = {} }: Notification,
  { _meta: asked }: JsonObject,
): boolean {
  if (method !== 'notifications/progress') return beside.has(method)
  const token = isJsonObject(asked) ? asked['progressToken'] : undefined
  const { progressToken } = params
  return isToken(token) && isToken(progressToken) && String(progressToken) === String(token)
}

function isToken(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number'
}

/**
 * Whether a notification on the stream of a call means to a client of the other era what its server means. Progress does. A modern
 * client is told messages of the level that its request names, and none where it names none (MCP 2026-07-28 logging).
 */
export function passesAcross(
  { method, params = {} }: Notification,
  { era, level }: { readonly era: Era; readonly level: unknown },
): boolean {
  if (method === 'notifications/progress') return true
  if (method !== 'notifications/message') return false
  if (era === 'legacy') return true
  const asked = loggingLevels.findIndex((each) => each === level)
  const told = loggingLevels.findIndex((each) => each === params['level'])
  return asked >= 0 && told >= asked
}

/**
 * A notification of progress under the token of the request whose answer its client awaits, which is not the one that began the call. Undefined:
 * that request wants to know of none. Any other notification is as it is.
 */
export function withProgressToken(octets: Buffer, token: unknown): Buffer | undefined {
  const whole = membersOf(octets, { start: skipSpace(octets, 0), end: octets.length })
  const params = whole?.get('params')
  const members = params && membersOf(octets, params)
  const method = whole?.get('method')
  const isProgress =
    method !== undefined &&
    JSON.parse(octets.toString('utf8', method.start, method.end)) === 'notifications/progress'
  if (!isProgress) return octets
  const place = members?.get('progressToken')
  if (place === undefined || !isToken(token)) return undefined
  return splice(octets, place, JSON.stringify(token))
}
