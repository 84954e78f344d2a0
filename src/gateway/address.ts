import type { Era, NotificationMessage, RequestMessage } from '../mcp/message.ts'
import { versionsOf } from '../mcp/revisions.ts'
import type { About, OfferKind, Target } from './call.ts'
import type { Door } from './door/arrived.ts'
import { splitName, splitUri } from './federated-name.ts'
import { badRequest, refused, unknownTarget, type Refused } from './refusal.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What says to whom a message goes. */
export interface Addressed {
  readonly door: Door
  readonly message: RequestMessage | NotificationMessage
  /** What the method is about. */
  readonly about: About
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
 * Which upstream is meant, and what of it. Only configuration names upstreams. An upstream is not there for a client of an era that
 * it does not speak: messages are never translated between eras.
 */
export function address(
  addressed: Addressed,
  upstreams: ReadonlyMap<string, Upstream>,
): Target | Refused {
  const { door, about } = addressed
  if (door.kind === 'all') return addressOfAll(addressed, upstreams)
  const upstream = upstreams.get(door.server)
  if (upstream === undefined) return refuse(badRequest(404, 'server is not known'))
  return about === 'server' ? { kind: 'server', upstream } : targetOf(addressed, upstream)
}

function targetOf(
  { message, about }: Addressed,
  upstream: Upstream,
  name: string = message.name ?? '',
): Target {
  return about === 'tool'
    ? { kind: 'tool', upstream, tool: name }
    : { kind: offerKindOf(message), upstream, name }
}

function offerKindOf({ named }: Addressed['message']): OfferKind {
  if (named === 'uri') return 'resource'
  return named === 'ref.uri' ? 'resource_template' : 'prompt'
}

function addressOfAll(
  addressed: Addressed,
  upstreams: ReadonlyMap<string, Upstream>,
): Target | Refused {
  const { message, about } = addressed
  if (about === 'server') return { kind: 'server', upstream: undefined }
  const { name: text = '', named } = message
  const { server, name } = named === 'uri' || named === 'ref.uri' ? splitUri(text) : splitName(text)
  const upstream = upstreams.get(server)
  if (upstream?.config.eras.includes(message.era) !== true) return refuse(unknownTarget(message))
  return targetOf(addressed, upstream, name)
}

function refuse(refusal: Refused['refusal']): Refused {
  return refused('target', refusal)
}
