import { quoted } from '../errors.ts'
import type { Reason } from '../policy/decision.ts'
import type { Full } from '../shares.ts'
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
  | 'retry'
  | 'ceiling'
  | 'definition'
  | 'policy'
  | 'obligations'
  | 'forward'
  | 'response'

/** Why a request is not served: what the caller is told, and beside it what only the log is told. */
export interface Refusal extends Problem {
  /** It is the caller's identity that is not acceptable, which is a decision too. */
  readonly identity?: true
  /** Told in place of an error: the call is held out, and its client knows how to go on. */
  readonly result?: object
  /** The connection is not used again after the answer. */
  readonly close?: boolean
  readonly headers?: Readonly<Record<string, string>>
  /** For the log and the decision log, never for the caller. */
  readonly detail?: string
}

/** A refusal, with the row at which it came. */
export interface Refused {
  readonly check: CheckName
  readonly refusal: Refusal
}

export function isRefused(value: object): value is Refused {
  return 'refusal' in value
}

export function refused(check: CheckName, refusal: Refusal): Refused {
  return { check, refusal }
}

/** What a refused operation is answered with: outside the range that JSON-RPC and MCP reserve (MCP 2026-07-28 base protocol, error codes). */
export const deniedCode = -31403

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
    identity: true,
    close: true,
    ...(detail === undefined ? {} : { detail }),
  }
}

/**
 * The operation is denied. HTTP 200, so that clients of both eras see a typed error: they take 403 for a fault of the transport
 * and 404 for a lost session. Only reasons meant for the agent are told.
 */
export function denial(decision: {
  readonly id: string
  readonly reasons: readonly Reason[]
}): Refusal {
  const told = decision.reasons.filter((reason) => reason.audience === 'agent')
  const reasons = told.map((reason) => reason.message)
  return {
    status: 200,
    code: deniedCode,
    message: ['denied by policy', ...reasons].join(': '),
    data: { decisionId: decision.id, reasons },
    detail: decision.reasons.map((reason) => reason.code).join(' '),
  }
}

/** A call comes back with a state that is none of it (MCP 2026-07-28, multi round-trip requests). Nothing tells a thief what it holds. */
export function badState({ data, detail }: Refusal): Refusal {
  const { decisionId } = data as { readonly decisionId: string }
  return {
    status: 400,
    code: problemCodes.invalidParams,
    message: 'params.requestState is none of this call',
    data: { decisionId },
    ...(detail === undefined ? {} : { detail }),
  }
}

/** The tool is not there: what an upstream says of a tool that it does not have. */
export function unknownTool(name: string): Refusal {
  return { status: 200, code: problemCodes.invalidParams, message: `Unknown tool: ${name}` }
}

/** No task that this caller has. Whose it is stands in the log alone. */
export function taskUnknown({ data, detail }: Refusal): Refusal {
  const { decisionId } = data as { readonly decisionId: string }
  return {
    status: 200,
    code: problemCodes.invalidParams,
    message: 'Unknown task',
    data: { decisionId },
    ...(detail === undefined ? {} : { detail }),
  }
}

/** What a call is about is not there: told as a server tells it (MCP 2026-07-28 and 2025-11-25, error handling of each kind). */
export function unknownTarget(message: {
  readonly era: 'modern' | 'legacy'
  readonly method: string
  readonly name?: string
}): Refusal {
  const { era, method, name = '' } = message
  if (method === 'tools/call') return unknownTool(name)
  const isResource = method.startsWith('resources/')
  const code = isResource && era === 'legacy' ? resourceNotFound : problemCodes.invalidParams
  const what = isResource ? 'Resource not found' : 'Unknown prompt or resource'
  const data = isResource ? { data: { uri: name } } : {}
  return { status: 200, code, message: `${what}: ${name}`, ...data }
}

/** MCP 2025-11-25 resources, error handling; modern servers say -32602. */
const resourceNotFound = -32002

/** The call cannot be served to a client that does not do this (MCP 2026-07-28 base protocol, MissingRequiredClientCapability). */
export function missingCapability(requiredCapabilities: object): Refusal {
  const [what] = Object.keys(requiredCapabilities)
  return {
    status: 400,
    code: -32021,
    message: `the server asks for what the client has not declared: ${what}`,
    data: { requiredCapabilities },
  }
}

/** The gateway does not serve this method: 404 tells a modern client, a legacy client would take 404 for a lost session. */
export function unknownMethod(message: {
  readonly kind: 'request' | 'notification'
  readonly era: 'modern' | 'legacy'
  readonly method: string
}): Refusal {
  const ofRequest = message.era === 'modern' ? 404 : 200
  const status = message.kind === 'notification' ? 400 : ofRequest
  return { status, code: methodNotFound, message: `method not found: ${quoted(message.method)}` }
}

/** A method is served, but not of this tool in the form that was asked for (MCP 2025-11-25 tasks, tool-level negotiation). */
export function unservedAsked(message: string): Refusal {
  return { status: 200, code: methodNotFound, message }
}

/** Something that the gateway depends on is not there. `status`: 500 policy, 502 and 504 upstream, 503 sources and log. */
export function unavailable(
  status: 500 | 502 | 503 | 504,
  message: string,
  more: Pick<Refusal, 'data' | 'detail' | 'headers'> = {},
): Refusal {
  return { status, code: internalError, message, ...more }
}

/** A request that is no message of this door. */
export function badRequest(status: number, message: string): Refusal {
  return { status, code: problemCodes.invalidRequest, message }
}

/** Most calls end sooner than this and streams later, and a start takes seconds: no other time is better. */
export const retrySoon: Readonly<Record<string, string>> = { 'retry-after': '1' }

/** A tool server is away: that it has no such tool is not known, and it may be back in a moment. */
export function temporarilyUnavailable(isSilent: boolean, detail: string): Refusal {
  const more = { detail, headers: { 'retry-after': '2' } }
  return unavailable(isSilent ? 504 : 502, 'upstream is temporarily unavailable', more)
}

/** The caller has as much of the gateway as it may have (RFC 6585 §4). */
export function tooMany(what: string): Refusal {
  return { ...badRequest(429, `too many ${what}`), headers: retrySoon }
}

/** Of a limit that policy has set: neither the operation nor the caller is at fault, so it is told apart from what is denied. */
const limitedCode = -31429

/** A limit that the call would exceed, in words for the agent and for what is told of it (RFC 6585 §4). */
export function limitReached(
  limit: { readonly id: string; readonly per: readonly string[] } & (
    { readonly calls: number; readonly seconds: number } | { readonly concurrent: number }
  ),
  retrySeconds: number,
): { readonly message: string; readonly of: (denied: Refusal) => Refusal } {
  const { id, per } = limit
  const most =
    'calls' in limit
      ? `${limit.calls} calls in ${limit.seconds} s`
      : `${limit.concurrent} open calls`
  const message = `limit ${quoted(id)} is reached: at most ${most} for each ${per.join(' and ')}`
  return {
    message,
    of: (denied) => ({
      ...denied,
      status: 429,
      code: limitedCode,
      message,
      data: { ...denied.data, limit: id, retryAfterSeconds: retrySeconds },
      headers: { 'retry-after': String(retrySeconds) },
      detail: `${denied.detail ?? ''} ${id}`,
    }),
  }
}

/** What is known of who is told: which of its statuses it survives. */
export interface Told {
  readonly isLegacy: boolean
  readonly kind: 'request' | 'notification' | undefined
}

/** A fault of the request or of what is behind the gateway; what is wrong with framing, identity or session is another thing. */
const faults: ReadonlySet<number> = new Set([400, 413, 429, 500, 502, 503, 504])

/**
 * The HTTP status of a refusal. To a legacy client anything but 2xx is a broken transport, and widely used ones end their session over
 * it: what is wrong with one request is told as its answer, and a notification has none.
 */
export function statusOf({ check, refusal }: Refused, { isLegacy, kind }: Told): number {
  const isFault = faults.has(refusal.status) && check !== 'session' && refusal.close !== true
  if (!isLegacy || kind === undefined || !isFault) return refusal.status
  if (kind === 'request') return 200
  // A request that has lost its id is no notification, whatever it looks like.
  return check === 'era' ? refusal.status : 202
}

/**
 * The HTTP status of what a tool server has answered itself. A client error with a message is the answer to one request, and no end of a
 * legacy session: see `statusOf`.
 */
export function statusOfAnswer(
  status: number,
  { era }: { readonly era: 'modern' | 'legacy' },
): number {
  return era === 'legacy' ? 200 : status
}

/** There is no room for more: 429 to whom it is about, 503 where it is everybody together. */
export function noRoom(what: string, full: Full): Refusal {
  if (full !== 'gateway') return tooMany(`${what} of one ${full}`)
  return unavailable(503, 'gateway is busy', { headers: retrySoon, detail: `too many ${what}` })
}

/**
 * One JSON-RPC error, with the id as the body of the request writes it, so that no number changes; null where there is none to be read
 * (JSON-RPC 2.0 §5). Most clients show their users the message alone, so the decision stands in it too.
 */
export function formatRefusal(refusal: Refusal, rawId: string | undefined): string {
  const { message, result } = refusal
  if (result !== undefined) {
    return `{"jsonrpc":"2.0","id":${rawId ?? 'null'},"result":${JSON.stringify(result)}}`
  }
  const { decisionId } = (refusal.data ?? {}) as { readonly decisionId?: string }
  const error = {
    code: refusal.code,
    message: decisionId === undefined ? message : `${message} (decision ${decisionId})`,
    ...(refusal.data === undefined ? {} : { data: refusal.data }),
  }
  return `{"jsonrpc":"2.0","id":${rawId ?? 'null'},"error":${JSON.stringify(error)}}`
}
