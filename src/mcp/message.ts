import { parseEnvelope, type Call, type MessageId, type Reply } from './envelope.ts'
import { checkForm } from './form.ts'
import { parseHeaders, type MessageHeaders, type ReadonlyHeaders } from './headers.ts'
import { judgeLegacy } from './legacy.ts'
import { hasModernClaim, isModernRevision, judgeModern } from './modern.ts'
import { readableId } from './readable-id.ts'
import { badRequest, isProblem, problemCodes, type Problem } from './problem.ts'
import { versionsOf } from './revisions.ts'
import type { Offsets } from './levels.ts'
import type { JsonObject } from './scan.ts'
import type { Target, TargetMember } from './target.ts'

export type Era = 'modern' | 'legacy'

interface Common {
  readonly era: Era
  /** The protocol revision that the sender speaks; always one that is served. Of `initialize`, the one that is offered. */
  readonly version: string
  readonly offsets: Offsets
  /** The octets that were judged: what is forwarded is these, or these with one span spliced. */
  readonly body: Buffer
  /** Legacy only, visible ASCII; a name and not a credential. */
  readonly sessionId?: string
}

interface Called extends Common {
  readonly method: string
  /** `{}` where the body has none. */
  readonly params: JsonObject
  /** What the call is about: `params.name`, `params.uri`, `params.taskId` or what `params.ref` names, by method. */
  readonly name?: string
  /** Where that stands. */
  readonly named?: TargetMember
  /** `params.arguments`, as JSON.parse reads them. */
  readonly arguments?: JsonObject
  /**
   * The same, but only where the octets write some number otherwise than JSON.stringify would: a reader may take it for another one (an
   * integer beyond 2^53), or tell it from one that is spelled otherwise (`1.0` from `1`).
   */
  readonly roundedArguments?: JsonObject
}

export interface RequestMessage extends Called {
  readonly kind: 'request'
  readonly id: MessageId
}

export interface NotificationMessage extends Called {
  readonly kind: 'notification'
}

/** The answer to a server's request; legacy only. */
export interface ResponseMessage extends Common {
  readonly kind: 'response'
  readonly id: MessageId
  readonly outcome: 'result' | 'error'
}

export type Message = RequestMessage | NotificationMessage | ResponseMessage

export interface MessageLimits {
  /** Default 1 MiB. */
  readonly bodyBytesMax?: number
  /** Default 64. */
  readonly depthMax?: number
  /** Members and array elements in the whole body, default 10,000. */
  readonly membersMax?: number
  /** The revisions served where the message came to, default all three. */
  readonly versions?: readonly string[]
}

/**
 * One POST body with its headers, judged as one JSON-RPC message (MCP 2026-07-28 transports; 2025-11-25 and 2025-06-18).
 * The body decides; headers are compared with it and never believed. Nothing is thrown for what a caller can send.
 */
export function parseMessage(
  body: Buffer,
  headers: ReadonlyHeaders,
  limits: MessageLimits = {},
): Message | Problem {
  const bodyBytesMax = limits.bodyBytesMax ?? 1_048_576
  if (body.length > bodyBytesMax) {
    const message = `body too large, want=..${bodyBytesMax} got=${body.length}`
    return { status: 413, code: problemCodes.invalidRequest, message }
  }
  const judged = judge(body, headers, limits)
  if (!isProblem(judged)) return judged
  const rawId = readableId(body)
  return rawId === undefined ? judged : { ...judged, rawId }
}

function judge(body: Buffer, raw: ReadonlyHeaders, limits: MessageLimits): Message | Problem {
  const headers = parseHeaders(raw)
  if (isProblem(headers)) return headers
  const unfit = checkForm(headers)
  if (unfit !== undefined) return unfit
  const scanLimits = { depthMax: limits.depthMax ?? 64, membersMax: limits.membersMax ?? 10_000 }
  const envelope = parseEnvelope(body, scanLimits)
  if (isProblem(envelope)) return envelope
  const versions = limits.versions ?? versionsOf(['modern', 'legacy'])
  if (envelope.kind === 'response') return parseReply(envelope, headers, { body, versions })
  return parseCall(envelope, headers, { body, versions })
}

interface Context {
  readonly body: Buffer
  readonly versions: readonly string[]
}

function parseReply(
  reply: Reply,
  headers: MessageHeaders,
  { body, versions }: Context,
): ResponseMessage | Problem {
  if (isModernRevision(headers['mcp-protocol-version'] ?? '')) {
    return badRequest(problemCodes.invalidRequest, 'a modern client sends no responses')
  }
  const judged = judgeLegacy(reply, headers, versions)
  if (isProblem(judged)) return judged
  const { version, sessionId } = judged
  const session = sessionId === undefined ? {} : { sessionId }
  return { ...reply, era: 'legacy', version, body, ...session }
}

function parseCall(
  call: Call,
  headers: MessageHeaders,
  { body, versions }: Context,
): RequestMessage | NotificationMessage | Problem {
  if (isModernCall(call, headers)) {
    const judged = judgeModern(call, headers, versions)
    return isProblem(judged) ? judged : called(call, body, { era: 'modern', ...judged })
  }
  const judged = judgeLegacy(call, headers, versions)
  return isProblem(judged) ? judged : called(call, body, { era: 'legacy', ...judged })
}

/** Only a body can make `initialize` modern: it asks for a version, and may ask for one that has no `initialize` any more. */
function isModernCall(call: Call, headers: MessageHeaders): boolean {
  if (hasModernClaim(call)) return true
  return call.method !== 'initialize' && isModernRevision(headers['mcp-protocol-version'] ?? '')
}

function called(
  call: Call,
  body: Buffer,
  judged: { era: Era; version: string; target?: Target; sessionId?: string },
): RequestMessage | NotificationMessage {
  const args = call.params['arguments'] as JsonObject | undefined
  const isPlain = args === undefined || call.argumentNumbers === 'plain'
  const message = {
    era: judged.era,
    version: judged.version,
    method: call.method,
    params: call.params,
    offsets: call.offsets,
    body,
    ...(judged.target === undefined
      ? {}
      : { name: judged.target.value, named: judged.target.member }),
    ...(args === undefined ? {} : { arguments: args }),
    ...(isPlain ? {} : { roundedArguments: args }),
    ...(judged.sessionId === undefined ? {} : { sessionId: judged.sessionId }),
  }
  if (call.id === undefined) return { kind: 'notification', ...message }
  return { kind: 'request', id: call.id, ...message }
}
