import type { Problem } from './problem.ts'
import type { JsonObject, Offsets } from './scan.ts'

export type Era = 'modern' | 'legacy'

/** Node's `rawHeaders`: name, value, name, value, as they came, so that a duplicate is seen. */
export type ReadonlyHeaders = readonly string[]

export interface MessageId {
  /** The id as the body writes it. */
  readonly raw: string
  readonly value: string | number
}

interface Common {
  readonly era: Era
  /** The protocol revision that the sender speaks; always one that is served. */
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
  /** What `Mcp-Name` mirrors: `params.name`, `params.uri` or `params.taskId`, by method. */
  readonly name?: string
  /** `params.arguments` */
  readonly arguments?: JsonObject
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
  /** The revisions served, default all three. */
  readonly versions?: readonly string[]
}

/** One POST body with its headers, judged as one JSON-RPC message (MCP 2026-07-28 transports; 2025-11-25 and 2025-06-18). */
export declare function parseMessage(
  body: Buffer,
  headers: ReadonlyHeaders,
  limits?: MessageLimits,
): Message | Problem
