import {
  createEventParser,
  emptyEvent,
  formatEvent,
  formatPlace,
  keepAlive,
  type Position,
} from '../../mcp/events.ts'
import { endReply } from '../door/reply.ts'
import { permitAsk } from '../permit/asks.ts'
import type { Permit } from '../permit/authorize.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import { createServerAnswerer } from '../upstream/answer-server.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import { judgeAnswer, type AnswerVerdict } from '../upstream/judge-answer.ts'
import { AskCarrier, lineOfStream } from './carry-asks.ts'
import { fault, refuseAnswer } from './fault.ts'
import type { UpstreamRequest } from '../upstream/upstream.ts'
import { isOfCall, passesAcross, type Notification } from '../translate/notification.ts'
import { askAndGoOn } from './ask-legacy.ts'
import { taskAcross } from './crossing.ts'
import type { Forwarding } from './forward.ts'
import { passInput } from './input-required.ts'
import { askForPages } from './pages-across.ts'
import { passAnswer } from './pass-answer.ts'
import { askedForPages, passPages } from './pass-pages.ts'
import { passTask } from './pass-task.ts'
import { placesOf } from './places.ts'
import { createTaskTeller } from './task-told.ts'

export interface EventPasser {
  push(chunk: Buffer): void
  /** From where the rest is asked for, where the upstream has ended its stream before the answer. */
  cut(): Position | undefined
  /** The upstream has ended its stream. */
  end(): void
  /** There will be no more of it: the caller is told so with the id of its request, and can go on using its connection. */
  fail(failure: ExchangeFailure): void
  /** Nobody waits for anything on it any more. */
  over(): void
}

export interface EventPasserOptions extends Forwarding {
  readonly request: UpstreamRequest
  /** An event has come to its end. */
  readonly passed: () => void
  /** The answer is there, whatever the upstream still sends. Called once. */
  readonly answered: () => void
  /** It has been told to its end, as soon as it is decided on. Called once, after `answered`. */
  readonly told: (soon: Soon<Refused | undefined>) => void
  /** Makes a call anew that goes on with this one. */
  readonly again: (permit: Permit) => Soon<Refused | undefined>
  /** What has come is no answer: ends the exchange with the upstream. Called once, instead of `answered`. */
  readonly cancel: () => void
}

/**
 * Passes the events of an upstream on to a caller. No octet of its stream is: each event is read, its data judged, and written as an
 * event of our own, because readers of streams differ on where lines end and on what stands before a field.
 */
export function createEventPasser(options: EventPasserOptions): EventPasser {
  const { permit, message, reply, crossing } = options
  const asked = crossing?.asked ?? askedForPages(permit, message)
  const { response } = reply
  const asking = askingOf(options, (failure) => {
    if (isAnswered || response.writableEnded) return
    refuse(cutOff(options, failure))
    options.cancel()
  })

  let isAnswered = false

  function refuse({ refusal }: Refused): void {
    endReply(reply, refusal)
  }
  function end(told: Buffer | Refused): undefined {
    if (isRefused(told)) refuse(told)
    else if (!response.writableEnded) response.end(formatEvent(told))
  }
  /** Nothing of what follows is read. */
  function answered(): void {
    isAnswered = true
    options.answered()
  }
  const writer = createWriter(options)
  const events = createEventParser((data, at) => {
    options.passed()
    // What comes after the answer answers nothing.
    if (isAnswered || response.writableEnded) return
    if (data === undefined) {
      writer.alive(at)
      return
    }
    const verdict = judgeAnswer(asked, data)
    if (verdict.kind === 'drop') return
    if (asking.take(verdict, data)) return
    if (verdict.kind === 'notification' && !passes(options, verdict)) return
    const refusal = refusalOf(options, verdict)
    // The answer ends first: what follows ends the exchange, and with it what was not ended.
    if (refusal !== undefined) {
      refuse(refusal)
      options.cancel()
    } else if (verdict.kind === 'input required' && crossing !== undefined) {
      answered()
      const given = { octets: data, result: verdict.result }
      options.told(askAndGoOn(options, given, options.again))
    } else if (isAnswer(verdict)) {
      answered()
      options.told(whenThere(answerOf(options, data, verdict), end))
    } else writer.write(formatEvent(data), at)
  })
  return {
    push(chunk) {
      writer.begin()
      events.push(chunk)
    },
    cut: () => (isAnswered || response.writableEnded ? undefined : events.cut()),
    end() {
      if (isAnswered || response.writableEnded) return
      refuse(cutOff(options, { failed: 'bad answer', detail: 'stream ended without a response' }))
    },
    fail(failure) {
      if (!isAnswered && !response.writableEnded) refuse(cutOff(options, failure))
    },
    over: () => asking.end(),
  }
}

/**
 * Writes to the caller what comes before the answer; what has an id is a place to come back to. A place is a thousand times as large as the
 * shortest id of a server: where octets wait to be sent already there is none, and its caller would come back to the one before.
 */
function createWriter(options: EventPasserOptions): {
  /** More is read. */
  begin(): void
  write(event: Buffer, at: Position | undefined): void
  /** The upstream has nothing to say yet, and is there. */
  alive(at: Position | undefined): void
} {
  const { response } = options.reply
  const placeOf = placesOf(options)
  /** Of what was last read: more than one comment would tell no more. */
  let isAlive = false

  function isPlace(at: Position | undefined): at is Position {
    return at !== undefined && placeOf !== undefined && !response.writableNeedDrain
  }
  function write(event: Buffer, at: Position | undefined): void {
    const id = isPlace(at) ? placeOf?.(at) : undefined
    if (at !== undefined && id !== undefined) response.write(formatPlace(id, at))
    response.write(event)
  }
  return {
    begin() {
      isAlive = false
    },
    write,
    alive(at) {
      if (isPlace(at)) write(emptyEvent, at)
      else if (!isAlive) response.write(keepAlive)
      isAlive = true
    },
  }
}

type LastVerdict = Extract<
  AnswerVerdict,
  { readonly kind: 'response' | 'input required' | 'task' | 'pages' }
>

const answers: readonly AnswerVerdict['kind'][] = ['response', 'input required', 'task', 'pages']

function isAnswer(verdict: AnswerVerdict): verdict is LastVerdict {
  return answers.includes(verdict.kind)
}

/** What the caller is told of what the server has said last, in its own era. */
function answerOf(
  { permit, parts, crossing, done }: EventPasserOptions,
  octets: Buffer,
  verdict: LastVerdict,
): Soon<Buffer | Refused> {
  if (verdict.kind === 'pages') {
    const { pages } = verdict
    return crossing === undefined
      ? passPages(permit, parts, { octets, pages })
      : askForPages(permit, parts, { pages, told: crossing.told })
  }
  const { kind, result } = verdict
  if (kind === 'response') {
    return passAnswer(permit, parts, { octets, result, told: crossing?.told, done })
  }
  const pass = kind === 'task' ? passTask : passInput
  return crossing === undefined
    ? pass(permit, parts, { octets, result })
    : refuseAnswer(permit, parts.decisions, taskAcross)
}

/** A notification that is of this call; of a server of the other era, where it means the same to the caller. */
function passes({ crossing, message }: EventPasserOptions, notification: Notification): boolean {
  if (!isOfCall(notification, message.params)) return false
  if (crossing === undefined) return true
  const { told, level } = crossing
  return passesAcross(notification, { era: told.era, level })
}

/** A client of the other era has no tasks of the server's. */
function taskTellerOf({
  permit,
  parts,
  reply,
  crossing,
}: EventPasserOptions): ReturnType<typeof createTaskTeller> | undefined {
  const { caller, session, arrived } = permit.call
  if (crossing !== undefined) return undefined
  const { response } = reply
  return createTaskTeller({ caller, session, door: arrived.door }, parts, (message) => {
    if (!response.writableEnded) response.write(formatEvent(message))
  })
}

/** Takes what a server asks of its caller, what it does not want to know any more, and what it says of its caller's tasks. */
function askingOf(
  options: EventPasserOptions,
  broken: (failure: ExchangeFailure) => void,
): {
  take(verdict: AnswerVerdict, data: Buffer): boolean
  end(): void
} {
  const { message, crossing } = options
  const { asked = message } = crossing ?? {}
  const asks = askCarrierOf(options, broken)
  const answerServer = createServerAnswerer(options)
  const tellOfTask = taskTellerOf(options)
  return {
    take(verdict, data) {
      if (verdict.kind === 'of a task') {
        tellOfTask?.(options.upstream, verdict, data)
        return true
      }
      if (verdict.kind === 'server request') {
        return asks === undefined ? answerServer(asked.era, verdict) : asks.carry(verdict, data)
      }
      if (verdict.kind !== 'notification' || verdict.method !== 'notifications/cancelled') {
        return false
      }
      asks?.takeBack(data)
      return true
    },
    end: () => asks?.end(),
  }
}

/** A client of the other era has no session in which it could be asked. */
function askCarrierOf(
  { permit, parts, reply, upstream, session: there }: EventPasserOptions,
  broken: (failure: ExchangeFailure) => void,
): AskCarrier | undefined {
  const { call } = permit
  const { caller, session, arrived } = call
  if (session === undefined || there === undefined) return undefined
  const { response } = reply
  const asked = { owner: caller.owner, key: session.key, door: arrived.door.name }
  return new AskCarrier({
    caller,
    line: lineOfStream(asked, parts, (event) => {
      if (!response.writableEnded) response.write(event)
    }),
    upstream,
    there,
    permits: (ask) => permitAsk(permit, ask, parts.decisions),
    // The requests of a task come with its result, if there is one that this is asked for.
    taskHere: (taskId) => (call.taskId === taskId ? call.message.name : undefined),
    broken,
    parts,
  })
}

function refusalOf(options: EventPasserOptions, verdict: AnswerVerdict): Refused | undefined {
  if (verdict.kind === 'bad') {
    return cutOff(options, { failed: 'bad answer', detail: verdict.detail })
  }
  return verdict.kind === 'refuse' || verdict.kind === 'server request'
    ? refuseAnswer(options.permit, options.parts.decisions, verdict.what)
    : undefined
}

function cutOff({ parts, upstream }: EventPasserOptions, failure: ExchangeFailure): Refused {
  const { server } = upstream.config
  const { failed, detail } = failure
  parts.log.warn({ server, failed, detail }, 'stream of an upstream is cut off')
  return fault(failure)
}
