import type { Answering, Failure } from './http/connection.ts'
import type { Asking } from './http/pool.ts'
import type { ResponseHead } from './http/response-head.ts'
import type { Account, Full } from '../shares.ts'
import type { Guest } from './seats.ts'
import { sendRepeating, type Sending } from './send-repeating.ts'
import type { Upstream, UpstreamRequest } from './upstream.ts'

export type FailureCause =
  | 'unreachable'
  | 'time-out'
  | 'bad answer'
  /** It cannot be written as HTTP. */
  | 'bad request'
  | 'cancelled'
  /** The caller, its namespace or its tenant has as many exchanges open with this upstream as its share is. */
  | 'share used up'
  /** All callers together have. */
  | 'busy'

/** Why an upstream has not answered as it must. */
export interface ExchangeFailure {
  readonly failed: FailureCause
  readonly detail: string
  /** Whose share is used up. */
  readonly full?: Full
}

/** The head of an answer. */
export interface AnswerHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
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
  /** The answer is known to its end, whatever the upstream still sends: the seat is free, and nothing more is told. */
  answered(): void
}

export interface ExchangeOptions {
  readonly upstream: Upstream
  /** Whose share of the upstream is used; none on the gateway's own account. */
  readonly account?: Account
  readonly request: UpstreamRequest
  /** The most octets of the answer. */
  readonly answerBytesMax: number
  /** The longest life of a stream of events; other answers have the upstream's time-out for the whole. */
  readonly streamSecondsMax: number
  /** Doing it twice does no more than doing it once. Default false. */
  readonly repeatable?: boolean
}

/**
 * One request to an upstream and its answer, in callbacks: this is the hot path. Exactly one of `end` and `failed` is called, unless
 * the receiver has said that it is answered.
 */
export function startExchange(options: ExchangeOptions, receiver: Receiver): Exchange {
  const { upstream, request, answerBytesMax } = options
  let asking: Asking | undefined
  let left = answerBytesMax
  let over = false
  let timer: NodeJS.Timeout | undefined

  function finish(): void {
    over = true
    if (guest !== undefined) upstream.seats.leave(guest)
    clearTimeout(timer)
  }
  function fail(failed: FailureCause, detail: string, full?: Full): void {
    if (over) return
    finish()
    asking?.abort()
    receiver.failed({ failed, detail, ...(full === undefined ? {} : { full }) })
  }
  function limit(milliseconds: number): void {
    clearTimeout(timer)
    timer = setTimeout(() => fail('time-out', 'no answer in time'), milliseconds)
  }
  function send(): void {
    const { repeatable = false } = options
    const once: Sending['send'] = (each, fresh) => upstream.send(request, each, fresh)
    asking = sendRepeating({ send: once, answering, repeatable })
  }
  const { account } = options
  const guest = account === undefined ? undefined : guestOf(account, send, fail)
  const answering: Answering = {
    begun() {},
    head(received) {
      if (over) return
      const head = judgeHead(received)
      if (typeof head === 'string') {
        fail('bad answer', head)
        return
      }
      if (head.form === 'events') limit(options.streamSecondsMax * 1000)
      receiver.head(head)
    },
    data(chunk) {
      if (over) return true
      left -= chunk.length
      if (left >= 0) return receiver.data(chunk)
      fail('bad answer', `answer is too large, want=..${answerBytesMax} octets`)
      return true
    },
    end() {
      if (over) return
      finish()
      receiver.end()
    },
    failed: (failure) => fail(causes[failure.wrong], failure.detail),
  }
  limit(upstream.timeoutMilliseconds)
  if (guest === undefined || upstream.seats.take(guest)) send()
  return {
    cancel: () => fail('cancelled', 'cancelled'),
    resume: () => asking?.resume(),
    answered() {
      if (over) return
      finish()
      asking?.leave()
    },
  }
}

const causes = {
  connection: 'unreachable',
  answer: 'bad answer',
  request: 'bad request',
} as const satisfies Record<Failure['wrong'], FailureCause>

function guestOf(
  account: Account,
  seated: () => void,
  fail: (failed: FailureCause, detail: string, full?: Full) => void,
): Guest {
  return {
    account,
    seated,
    turnedAway(full) {
      if (full === 'gateway') fail('busy', 'too many requests are open')
      else fail('share used up', `share of the ${full} is used up`, full)
    },
  }
}

/** Challenges, and that a request was not received (408): of the connection between the two, and nobody else's. */
const bareRefusals: ReadonlySet<number> = new Set([401, 403, 407, 408])

/** What an upstream says to the gateway is not for the caller: redirects, challenges, its own failures. */
function judgeHead({ status, headers, framing }: ResponseHead): AnswerHead | string {
  if ((status >= 300 && status < 400) || status >= 500) return `answer has status ${status}`
  if (bareRefusals.has(status)) return `answer has status ${status}`
  if (headers['content-encoding'] !== undefined) return 'answer has a content-encoding'
  if (status === 202 || status === 204) return { status, headers, form: 'none' }
  const type = headers['content-type']?.toLowerCase() ?? ''
  if (/^application\/json\s*(;|$)/.test(type)) return { status, headers, form: 'json' }
  if (/^text\/event-stream\s*(;|$)/.test(type)) return { status, headers, form: 'events' }
  // A client error may come without a message; what it says instead is not passed on.
  return status >= 400 || framing === 0
    ? { status, headers, form: 'none' }
    : 'answer is neither JSON nor events'
}
