import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Decision } from '../policy/decision.ts'
import type { Definition } from './catalogue/definition.ts'
import type { Message } from '../mcp/message.ts'
import type { Peer } from './caller/caller.ts'
import type { Session } from './handle/session.ts'
import type { Upstream } from './upstream/upstream.ts'

/** `/mcp` is all upstreams together, `/mcp/<server>` is one upstream as it is. */
export type Door =
  | { readonly kind: 'all'; readonly name: 'mcp' }
  | { readonly kind: 'one'; readonly name: `mcp/${string}`; readonly server: string }

/** A decision that has its id, and its place in the decision log. */
export interface Decided extends Decision {
  readonly id: string
}

/** One HTTP request on its way through the table: each row may rely on what the rows before it have written. */
export interface Call {
  readonly door: Door
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly receivedAt: number
  /** By `peer`. */
  peer: Peer | undefined
  /** By `body`: the octets as received, bounded. */
  body: Buffer | undefined
  /** By `era`. */
  message: Message | undefined
  /** By `session`, for legacy messages other than `initialize`. */
  session: Session | undefined
  /** By `target`: the one upstream that is meant; none for what the gateway answers itself. */
  upstream: Upstream | undefined
  /** By `target`: the tool's name as the upstream knows it. */
  tool: string | undefined
  /** By `definition`. */
  definition: Definition | undefined
  /** By `policy`. */
  decided: Decided | undefined
}

/** The id of the message's own octets, for the answer. */
export function rawIdOf(call: Call): string | undefined {
  const { message } = call
  return message === undefined || message.kind === 'notification' ? undefined : message.id.raw
}
