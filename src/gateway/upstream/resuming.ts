import type { Position } from '../../mcp/events.ts'
import { sessionHeaders } from './headers.ts'
import type { UpstreamRequest } from './upstream.ts'

/** Asks for the rest of a stream that has ended before its answer. */
export interface Resuming {
  /** False: it is not asked for. */
  next(at: Position): boolean
  end(): void
}

/** Without a word of the server, what its own SDKs wait; a shorter time would be a loop, and a longer one is a call that nobody waits for. */
const wait = { milliseconds: 1000, min: 100, max: 30_000 } as const

/** So often in a row without an event of a new id: nothing comes there any more. */
const fruitlessMax = 4

/**
 * A server may end the stream of a call and have its client poll for the rest, or lose the connection (MCP 2025-11-25 transports,
 * resumability and redelivery): the rest is asked for by the id of the last event, after the wait that the server has named, in the session
 * of the call. Only there: without one a server could not tell whose stream it is.
 */
export function createResuming(
  request: UpstreamRequest,
  send: (rest: UpstreamRequest) => void,
): Resuming {
  let timer: NodeJS.Timeout | undefined
  let last: string | undefined
  let fruitless = 0
  return {
    next(at) {
      if (!isInSession(request)) return false
      fruitless = at.lastEventId === last ? fruitless + 1 : 0
      last = at.lastEventId
      if (fruitless > fruitlessMax) return false
      const asked = at.retryMilliseconds ?? wait.milliseconds
      const milliseconds = Math.min(Math.max(asked, wait.min), wait.max)
      timer = setTimeout(send, milliseconds, restOf(request, at))
      return true
    },
    end: () => clearTimeout(timer),
  }
}

function isInSession({ headers }: UpstreamRequest): boolean {
  return headers.some((name, at) => at % 2 === 0 && name === 'mcp-session-id')
}

/** The rest of what was asked, in the same session. */
export function restOf(
  { headers }: Pick<UpstreamRequest, 'headers'>,
  { lastEventId }: Pick<Position, 'lastEventId'>,
): UpstreamRequest {
  const own = [...sessionHeaders(headers), 'last-event-id', lastEventId]
  return { method: 'GET', headers: own, body: null }
}
