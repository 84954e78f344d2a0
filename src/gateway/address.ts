import type { Call } from './call.ts'
import type { Means } from './means.ts'
import type { Era, Message } from '../mcp/message.ts'
import { problemCodes } from '../mcp/problem.ts'
import { badRequest, unknownTool, type Refusal } from './refusal.ts'
import { versionsOf } from '../mcp/revisions.ts'

/**
 * Which upstream and which tool are meant. Only configuration names upstreams. An upstream is not there for a client of an era that
 * it does not speak: messages are never translated between eras.
 */
export function checkTarget(call: Call, means: Means): Refusal | undefined {
  const { message, door } = call
  if (message === undefined || message.kind === 'response') return undefined
  const tool = message.method === 'tools/call' ? (message.name ?? '') : undefined
  if (door.kind === 'all') {
    const eras = [...means.upstreams.values()].flatMap(({ config }) => config.eras)
    if (!eras.includes(message.era)) return otherEra(message, 'any upstream', eras)
    return tool === undefined ? undefined : targetOfAll(call, means, tool)
  }
  const upstream = means.upstreams.get(door.server)
  if (upstream === undefined) {
    const rawId = message.kind === 'request' ? message.id.raw : undefined
    return badRequest(404, 'server is not known', rawId)
  }
  if (!upstream.config.eras.includes(message.era)) {
    return otherEra(message, door.server, upstream.config.eras)
  }
  call.upstream = upstream
  call.tool = tool
  return undefined
}

/** `<server>_<tool>`: server names have no underscore, so the first one parts the two. */
function targetOfAll(call: Call, means: Means, name: string): Refusal | undefined {
  const { message, session } = call
  const mark = name.indexOf('_')
  const server = name.slice(0, Math.max(mark, 0))
  const upstream = means.upstreams.get(server)
  const rawId = message?.kind === 'request' ? message.id.raw : undefined
  if (upstream === undefined || message === undefined) return unknownTool(rawId, name)
  if (!upstream.config.eras.includes(message.era)) return unknownTool(rawId, name)
  // An upstream that was down or out of reach when the session was opened is not in it.
  if (session !== undefined && !Object.hasOwn(session.upstreams, server)) {
    return unknownTool(rawId, name)
  }
  call.upstream = upstream
  call.tool = name.slice(mark + 1)
  return undefined
}

function otherEra(message: Message, who: string, eras: readonly Era[]): Refusal {
  const rawId = message.kind === 'request' ? { rawId: message.id.raw } : {}
  const supported = versionsOf(eras)
  const text = `protocol version is not spoken by ${who}`
  const code =
    message.era === 'modern' ? problemCodes.unsupportedProtocolVersion : problemCodes.invalidParams
  const data = { supported, requested: message.version }
  return { status: 400, code, message: text, data, ...rawId }
}
