import { hash } from 'node:crypto'
import { applyEdits, removeMembers, type Edit } from '../mcp/edits.ts'
import type { NotificationMessage, RequestMessage } from '../mcp/message.ts'

type Message = RequestMessage | NotificationMessage

/** What the gateway itself asks a client for, and is answered to it: no tool server asks under such a name, or is told of one. */
export function isOwnKey(key: string): boolean {
  return key.startsWith('dev.countersign/')
}

/** Under which a person is asked to wait for an approval. */
export const approvalKey = 'dev.countersign/approval'

/** What a client answers to tool servers (MCP 2026-07-28, multi round-trip requests). */
export interface InputResponses {
  readonly keys: readonly string[]
  /** Hex; of the octets that a tool server gets. */
  readonly sha256: string
}

/** Undefined: the message has none that a tool server gets. */
export function inputResponsesOf({ body, params, offsets }: Message): InputResponses | undefined {
  const { inputResponses: span } = offsets
  if (span === undefined) return undefined
  const keys = Object.keys(params['inputResponses'] ?? {}).filter((key) => !isOwnKey(key))
  if (keys.length === 0) return undefined
  const octets = body.subarray(span.start, span.end)
  const there = applyEdits(
    octets,
    removeMembers(octets, { start: 0, end: octets.length }, isOwnKey),
  )
  return { keys, sha256: hash('sha256', there, 'hex') }
}

/** Takes what is answered to the gateway out of a message; the whole member, where nothing else is answered; and other members of its params. */
export function ownInputEdits(
  { body, params, offsets }: Message,
  others: readonly string[],
): readonly Edit[] {
  const { inputResponses: span, params: around } = offsets
  if (around === undefined) return []
  const keys = Object.keys(params['inputResponses'] ?? {})
  const isOwnInput = keys.length > 0 && keys.every(isOwnKey)
  const own = [...(isOwnInput ? ['inputResponses'] : []), ...others]
  const whole = own.length === 0 ? [] : removeMembers(body, around, (name) => own.includes(name))
  return isOwnInput || span === undefined || !keys.some(isOwnKey)
    ? whole
    : [...whole, ...removeMembers(body, span, isOwnKey)]
}
