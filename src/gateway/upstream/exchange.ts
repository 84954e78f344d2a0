import type { Position } from '../../mcp/events.ts'
import type { Answering, Failure } from './http/connection.ts'
import type { ResponseHead } from './http/response-head.ts'
import { countedOctetsMin, type Account, type Full, type OctetRoom } from '../../shares.ts'
import type { Guest } from '../seats.ts'
import { Reading } from './reading.ts'
import { isEventStream, sendResuming } from './send-resuming.ts'
import type { Upstream, UpstreamRequest } from './upstream.ts'

export type FailureCause =
  | 'unreachable'
  | 'time-out'
  /** Its certificate does not count any more. */
  | 'revoked'
  | 'bad answer'
  /** It cannot be written as HTTP. */
  | 'bad request'
  | 'cancelled'
  /** The caller, its namespace or its tenant has as many exchanges open with this upstream as its share is. */
  | 'share used up'
  /** All callers together have. */
  | 'busy'
  /** There is no memory for its answer, by whose share that is. */
  | 'no room'
  /** The upstream says so itself: 429, 503. */
  | 'overloaded'

/** Why an upstream has not answered as it must. */
export interface ExchangeFailure {
  readonly failed: FailureCause
  readonly detail: string
  /** No octet of the request has gone out. */
  readonly isUnsent?: boolean
  /** Whose share is used up. */
  readonly full?: Full
  /** When the upstream wants to be asked again, in its words (RFC 9110 §10.2.3). */
  readonly retryAfter?: string | undefined
}

/** The head of an answer. */
export interface AnswerHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** `json`, `events`, or `none` for an answer without a body. */
  readonly form: 'json' | 'events' | 'none'
  /** Octets of the body, where they are said before; no more than may be. */
  readonly octets?: number | undefined
}

export interface Receiver {
  /** The head has come, and is one that may be passed on. */
  head(head: AnswerHead): void
  /** False: wait until `resume`. */
  data(chunk: Buffer): boolean
  end(): void
  /** Once, instead of `end`. */
  failed(failure: ExchangeFailure): void
  /**
   * A stream has ended, or its connection has, before it is said that it is answered: from where its server is asked for the rest, which
   * is data like what was before. Undefined: it has ended.
   */
  cut?(): Position | undefined
}

export interface Exchange {
  cancel(): void
  resume(): void
  /** What has come so far is whole, and nobody keeps it: what comes next is counted anew. */
  passed(): void
  /** The answer is known to its end, whatever the upstream still sends: the seat is free, and nothing more is told. */
  answered(): void
}

export interface ExchangeOptions {
  readonly upstream: Upstream
  /** Whose share of the upstream is used; none on the gateway's own account. */
  readonly account?: Account
  readonly request: UpstreamRequest
  /** The most octets of the answer; of a stream that is passed on, of one event. */
  readonly answerBytesMax: number
  /** Where they are taken of, while they are read and, if the answer comes to its end, after it. None on the gateway's own account. */
  readonly room?: OctetRoom | undefined
  /** What is smaller takes nothing of it. Default: what is small for the only answer to a request. */
  readonly countedOctetsMin?: number | undefined
  /** The longest life of a stream of events that is passed on; whatever else comes has the upstream's time-out for the whole. */
  readonly streamSecondsMax?: number
  /** For the whole of any other answer. Default: the upstream's. */
  readonly timeoutMilliseconds?: number
  /** Nobody reads the answer: it is good if its status is (2xx), and over with its head. */
  readonly isUnread?: boolean
  /** Doing it twice does no more than doing it once. Default false. */
  readonly repeatable?: boolean
  /** Told of the headers of the answer as soon as they are there, whatever becomes of it. */
  readonly headers?: ((headers: AnswerHead['headers']) => void) | undefined
}

/**
 * One request to an upstream and its answer, in callbacks: this is the hot path. Exactly one of `end` and `failed` is called, unless
 * the receiver has said that it is answered.
 */
export function startExchange(options: ExchangeOptions, receiver: Receiver): Exchange {
  const { upstream, streamSecondsMax } = options
  const reading = readingOf(options)
  let over = false
  let isUnsent = true
  let timer: NodeJS.Timeout | undefined

  function finish(): void {
    over = true
    seat.leave()
    clearTimeout(timer)
    asking.end()
  }
  function fail(failure: ExchangeFailure): void {
    if (over) return
    finish()
    asking.abort()
    reading.giveBack()
    receiver.failed(failure)
  }
  function limit(milliseconds: number): void {
    clearTimeout(timer)
    timer = setTimeout(fail, milliseconds, tooLate)
  }
  const answering: Answering = {
    begun() {
      isUnsent = false
    },
    head(received) {
      if (over) return
      const head = judgeFor(options, received, reading)
      if ('failed' in head) fail(head)
      else {
        if (head.form === 'events' && streamSecondsMax !== undefined) limit(streamSecondsMax * 1000)
        receiver.head(head)
      }
    },
    data(chunk) {
      if (over) return true
      const full = reading.take(chunk.length)
      if (full !== undefined) fail(noRoom(full))
      const isRead = over || receiver.data(chunk)
      if (!reading.add(chunk.length)) fail(tooLarge(reading.octetsMax))
      return isRead
    },
    end() {
      if (over) return
      finish()
      receiver.end()
    },
    failed: (failure) => fail({ failed: causeOf(failure), detail: failure.detail, isUnsent }),
  }
  const asking = sendResuming(options, answering, () => cutOff(receiver, reading))
  const seat = seatOf(options, () => asking.begin(), fail)
  limit(options.timeoutMilliseconds ?? upstream.timeoutMilliseconds)
  if (seat.take()) asking.begin()
  return {
    cancel: () => fail(cancelled),
    resume: () => asking.resume(),
    passed: () => reading.passed(),
    answered() {
      if (over) return
      finish()
      asking.leave()
    },
  }
}

/** What had not ended of an event is kept by nobody. */
function cutOff(receiver: Receiver, reading: Reading): Position | undefined {
  const at = receiver.cut?.()
  if (at !== undefined) reading.passed()
  return at
}

const tooLate: ExchangeFailure = { failed: 'time-out', detail: 'no answer in time' }
const cancelled: ExchangeFailure = { failed: 'cancelled', detail: 'cancelled' }

function tooLarge(octetsMax: number): ExchangeFailure {
  return bad(`answer is too large, want=..${octetsMax} octets`)
}

function noRoom(full: Full): ExchangeFailure {
  return { failed: 'no room', detail: `octets of answers: share of the ${full} is used up`, full }
}

function readingOf(options: ExchangeOptions): Reading {
  const { answerBytesMax, upstream, room } = options
  const octetsMax = Math.min(answerBytesMax, upstream.answerBytesMax)
  return new Reading(octetsMax, options.countedOctetsMin ?? countedOctetsMin, room)
}

// oxlint-disable-next-line max-params -- what is asked, what has come, and where it is counted
function judgeFor(
  { isUnread = false, headers }: ExchangeOptions,
  received: ResponseHead,
  reading: Reading,
): AnswerHead | ExchangeFailure {
  headers?.(received.headers)
  return isUnread ? judgeUnread(received) : judge(received, reading)
}

/** Judges a head, and makes room for the whole answer where it says how large that is. */
function judge(received: ResponseHead, reading: Reading): AnswerHead | ExchangeFailure {
  const head = judgeHead(received)
  if ('failed' in head || head.octets === undefined) return head
  if (head.octets > reading.octetsMax) return tooLarge(reading.octetsMax)
  const full = reading.expect(head.octets)
  return full === undefined ? head : noRoom(full)
}

function causeOf({ wrong, code }: Failure): FailureCause {
  return code === 'gateway/upstream-revoked' ? 'revoked' : causes[wrong]
}

const causes = {
  connection: 'unreachable',
  answer: 'bad answer',
  request: 'bad request',
} as const satisfies Record<Failure['wrong'], FailureCause>

/** A place of its caller's at the server. On the gateway's own account none is taken, and none is waited for. */
interface Seat {
  /** False: it has to wait. */
  take(): boolean
  leave(): void
}

const noSeat: Seat = { take: () => true, leave: () => {} }

/** A stream that a caller only listens to takes no place of a call. */
function seatOf(
  { upstream, request, account }: ExchangeOptions,
  seated: () => void,
  fail: (failure: ExchangeFailure) => void,
): Seat {
  if (account === undefined) return noSeat
  const seats = request.method === 'GET' ? upstream.streams : upstream.seats
  const guest = guestOf(account, seated, fail)
  return { take: () => seats.take(guest), leave: () => seats.leave(guest) }
}

function guestOf(
  account: Account,
  seated: () => void,
  fail: (failure: ExchangeFailure) => void,
): Guest {
  return {
    account,
    seated,
    turnedAway(full) {
      if (full === 'gateway') fail({ failed: 'busy', detail: 'too many requests are open' })
      else fail({ failed: 'share used up', detail: `share of the ${full} is used up`, full })
    },
  }
}

/**
 * What an upstream says to the gateway is not for the caller: redirects, challenges, its own failures. Of what is left, a client error
 * may come with a message; success comes with one, or is 202 or 204, and no other (MCP 2026-07-28 transports).
 */
function judgeHead({ status, headers, framing }: ResponseHead): AnswerHead | ExchangeFailure {
  const refused = judgeStatus(status, headers)
  if (refused !== undefined) return refused
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return bad('answer has a content-encoding')
  }
  const session = headers['mcp-session-id']
  if (session !== undefined && !sessionId.test(session)) return bad('answer has an odd session id')
  if (status === 202 || status === 204) return { status, headers, form: 'none' }
  if (status !== 200 && status < 400) return bad(`answer has status ${status}`)
  const type = headers['content-type']?.toLowerCase() ?? ''
  if (/^application\/json\s*(;|$)/.test(type)) {
    const octets = typeof framing === 'number' ? framing : undefined
    return { status, headers, form: 'json', octets }
  }
  if (isEventStream({ headers })) return { status, headers, form: 'events' }
  // A client error may come without a message; what it says instead is not passed on.
  return status >= 400 || framing === 0
    ? { status, headers, form: 'none' }
    : bad('answer is neither JSON nor events')
}

/** MCP 2025-11-25 transports: visible ASCII. Longer ones would make a header that clients and proxies cut. */
const sessionId = /^[\x21-\x7e]{1,256}$/

/** Any success will do where nobody reads it, and any body, which is read over. */
function judgeUnread({ status, headers }: ResponseHead): AnswerHead | ExchangeFailure {
  const refused = status < 300 ? undefined : judgeStatus(status, headers)
  if (refused !== undefined) return refused
  return status < 300 ? { status, headers, form: 'none' } : bad(`answer has status ${status}`)
}

/** Challenges, and that a request was not received (408): of the connection between the two, and nobody else's. */
const bareRefusals: ReadonlySet<number> = new Set([401, 403, 407, 408])

function judgeStatus(status: number, headers: AnswerHead['headers']): ExchangeFailure | undefined {
  const detail = `answer has status ${status}`
  if (status === 429 || status === 503) {
    return { failed: 'overloaded', detail, retryAfter: retryAfterOf(headers) }
  }
  const isRefused = (status >= 300 && status < 400) || status >= 500 || bareRefusals.has(status)
  return isRefused ? bad(detail) : undefined
}

/** RFC 9110 §10.2.3: seconds, or a date; anything else would be new text for whoever reads it. */
function retryAfterOf(headers: AnswerHead['headers']): string | undefined {
  const value = headers['retry-after'] ?? ''
  return /^([0-9]{1,6}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT)$/.test(value)
    ? value
    : undefined
}

function bad(detail: string): ExchangeFailure {
  return { failed: 'bad answer', detail }
}
