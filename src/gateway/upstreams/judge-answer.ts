import type { RequestMessage } from '../../mcp/message.ts'

/** What to do with one message of an upstream that came in answer to a request. */
export type AnswerVerdict =
  | { readonly kind: 'pass'; readonly isResponse: boolean }
  /** Not for this caller: left out. */
  | { readonly kind: 'drop' }
  /** The upstream wants something from the caller that policy is not asked about: the call is refused. */
  | { readonly kind: 'refuse'; readonly what: string }
  /** No answer at all. */
  | { readonly kind: 'bad'; readonly detail: string }

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * An upstream may answer, and notify. Its own requests (legacy sampling, elicitation, roots) and a result that asks for input
 * (MCP 2026-07-28, multi round-trip requests) would reach an agent without a decision: never let through in part.
 */
export function judgeAnswer(request: RequestMessage, octets: Buffer): AnswerVerdict {
  let message: unknown
  try {
    message = JSON.parse(utf8.decode(octets))
  } catch {
    return { kind: 'bad', detail: 'answer is no JSON' }
  }
  if (!isObject(message)) return { kind: 'bad', detail: 'answer is no message' }
  if (typeof message['method'] === 'string') {
    if (message['id'] === undefined) return { kind: 'pass', isResponse: false }
    return message['method'] === 'ping'
      ? { kind: 'drop' }
      : { kind: 'refuse', what: 'a request of the server' }
  }
  const { id, result, error } = message as Readonly<Record<'id' | 'result' | 'error', unknown>>
  if (isObject(error)) {
    const own = id === undefined || id === null || id === request.id.value
    return own ? { kind: 'pass', isResponse: true } : anotherId
  }
  if (!isObject(result)) return { kind: 'bad', detail: 'answer has no result' }
  if (id !== request.id.value) return anotherId
  if (request.era === 'legacy') return { kind: 'pass', isResponse: true }
  const type = result['resultType'] ?? 'complete'
  return type === 'complete'
    ? { kind: 'pass', isResponse: true }
    : { kind: 'refuse', what: 'a result that is not complete' }
}

const anotherId: AnswerVerdict = { kind: 'bad', detail: 'answer is to another request' }

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
