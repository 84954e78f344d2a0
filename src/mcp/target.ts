import { isJsonObject, type Call } from './envelope.ts'
import { badRequest, problemCodes, type Problem } from './problem.ts'

/** What a call is about. */
export interface Target {
  readonly member: 'name' | 'uri' | 'taskId'
  readonly value: string
}

// MCP 2026-07-28 transports, standard headers (`Mcp-Name`), with the Tasks extension.
export const modernTargets: ReadonlyMap<string, Target['member']> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
])

// MCP 2025-11-25 schema.
const legacyTargets: ReadonlyMap<string, Target['member']> = new Map([
  ...modernTargets,
  ['resources/subscribe', 'uri'],
  ['resources/unsubscribe', 'uri'],
  ['tasks/result', 'taskId'],
])

/** The target that the method needs, undefined for a method that needs none, a problem where the body lacks it. */
export function parseTarget(call: Call, era: 'modern' | 'legacy'): Target | Problem | undefined {
  if ('arguments' in call.params && !isJsonObject(call.params['arguments'])) {
    return badRequest(problemCodes.invalidParams, 'params.arguments must be an object')
  }
  const member = (era === 'modern' ? modernTargets : legacyTargets).get(call.method)
  if (member === undefined) return undefined
  const value = call.params[member]
  if (typeof value === 'string' && value !== '') return { member, value }
  return badRequest(problemCodes.invalidParams, `params.${member} must be a string`)
}
