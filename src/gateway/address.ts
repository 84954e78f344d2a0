import type { Era, NotificationMessage, RequestMessage } from '../mcp/message.ts'
import { versionsOf } from '../mcp/revisions.ts'
import type { Target } from './call.ts'
import type { Door } from './door/arrived.ts'
import { badRequest, refused, unknownTool, type Refused } from './refusal.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What says to whom a message goes. */
export interface Addressed {
  readonly door: Door
  readonly message: RequestMessage | NotificationMessage
  /** What the method is about. */
  readonly about: Target['kind']
}

/** The revisions that are spoken at a door: what some upstream behind it speaks. */
export function versionsAt(
  door: Door,
  upstreams: ReadonlyMap<string, Upstream>,
): readonly string[] {
  if (door.kind === 'one') return versionsOf(upstreams.get(door.server)?.config.eras ?? eras)
  const behind = [...upstreams.values()]
  return versionsOf(eras.filter((era) => behind.some(({ config }) => config.eras.includes(era))))
}

const eras: readonly Era[] = ['modern', 'legacy']

/**
 * Which upstream and which tool are meant. Only configuration names upstreams. An upstream is not there for a client of an era that
 * it does not speak: messages are never translated between eras.
 */
export function address(
  addressed: Addressed,
  upstreams: ReadonlyMap<string, Upstream>,
): Target | Refused {
  const { door, message, about } = addressed
  if (door.kind === 'all') return addressOfAll(addressed, upstreams)
  const upstream = upstreams.get(door.server)
  if (upstream === undefined) return refuse(badRequest(404, 'server is not known'))
  return about === 'tool'
    ? { kind: 'tool', upstream, tool: message.name ?? '' }
    : { kind: 'server', upstream }
}

function addressOfAll(
  addressed: Addressed,
  upstreams: ReadonlyMap<string, Upstream>,
): Target | Refused {
  const { message, about } = addressed
  if (about === 'server') return { kind: 'server', upstream: undefined }
  const { name = '' } = message
  // `<server>_<tool>`: server names have no underscore, so the first one parts the two.
  const mark = name.indexOf('_')
  const server = name.slice(0, Math.max(mark, 0))
  const upstream = upstreams.get(server)
  if (upstream?.config.eras.includes(message.era) !== true) return refuse(unknownTool(name))
  return { kind: 'tool', upstream, tool: name.slice(mark + 1) }
}

function refuse(refusal: Refused['refusal']): Refused {
  return refused('target', refusal)
}
