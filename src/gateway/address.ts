import type { NotificationMessage, RequestMessage } from '../mcp/message.ts'
import { problemCodes } from '../mcp/problem.ts'
import type { About, OfferKind, Target } from './call.ts'
import type { Door } from './door/arrived.ts'
import { splitName, splitUri } from './federated-name.ts'
import { isOwnKey } from './own-input.ts'
import { badRequest, isRefused, refused, unknownTarget, type Refused } from './refusal.ts'
import { isAcross } from './translate/era.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What says to whom a message goes. */
export interface Addressed {
  readonly door: Door
  readonly message: RequestMessage | NotificationMessage
  /** What the method is about. */
  readonly about: About
}

/**
 * Which upstream is meant, and what of it. Only configuration names upstreams. Of which era the caller is makes no difference: what is
 * said to a server of the other one is translated.
 */
export function address(
  addressed: Addressed,
  upstreams: ReadonlyMap<string, Upstream>,
): Target | Refused {
  const target = findTarget(addressed, upstreams)
  if (isRefused(target)) return target
  const { era, params, kind } = addressed.message
  if (target.upstream === undefined || !isAcross(era, target.upstream.config)) return target
  // What goes on with a call that is open at a legacy server says which.
  if (kind === 'request' && era === 'modern' && typeof params['requestState'] === 'string') {
    return target
  }
  const { inputResponses } = params
  // What the gateway itself has asked for is answered to it.
  const isOurs = Object.keys(inputResponses ?? {}).every(isOwnKey)
  return isOurs ? target : refuse(notCarried('inputResponses'))
}

function notCarried(member: string): Refused['refusal'] {
  const message = `params.${member} is not carried to a tool server of the other era`
  return { status: 400, code: problemCodes.invalidParams, message }
}

function findTarget(
  addressed: Addressed,
  upstreams: ReadonlyMap<string, Upstream>,
): Target | Refused {
  const { door, about } = addressed
  // Which server has a task stands in it, and nobody can read it yet.
  if (about === 'task') return { kind: 'server', upstream: undefined }
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
  if (upstream === undefined) return refuse(unknownTarget(message))
  return targetOf(addressed, upstream, name)
}

function refuse(refusal: Refused['refusal']): Refused {
  return refused('target', refusal)
}
