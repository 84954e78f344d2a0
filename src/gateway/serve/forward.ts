import { Gathered } from '../../mcp/gathered.ts'
import type { Span } from '../../mcp/levels.ts'
import type { RequestMessage } from '../../mcp/message.ts'
import { tieExchange } from '../caller/streams.ts'
import { endReply, replyBody, streamHeaders, type Reply } from '../door/reply.ts'
import { endWith } from '../door/unsent.ts'
import type { Place } from '../handle/place.ts'
import type { Permit } from '../permit/authorize.ts'
import {
  isRefused,
  refused,
  statusOfAnswer,
  unavailable,
  type Refusal,
  type Refused,
} from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import { cancelThere } from '../upstream/cancel-there.ts'
import {
  startExchange,
  type AnswerHead,
  type ExchangeFailure,
  type ExchangeOptions,
} from '../upstream/exchange.ts'
import { callerHeaders, upstreamHeaders, type UpstreamHeaders } from '../upstream/headers.ts'
import {
  isOwn,
  isSessionLost,
  sessionRequest,
  type LegacySession,
} from '../upstream/legacy-session.ts'
import { restOf } from '../upstream/resuming.ts'
import { judgeAnswer } from '../upstream/judge-answer.ts'
import type { UpstreamTrace } from '../trace/tracer.ts'
import type { Upstream, UpstreamRequest } from '../upstream/upstream.ts'
import { askAndGoOn } from './ask-legacy.ts'
import { bodyThere, nameHeaderThere } from './as-there.ts'
import {
  crossingOf,
  paramHeadersOf,
  statusAcross,
  taskAcross,
  versionThere,
  type Crossing,
} from './crossing.ts'
import { tokenFor } from './call-token.ts'
import { fault, refuseAnswer, sessionOver } from './fault.ts'
import { beginTalk, goOn } from './begin-talk.ts'
import { atItsDoor, inSession, type OwnPlace } from './in-session.ts'
import { unfitAsTask } from './legacy-task.ts'
import { passInput } from './input-required.ts'
import { askForPages } from './pages-across.ts'
import { passAnswer } from './pass-answer.ts'
import { askedForPages, passPages } from './pass-pages.ts'
import { passTask } from './pass-task.ts'
import { isRepeatable } from './repeatable.ts'
import type { Parts } from './serve.ts'
import { createEventPasser, type EventPasser, type EventPasserOptions } from './stream.ts'

/** What else is to be known of a request that is forwarded. */
export interface Forwarded {
  /** Why it is not sent in this session, if so. */
  readonly unfitIn?: (session: LegacySession | undefined) => Refused | undefined
  /** Its server has done it, and its caller is told so. */
  readonly done?: () => void
  /** Its caller has the answer up to there: its server is asked for the rest, and not to do it again. */
  readonly from?: Place
}

/** A permitted request on its way to its one upstream. */
export interface Forwarding extends Pick<Forwarded, 'done' | 'from'> {
  readonly permit: Permit
  readonly reply: Reply
  readonly parts: Parts
  readonly message: RequestMessage
  readonly upstream: Upstream
  readonly session: LegacySession | undefined
  readonly trace: UpstreamTrace | undefined
  /** Where the upstream speaks the other era. */
  readonly crossing: Crossing | undefined
  /** Where a legacy server may ask its modern client something: the session that the call has to itself. */
  readonly own: OwnPlace | undefined
}

/**
 * Forwards a request and streams its answer through. The octets are those that were decided on; behind the door of all upstreams the
 * name of what it is about is replaced, and nothing else ever is.
 */
// oxlint-disable-next-line max-params -- what serves a method, and what one method has beside
export function forward(
  permit: Permit,
  reply: Reply,
  parts: Parts,
  { unfitIn, done, from }: Forwarded = {},
): Soon<Refused | undefined> {
  const { message, target, arrived } = permit.call
  const { upstream } = target
  if (message.kind !== 'request' || upstream === undefined) return undefined
  if (permit.call.suspended !== undefined) return goOn(permit, reply, parts)
  const use = (
    session: LegacySession | undefined,
    own?: OwnPlace,
  ): Promise<Refused | undefined> => {
    const unfit =
      unfitAsTask(permit, session) ?? unfitIn?.(session) ?? lostBefore(from, { upstream, session })
    if (unfit !== undefined) return Promise.resolve(unfit)
    const trace = permit.call.trace?.toUpstream(upstream.config.server)
    const crossing = crossingOf(permit, upstream, { body: bodyThere(permit.call), parts })
    const to = { permit, reply, parts, message, upstream, session, trace, crossing, own }
    const forwarding = { ...to, ...(done && { done }), ...(from && { from }) }
    if (from !== undefined && session !== undefined) {
      return exchange(forwarding, restOf(sessionRequest(session, null), from))
    }
    return target.kind !== 'server'
      ? forwardSigned(forwarding)
      : exchange(forwarding, requestOf(forwarding, { translated: crossing?.headers }))
  }
  return message.era === 'legacy' && arrived.door.kind === 'all'
    ? inSession(permit, parts, { upstream, use })
    : atItsDoor(permit, parts, { upstream, use })
}

/** The rest of an answer is in the session in which it was asked for, and nobody does that again in another. */
function lostBefore(
  from: Place | undefined,
  { upstream, session }: Pick<Forwarding, 'upstream' | 'session'>,
): Refused | undefined {
  if (from === undefined) return undefined
  const isThere = session?.id === from.there && upstream.config.spiffeId.uri === from.spiffeId
  return isThere ? undefined : restLost
}

const restLost = refused(
  'forward',
  unavailable(502, 'upstream gave no answer', { detail: 'session of the stream is lost' }),
)

/** It is asked for somebody, which the token says. */
async function forwardSigned(forwarding: Forwarding): Promise<Refused | undefined> {
  const { permit, parts, upstream } = forwarding
  const translated = translatedHeaders(forwarding)
  if (translated !== undefined && isRefused(translated)) return translated
  const token = await tokenFor(permit, upstream, parts)
  return typeof token === 'object'
    ? token
    : exchange(forwarding, requestOf(forwarding, { translated, transactionToken: token }))
}

/** A modern server may have arguments repeated in headers, which a legacy client does not do. */
function translatedHeaders({
  permit,
  crossing,
}: Forwarding): readonly string[] | Refused | undefined {
  if (crossing?.asked.era !== 'modern') return crossing?.headers
  const repeated = paramHeadersOf(permit)
  return isRefused(repeated) ? repeated : [...crossing.headers, ...repeated]
}

function requestOf(
  forwarding: Forwarding,
  own: Pick<UpstreamHeaders, 'translated' | 'transactionToken'>,
): UpstreamRequest {
  const { permit, message, session, crossing } = forwarding
  const { call } = permit
  const headers = upstreamHeaders({
    raw: call.arrived.request.rawHeaders,
    era: crossing?.asked.era ?? message.era,
    version: versionThere({ message, session, crossing }),
    named: nameHeaderThere(call),
    sessionId: session?.id,
    ...own,
    trace: forwarding.trace?.headers,
  })
  return { headers, body: crossing?.body ?? bodyThere(call) }
}

function exchange(forwarding: Forwarding, request: UpstreamRequest): Promise<Refused | undefined> {
  const { caller } = forwarding.permit.call
  // Opening a session for it, or asking for its pod, may have taken a while.
  if (caller.ended !== undefined) return Promise.resolve(refused('peer', caller.ended))
  if (forwarding.reply.response.destroyed) return Promise.resolve(undefined)
  return forwarding.own === undefined
    ? passThrough(forwarding, request)
    : beginTalk({ ...forwarding, repeatable: isRepeatable(forwarding.permit) }, request)
}

function passThrough(
  forwarding: Forwarding,
  request: UpstreamRequest,
): Promise<Refused | undefined> {
  const { reply, session, parts } = forwarding
  const { response } = reply
  return new Promise((resolve, reject) => {
    let body = new Gathered()
    let head: AnswerHead | undefined
    let events: EventPasser | undefined

    function settle(refusal: Refused | undefined): void {
      untie()
      events?.over()
      forwarding.trace?.end(refusal?.check)
      resolve(refusal)
    }
    function again(next: Permit): Soon<Refused | undefined> {
      untie()
      return forward(next, reply, parts)
    }
    function settleSoon(soon: Soon<Refused | undefined>): void {
      if (soon instanceof Promise) soon.then(settle, reject)
      else settle(soon)
    }
    const started = startExchange(askedOf(forwarding, request), {
      head(received) {
        head = received
        body = new Gathered({ octets: received.octets })
        if (head.form !== 'events' || isSessionLost(session, head)) return
        events = createEventPasser({
          ...forwarding,
          request,
          cancel: () => started.cancel(),
          passed: () => started.passed(),
          answered: () => started.answered(),
          told: settleSoon,
          again,
        })
        beginStream(forwarding, head)
      },
      data(chunk) {
        if (events === undefined) {
          body.push(chunk)
          return true
        }
        events.push(chunk)
        if (!response.writableNeedDrain) return true
        response.once('drain', () => started.resume())
        return false
      },
      cut: () => events?.cut(),
      end() {
        events?.end()
        settleSoon(
          events === undefined ? answer({ ...forwarding, again }, head, body.whole()) : undefined,
        )
      },
      failed(failure) {
        const isCancelled = failure.failed === 'cancelled'
        giveUpThere(forwarding, request, failure)
        if (isCancelled && events !== undefined && !response.writableEnded) response.destroy()
        events?.fail(failure)
        settle(isCancelled || events !== undefined ? undefined : fault(failure))
      },
    })
    const untie = tie(forwarding, () => started.cancel())
  })
}

/** Ties an exchange to whatever ends it early. */
function tie({ permit, reply, parts, crossing }: Forwarding, cancel: () => void): () => void {
  const { call } = permit
  const tell = (refusal: Refusal): void => endReply(reply, refusal)
  const untie = tieExchange(call.caller, reply.response, { cancel, tell })
  if (crossing === undefined) return untie
  const forget = parts.running.begin(call, () => {
    tell(cancelledByCaller)
    cancel()
  })
  return () => {
    forget()
    untie()
  }
}

const cancelledByCaller = unavailable(502, 'request was cancelled')

/**
 * A legacy server is told that a modern client waits no longer. One without sessions is not: it would take the id for that of whichever
 * request of the gateway has it, of another caller, worker or replica.
 */
function giveUpThere(
  { upstream, crossing, session }: Forwarding,
  request: UpstreamRequest,
  { failed }: ExchangeFailure,
): void {
  if (crossing?.asked.era !== 'legacy' || session === undefined || !isOwn(session)) return
  if (failed === 'cancelled' || failed === 'time-out') {
    void cancelThere({ upstream, request }, crossing.asked.id.value)
  }
}

function askedOf(
  { permit, reply, parts, upstream, from }: Forwarding,
  request: UpstreamRequest,
): ExchangeOptions {
  const { answerBytesMax, streamSecondsMax } = parts.limits
  const { account } = permit.call.caller
  const repeatable = from !== undefined || isRepeatable(permit)
  const room = reply.hold
  // Its server answers when the task has come to its end (MCP 2025-11-25 tasks, result retrieval).
  const isWaiting = permit.call.message.method === 'tasks/result'
  const waits = isWaiting ? { timeoutMilliseconds: streamSecondsMax * 1000 } : {}
  const asked = { upstream, account, request, answerBytesMax, streamSecondsMax, room, repeatable }
  return { ...asked, ...waits }
}

function beginStream({ reply, message }: Forwarding, head: AnswerHead): void {
  const { response } = reply
  if (response.headersSent) return
  const headers = { ...callerHeaders(head.headers), ...streamHeaders }
  response.writeHead(statusOfAnswer(head.status, message), headers)
  response.flushHeaders()
}

/** Sends a whole answer on. */
function answer(
  forwarding: Forwarding & Pick<EventPasserOptions, 'again'>,
  head: AnswerHead | undefined,
  body: Buffer,
): Soon<Refused | undefined> {
  const { permit, parts, message, session, crossing, again } = forwarding
  if (head !== undefined && isSessionLost(session, head)) return sessionOver
  if (forwarding.from !== undefined || head === undefined || head.form !== 'json') {
    return fault({ failed: 'bad answer', detail: 'answer has no body' })
  }
  const verdict = judgeAnswer(crossing?.asked ?? askedForPages(permit, message), body)
  if (verdict.kind === 'response') {
    const given = { octets: body, result: verdict.result }
    const passed = passAnswer(permit, parts, {
      ...given,
      told: crossing?.told,
      done: forwarding.done,
    })
    return tellSoon(forwarding, { head, ...given }, passed)
  }
  if (verdict.kind === 'pages' && crossing !== undefined) {
    const { pages } = verdict
    const asking = askForPages(permit, parts, { pages, told: crossing.told })
    // It is an answer of our own, and no error any more.
    const own = { head: { ...head, status: 200 }, result: undefined }
    return tellSoon({ ...forwarding, crossing: undefined }, own, asking)
  }
  if (verdict.kind === 'pages') {
    const given = { octets: body, pages: verdict.pages }
    return tellSoon(forwarding, { head, result: undefined }, passPages(permit, parts, given))
  }
  if (verdict.kind === 'input required' && crossing !== undefined) {
    return askAndGoOn(forwarding, { octets: body, result: verdict.result }, again)
  }
  if ((verdict.kind === 'input required' || verdict.kind === 'task') && crossing === undefined) {
    const pass = verdict.kind === 'task' ? passTask : passInput
    const given = { octets: body, result: verdict.result }
    return tellSoon(forwarding, { head, ...given }, pass(permit, parts, given))
  }
  if (verdict.kind === 'input required' || verdict.kind === 'task') {
    return refuseAnswer(permit, parts.decisions, taskAcross)
  }
  if (verdict.kind === 'refuse' || verdict.kind === 'server request') {
    return refuseAnswer(permit, parts.decisions, verdict.what)
  }
  const detail = verdict.kind === 'bad' ? verdict.detail : 'answer is no response'
  return fault({ failed: 'bad answer', detail })
}

interface Told {
  readonly head: AnswerHead
  /** Of the answer as the upstream has given it; undefined for an error. */
  readonly result: Span | undefined
}

function tellSoon(
  forwarding: Forwarding,
  { head, result }: Told,
  soon: Soon<Buffer | Refused>,
): Soon<Refused | undefined> {
  return whenThere(soon, (told) => {
    if (isRefused(told)) return told
    tell(forwarding, head, { told, result })
    return undefined
  })
}

function tell(
  { reply, message, crossing }: Forwarding,
  head: AnswerHead,
  { told, result }: { readonly told: Buffer; readonly result: Span | undefined },
): void {
  if (reply.response.headersSent) {
    replyBody(reply, told)
    return
  }
  const headers = callerHeaders(head.headers)
  headers['content-type'] = 'application/json'
  headers['content-length'] = String(told.length)
  const status =
    crossing === undefined || result !== undefined
      ? statusOfAnswer(head.status, message)
      : statusAcross(told, crossing)
  reply.response.writeHead(status, headers)
  endWith(reply.response, told, reply.hold)
}
