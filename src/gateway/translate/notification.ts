import { loggingLevels } from '../../mcp/logging.ts'
import type { Era } from '../../mcp/message.ts'

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
