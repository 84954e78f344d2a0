import type { Position } from '../../mcp/events.ts'
import type { Answering, Failure } from './http/connection.ts'
import type { Asking } from './http/pool.ts'
import type { ResponseHead } from './http/response-head.ts'
import { createResuming, type Resuming } from './resuming.ts'
import { sendRepeating } from './send-repeating.ts'
import type { Upstream, UpstreamRequest } from './upstream.ts'

export interface Resumable {
  readonly upstream: Pick<Upstream, 'send'>
  readonly request: UpstreamRequest
  /** Doing it twice does no more than doing it once. */
  readonly repeatable?: boolean
}

/** A request, and what its server is asked for the rest of its answer: of these one at a time is under way. */
export interface ResumableAsking extends Asking {
  begin(): void
  /** The rest is not asked for any more. */
  end(): void
}

/**
 * Sends a request as `sendRepeating` does, and asks for the rest where its answer is a stream that ends too early. Who asks hears of one
 * answer, with all its octets after one head. `cut` is asked whenever a stream has ended: undefined says that this is its end.
 */
export function sendResuming(
  { upstream, request, repeatable = false }: Resumable,
  answering: Answering,
  cut: () => Position | undefined,
): ResumableAsking {
  let asking: Asking | undefined
  let hasHead = false
  let resuming: Resuming | undefined

  function send(each: UpstreamRequest, isRepeatable: boolean): void {
    asking = sendRepeating({
      send: (once, fresh) => upstream.send(each, once, fresh),
      answering: one,
      repeatable: isRepeatable,
    })
  }
  function goesOn(): boolean {
    const at = cut()
    if (at === undefined) return false
    // That the rest is told once more does nothing more.
    resuming ??= createResuming(request, (rest) => send(rest, true))
    if (!resuming.next(at)) return false
    asking = undefined
    return true
  }
  const one: Answering = {
    begun: () => answering.begun(),
    head(head) {
      if (!hasHead) {
        hasHead = true
        answering.head(head)
      } else if (head.status !== 200 || !isEventStream(head)) {
        asking?.abort()
        answering.failed(notGoneOn(head))
      }
    },
    data: (octets) => answering.data(octets),
    end() {
      if (!goesOn()) answering.end()
    },
    failed(failure) {
      if (!isLost(failure) || !goesOn()) answering.failed(failure)
    },
  }
  return {
    begin: () => send(request, repeatable),
    end: () => resuming?.end(),
    resume: () => asking?.resume(),
    abort: () => asking?.abort(),
    leave: () => asking?.leave(),
  }
}

export function isEventStream({ headers }: Pick<ResponseHead, 'headers'>): boolean {
  return /^text\/event-stream\s*(;|$)/i.test(headers['content-type'] ?? '')
}

/** A server whose certificate does not count any more is asked for nothing. */
function isLost({ wrong, code }: Failure): boolean {
  return wrong === 'connection' && code !== 'gateway/upstream-revoked'
}

/** The call may have been made: it is not made again, whatever is wrong with the rest of its answer. */
function notGoneOn({ status }: Pick<ResponseHead, 'status'>): Failure {
  const detail = `stream ended without a response, and its rest was answered with status ${status}`
  return { wrong: 'answer', code: undefined, detail }
}
