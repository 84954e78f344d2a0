import type { Dispatcher } from 'undici'
import type { Guest } from './seats.ts'
import { sendRepeating } from './send-repeating.ts'
import type { Upstream, UpstreamRequest } from './upstream.ts'

export type FailureCause =
  | 'unreachable'
  | 'time-out'
  | 'bad answer'
  | 'cancelled'
  /** The caller has as many exchanges open with this upstream as one caller may. */
  | 'share used up'
  /** All callers together have. */
  | 'busy'

/** Why an upstream has not answered as it must. */
export interface ExchangeFailure {
  readonly failed: FailureCause
  readonly detail: string
}

/** The head of an answer. */
export interface AnswerHead {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  /** `json`, `events`, or `none` for an answer without a body. */
  readonly form: 'json' | 'events' | 'none'
}

export interface Receiver {
  /** The head has come, and is one that may be passed on. */
  head(head: AnswerHead): void
  /** False: wait until `resume`. */
  data(chunk: Buffer): boolean
  end(): void
  /** Once, instead of `end`. */
  failed(failure: ExchangeFailure): void
}

export interface Exchange {
  cancel(): void
  resume(): void
}

export interface ExchangeOptions {
  readonly upstream: Upstream
  /** SPIFFE ID of the caller, whose share of the upstream is used; none on the gateway's own account. */
  readonly caller?: string
  readonly request: UpstreamRequest
  /** The most octets of the answer. */
  readonly answerBytesMax: number
  /** The longest life of a stream of events; other answers have the upstream's time-out for the whole. */
  readonly streamSecondsMax: number
  /** Doing it twice does no more than doing it once. Default false. */
  readonly repeatable?: boolean
}

/**
 * One request to an upstream and its answer, in callbacks (undici's `dispatch`): this is the hot path. Exactly one of `end` and
 * `failed` is called.
 */
export function startExchange(options: ExchangeOptions, receiver: Receiver): Exchange {
  const { upstream, request, answerBytesMax } = options
  let controller: Dispatcher.DispatchController | undefined
  let left = answerBytesMax
  let over = false
  let timer: NodeJS.Timeout | undefined

  function finish(): void {
    over = true
    if (guest !== undefined) upstream.seats.leave(guest)
    clearTimeout(timer)
  }
  function fail(failed: FailureCause, detail: string): void {
    if (over) return
    finish()
    controller?.abort(new Error(detail))
    receiver.failed({ failed, detail })
  }
  function limit(milliseconds: number): void {
    clearTimeout(timer)
    timer = setTimeout(() => fail('time-out', 'no answer in time'), milliseconds)
  }
  const exchange: Exchange = {
    cancel: () => fail('cancelled', 'cancelled'),
    resume: () => controller?.resume(),
  }
  const send = (): void =>
    sendRepeating({
      send: (once) => upstream.send(request, once),
      handler,
      repeatable: options.repeatable === true,
      isOver: () => over,
    })
  const guest = options.caller === undefined ? undefined : guestOf(options.caller, send, fail)
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      controller = started
      if (over) started.abort(new Error('cancelled'))
    },
    onResponseStart(_, status, received) {
      if (over || status < 200) return
      const head = judgeHead(status, received)
      if (typeof head === 'string') {
        fail('bad answer', head)
        return
      }
      if (head.form === 'events') limit(options.streamSecondsMax * 1000)
      receiver.head(head)
    },
    onResponseData(started, chunk) {
      if (over) return
      left -= chunk.length
      if (left < 0) fail('bad answer', `answer is too large, want=..${answerBytesMax} octets`)
      else if (!receiver.data(chunk)) started.pause()
    },
    onResponseEnd() {
      if (over) return
      finish()
      receiver.end()
    },
    onResponseError(_, error) {
      fail('unreachable', error.message)
    },
  }
  limit(upstream.timeoutMilliseconds)
  if (guest === undefined || upstream.seats.take(guest)) send()
  return exchange
}

function guestOf(
  caller: string,
  seated: () => void,
  fail: (failed: FailureCause, detail: string) => void,
): Guest {
  return {
    caller,
    seated,
    turnedAway(own) {
      if (own) fail('share used up', 'caller has too many open requests')
      else fail('busy', 'too many requests are open')
    },
  }
}

/** Challenges, and that a request was not received (408): of the connection between the two, and nobody else's. */
const bareRefusals: ReadonlySet<number> = new Set([401, 403, 407, 408])

/** What an upstream says to the gateway is not for the caller: redirects, challenges, its own failures. */
function judgeHead(status: number, headers: AnswerHead['headers']): AnswerHead | string {
  if ((status >= 300 && status < 400) || status >= 500) return `answer has status ${status}`
  if (bareRefusals.has(status)) return `answer has status ${status}`
  if (headers['content-encoding'] !== undefined) return 'answer has a content-encoding'
  if (status === 202 || status === 204) return { status, headers, form: 'none' }
  const given = headers['content-type']
  const type = typeof given === 'string' ? given.toLowerCase() : ''
  if (/^application\/json\s*(;|$)/.test(type)) return { status, headers, form: 'json' }
  if (/^text\/event-stream\s*(;|$)/.test(type)) return { status, headers, form: 'events' }
  // A client error may come without a message; what it says instead is not passed on.
  return status >= 400 || headers['content-length'] === '0'
    ? { status, headers, form: 'none' }
    : 'answer is neither JSON nor events'
}
