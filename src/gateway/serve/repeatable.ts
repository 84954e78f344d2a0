import type { Permit } from '../permit/authorize.ts'

/** The server itself says that its tool changes nothing, or nothing more the second time (MCP 2026-07-28 tools, annotations). */
export function isRepeatable({ call, definition }: Permit): boolean {
  const { method } = call.message
  if (call.target.kind !== 'tool' || method === 'tasks/get' || method === 'tasks/result')
    return true
  if (call.taskId !== undefined) return false
  const { readOnlyHint, idempotentHint } = (definition?.annotations ?? {}) as ToolHints
  return readOnlyHint === true || idempotentHint === true
}

interface ToolHints {
  readonly readOnlyHint?: unknown
  readonly idempotentHint?: unknown
}
