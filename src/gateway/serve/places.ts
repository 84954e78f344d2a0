import type { Position } from '../../mcp/events.ts'
import { pollingVersion } from '../../mcp/revisions.ts'
import { placeBodyOctetsMax, sealPlace } from '../handle/place.ts'
import { isOwn } from '../upstream/legacy-session.ts'
import type { Forwarding } from './forward.ts'

/**
 * What a caller is given in place of a server's ids of events, from which it can ask for the rest itself when its own connection is lost
 * (MCP 2025-11-25 transports, resumability). Whoever asks is decided on again, so each has the request in it; one that a person has let
 * pass would need another to. Undefined: the server's ids are of no use to it.
 */
export function placesOf({
  permit,
  message,
  session,
  crossing,
  upstream,
  parts,
}: Forwarding): ((at: Position) => string | undefined) | undefined {
  const { call, duties } = permit
  const { caller } = call
  if (call.session === undefined || session === undefined || !isOwn(session)) return undefined
  const isResumable = crossing === undefined && duties.approved === undefined
  if (!isResumable || message.version !== pollingVersion) return undefined
  if (message.body.length > placeBodyOctetsMax) return undefined
  const { seal, limits, now } = parts
  const place = {
    key: call.session.key,
    spiffeId: upstream.config.spiffeId.uri,
    there: session.id,
    body: message.body.toString('utf8'),
    until: now() + limits.streamSecondsMax * 1000,
  }
  return ({ lastEventId }) => sealPlace(seal, caller.owner, { ...place, lastEventId })
}
