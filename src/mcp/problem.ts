/** What a POST is refused with: an HTTP status and the JSON-RPC error in its body. A value, never thrown. */
export interface Problem {
  readonly status: number
  readonly code: number
  /** Lower case, says the rule broken; text of the caller is quoted and cut. */
  readonly message: string
  /** The id of the request as its body writes it; absent where none can be read (JSON-RPC 2.0 §5: the answer then has null). */
  readonly rawId?: string
  readonly data?: object
}

/** JSON-RPC 2.0 §5.1, and the codes that MCP 2026-07-28 gives a meaning of their own. */
export const problemCodes = {
  parseError: -32700,
  invalidRequest: -32600,
  invalidParams: -32602,
  headerMismatch: -32020,
  unsupportedProtocolVersion: -32022,
} as const

/** Tells a refusal from what was parsed. */
export function isProblem(value: object): value is Problem {
  return 'status' in value && 'code' in value
}

export function badRequest(code: number, message: string, data?: object): Problem {
  return { status: 400, code, message, ...(data === undefined ? {} : { data }) }
}
