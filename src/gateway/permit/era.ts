import type { Call } from '../call.ts'
import type { Means } from '../means.ts'
import { parseMessage, type Era, type RequestMessage } from '../../mcp/message.ts'
import { isProblem, problemCodes } from '../../mcp/problem.ts'
import { badRequest, unknownMethod, type Refusal } from '../refusal.ts'
import { toolNameCharactersMax } from '../catalogue/definition.ts'

const emptyBody = Buffer.alloc(0)

/** What the gateway serves, by era. Whatever is not here is refused by name. */
const servedRequests: Readonly<Record<Era, ReadonlySet<string>>> = {
  modern: new Set(['server/discover', 'tools/list', 'tools/call']),
  legacy: new Set(['initialize', 'ping', 'tools/list', 'tools/call']),
}

const servedNotifications: Readonly<Record<Era, ReadonlySet<string>>> = {
  modern: new Set(['notifications/cancelled']),
  legacy: new Set(['notifications/initialized', 'notifications/cancelled']),
}

/**
 * What continues or detaches a call. Policy is not asked about it, and behind the gateway an upstream could not tell whose it is: to
 * an upstream all callers are the gateway (MCP 2026-07-28 multi round-trip requests; 2025-11-25 tasks).
 */
const unservedMembers = ['requestState', 'inputResponses', 'task'] as const

/** The name of an upstream and the mark after it, which stand before the name of a tool at the door of all. */
const prefixCharactersMax = 64

/** The body is one message of one era, its headers say the same, and its method is served. */
export function checkEra(call: Call, means: Means): Refusal | undefined {
  const message = parseMessage(call.body ?? emptyBody, call.request.rawHeaders, {
    bodyBytesMax: means.limits.bodyBytesMax,
  })
  if (isProblem(message)) return message
  call.message = message
  const { era } = message
  if (message.kind === 'response') return badRequest(400, 'no request of the server is open')
  if (message.kind === 'notification') {
    const served = servedNotifications[era].has(message.method)
    return served ? undefined : unknownMethod(message, undefined)
  }
  if (!servedRequests[era].has(message.method)) return unknownMethod(message, message.id.raw)
  const unserved = unservedMembers.find((member) => Object.hasOwn(message.params, member))
  if (unserved !== undefined) return invalidParams(message, `params.${unserved} is not served`)
  // What no tool is named is not written into logs either.
  const charactersMax = toolNameCharactersMax + (call.door.kind === 'all' ? prefixCharactersMax : 0)
  const { length } = message.name ?? ''
  if (length <= charactersMax) return undefined
  return invalidParams(message, `params.name is too long, want=..${charactersMax} got=${length}`)
}

function invalidParams({ id }: RequestMessage, message: string): Refusal {
  return { status: 400, code: problemCodes.invalidParams, message, rawId: id.raw }
}
