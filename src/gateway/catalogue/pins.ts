import type { Reason } from '../../policy/decision.ts'
import type { Definition } from './definition.ts'
import type { UpstreamConfig } from '../upstream/upstream.ts'

/**
 * Why a tool is neither listed nor called until somebody approves its definition: a changed description or schema is how a tool
 * that was harmless at review becomes another one (MCP security best practices; OWASP MCP Top 10, tool poisoning).
 */
export function quarantineOf(config: UpstreamConfig, definition: Definition): Reason | undefined {
  if ('code' in definition.paramHeaders) {
    return refusal('definition-invalid', 'the definition of this tool breaks the protocol')
  }
  const { pins } = config
  if (pins === undefined) return undefined
  if (!Object.hasOwn(pins, definition.name)) {
    return refusal('definition-not-approved', 'the definition of this tool is not approved')
  }
  return pins[definition.name] === definition.digest
    ? undefined
    : refusal('definition-changed', 'the definition of this tool has changed since its approval')
}

function refusal(code: string, message: string): Reason {
  return { code, message, audience: 'agent' }
}
