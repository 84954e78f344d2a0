import { isJsonObject, type Call } from './envelope.ts'
import type { Offsets, Span } from './levels.ts'
import type { Era } from './message.ts'
import { badRequest, problemCodes, type Problem } from './problem.ts'

/** What a call is about. */
export interface Target {
  readonly member: TargetMember
  readonly value: string
}

/** Where in `params` it stands. A header (`Mcp-Name`) repeats the first three, and never a reference. */
export type TargetMember = 'name' | 'uri' | 'taskId' | 'ref.name' | 'ref.uri'

// MCP 2026-07-28 transports, standard headers (`Mcp-Name`), with the Tasks extension.
export const modernTargets: ReadonlyMap<string, 'name' | 'uri' | 'taskId'> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
])

// MCP 2025-11-25 schema.
const legacyTargets: ReadonlyMap<string, 'name' | 'uri' | 'taskId'> = new Map([
  ...modernTargets,
  ['resources/subscribe', 'uri'],
  ['resources/unsubscribe', 'uri'],
  ['tasks/result', 'taskId'],
])

/** The target that the method needs, undefined for a method that needs none, a problem where the body lacks it. */
export function parseTarget(call: Call, era: Era): Target | Problem | undefined {
  if ('arguments' in call.params && !isJsonObject(call.params['arguments'])) {
    return invalid('params.arguments must be an object')
  }
  if (call.method === 'completion/complete') return parseReference(call)
  const member = (era === 'modern' ? modernTargets : legacyTargets).get(call.method)
  if (member === undefined) return undefined
  const value = call.params[member]
  if (typeof value === 'string' && value !== '') return { member, value }
  return invalid(`params.${member} must be a string`)
}

/** Where the target stands in the octets. */
export function targetSpan(offsets: Offsets, member: TargetMember): Span | undefined {
  if (member === 'name' || member === 'uri' || member === 'taskId') return offsets[member]
  if (member === 'ref.name') return offsets.refName
  return member === 'ref.uri' ? offsets.refUri : undefined
}

/** Whether a modern header repeats the target. */
export function isMirrored(member: TargetMember | undefined): boolean {
  return member === 'name' || member === 'uri' || member === 'taskId'
}

/** The prompt or the resource of which an argument is completed (MCP 2026-07-28 completion, reference types). */
function parseReference({ params }: Call): Target | Problem {
  const { ref, argument } = params
  if (!isJsonObject(ref)) return invalid('params.ref must be an object')
  if (!isJsonObject(argument)) return invalid('params.argument must be an object')
  if (typeof argument['name'] !== 'string' || typeof argument['value'] !== 'string') {
    return invalid('params.argument must have a name and a value')
  }
  const { type, name, uri } = ref
  // A server may look at the type, or at what is there.
  if (name !== undefined && uri !== undefined) return invalid('params.ref has a name and a uri')
  if (type === 'ref/prompt' && isText(name)) return { member: 'ref.name', value: name }
  if (type === 'ref/resource' && isText(uri)) return { member: 'ref.uri', value: uri }
  return invalid('params.ref must name a prompt or a resource')
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function invalid(message: string): Problem {
  return badRequest(problemCodes.invalidParams, message)
}
