import { splice } from '../../mcp/edits.ts'
import { skipSpace } from '../../mcp/lex.ts'
import { loggingLevels } from '../../mcp/logging.ts'
import type { Era } from '../../mcp/message.ts'
import { membersOf } from '../../mcp/spans.ts'

/**
 * Whether a notification on the stream of a call means to a client of the other era what its server means. Progress does. A modern
 * client is told messages of the level that its request names, and none where it names none (MCP 2026-07-28 logging).
 */
export function passesAcross(
  octets: Buffer,
  { era, level }: { readonly era: Era; readonly level: unknown },
): boolean {
  const { method, params } = JSON.parse(octets.toString('utf8')) as {
    readonly method: string
    readonly params?: { readonly level?: unknown }
  }
  if (method === 'notifications/progress') return true
  if (method !== 'notifications/message') return false
  if (era === 'legacy') return true
  const asked = loggingLevels.findIndex((each) => each === level)
  const told = loggingLevels.findIndex((each) => each === params?.level)
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
  if (place === undefined || (typeof token !== 'string' && typeof token !== 'number'))
    return undefined
  return splice(octets, place, JSON.stringify(token))
}
