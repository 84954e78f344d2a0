import { quoted } from '../errors.ts'
import type { Reason } from '../policy/decision.ts'
import { problemCodes, type Problem } from '../mcp/problem.ts'

/** Every check has a name: of its row in the table, in metrics and in logs. */
export type CheckName =
  | 'ready'
  | 'peer'
  | 'host and origin'
  | 'body'
  | 'era'
  | 'session'
  | 'target'
  | 'ceiling'
  | 'definition'
  | 'policy'
  | 'obligations'
  | 'forward'
  | 'response'

/** Why a request is not served: what the caller is told, and beside it what only the log is told. */
export interface Refusal extends Problem {
  /** Written into the answer instead of `id`: the octets of the body, so that no number changes. */
  readonly rawId?: string
  /** The connection is not used again after the answer. */
  readonly close?: boolean
  readonly headers?: Readonly<Record<string, string>>
  /** For the log and the decision log, never for the caller. */
  readonly detail?: string
}

/** What a refused operation is answered with: outside the range that JSON-RPC and MCP reserve (MCP 2026-07-28 base protocol, error codes). */
const deniedCode = -31403

const internalError = -32603
const methodNotFound = -32601

/**
 * The peer's identity is not acceptable: 403, no id because no message of such a peer is read, no `WWW-Authenticate` because
 * that would start an OAuth flow, and the connection ends.
 */
export function identityRefusal(message: string, detail?: string): Refusal {
  return {
    status: 403,
    code: deniedCode,
    message,
    close: true,
    ...(detail === undefined ? {} : { detail }),
  }
}

/**
 * The operation is denied. HTTP 200, so that clients of both eras see a typed error: they take 403 for a fault of the transport
 * and 404 for a lost session. Only reasons meant for the agent are told.
 */
export function denial(
  rawId: string | undefined,
  decision: { readonly id: string; readonly reasons: readonly Reason[] },
): Refusal {
  const told = decision.reasons.filter((reason) => reason.audience === 'agent')
  return {
    status: 200,
    code: deniedCode,
    message: 'denied by policy',
    ...(rawId === undefined ? {} : { rawId }),
    data: { decisionId: decision.id, reasons: told.map((reason) => reason.message) },
    detail: decision.reasons.map((reason) => reason.code).join(' '),
  }
}

/** The tool is not there: what an upstream says of a tool that it does not have. */
export function unknownTool(rawId: string | undefined, name: string): Refusal {
  const refusal = {
    status: 200,
    code: problemCodes.invalidParams,
    message: `Unknown tool: ${name}`,
  }
  return rawId === undefined ? refusal : { ...refusal, rawId }
}

/** The gateway does not serve this method: 404 tells a modern client, a legacy client would take 404 for a lost session. */
export function unknownMethod(
  message: { readonly era: 'modern' | 'legacy'; readonly method: string },
  rawId: string | undefined,
): Refusal {
  const status = message.era === 'modern' ? 404 : 200
  const what = `method not found: ${quoted(message.method)}`
  const refusal = { status, code: methodNotFound, message: what }
  return rawId === undefined ? { ...refusal, status: 400 } : { ...refusal, rawId }
}

/** Something that the gateway depends on is not there. `status`: 500 policy, 502 and 504 upstream, 503 sources and log. */
export function unavailable(
  status: 500 | 502 | 503 | 504,
  message: string,
  more: {
    readonly rawId?: string | undefined
    readonly data?: object
    readonly detail?: string
  } = {},
): Refusal {
  return {
    status,
    code: internalError,
    message,
    ...(more.rawId === undefined ? {} : { rawId: more.rawId }),
    ...(more.data === undefined ? {} : { data: more.data }),
    ...(more.detail === undefined ? {} : { detail: more.detail }),
  }
}

/** A request that is no message of this door. */
export function badRequest(status: number, message: string, rawId?: string): Refusal {
  const refusal = { status, code: problemCodes.invalidRequest, message }
  return rawId === undefined ? refusal : { ...refusal, rawId }
}

/** The body of the answer: one JSON-RPC error. */
export function formatRefusal(refusal: Refusal): string {
  const error = {
    code: refusal.code,
    message: refusal.message,
    ...(refusal.data === undefined ? {} : { data: refusal.data }),
  }
  const id = refusal.rawId ?? (refusal.id === undefined ? undefined : JSON.stringify(refusal.id))
  const member = id === undefined ? '' : `"id":${id},`
  return `{"jsonrpc":"2.0",${member}"error":${JSON.stringify(error)}}`
}
