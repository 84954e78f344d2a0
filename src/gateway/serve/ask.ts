import { removeMember, setMembers, type AnswerBody } from '../../mcp/answer.ts'
import { applyEdits } from '../../mcp/edits.ts'
import type { Call } from '../call.ts'
import { tieExchange } from '../caller/streams.ts'
import { endReply, type Reply } from '../door/reply.ts'
import type { UpstreamSession } from '../handle/session.ts'
import type { Permit } from '../permit/authorize.ts'
import { judgeError, judgeSize } from '../permit/result.ts'
import { statusOfAnswer, type Refused } from '../refusal.ts'
import type { Era } from '../../mcp/message.ts'
import type { Span } from '../../mcp/levels.ts'
import { translateAnswer, translateResult, type Texts } from '../translate/answer.ts'
import { collectAnswer, readAnswer, type Answer, type CollectOptions } from '../upstream/collect.ts'
import { deliver, type Delivery } from '../upstream/deliver.ts'
import type { Exchange, ExchangeFailure } from '../upstream/exchange.ts'
import { upstreamHeaders } from '../upstream/headers.ts'
import type { Absences } from '../upstream/absences.ts'
import { isSessionLost } from '../upstream/legacy-session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { nameHeaderThere } from './as-there.ts'
import { tokenFor } from './call-token.ts'
import { crossingOf, statusAcross, versionThere, type Crossing } from './crossing.ts'
import { fault, refuseAnswer, sessionOver } from './fault.ts'
import { turnFor, type Turns } from '../turns.ts'
import type { Parts } from './serve.ts'

/** What is asked in the caller's name, and of whom. */
export interface Asking {
  readonly permit: Permit
  readonly reply: Reply
  readonly upstream: Upstream
  readonly body: Buffer
  readonly session: UpstreamSession | undefined
  /** In the place of what the request would be in the other era; for a method that the other era has not. */
  readonly crossing?: Crossing | undefined
  /** Ends the exchange before its time. */
  readonly signal?: AbortSignal | undefined
  /** Told of the headers of the answer as soon as they are there, whatever becomes of it. */
  readonly headers?: CollectOptions['headers']
}

/** What an upstream has answered, read. */
export interface ReadAnswer extends AnswerBody {
  readonly status: number
  readonly headers: Answer['headers']
  readonly form: Answer['form']
  /** How the server was asked, where it speaks the other era. An error has been translated; a result is by `retell`. */
  readonly crossing: Crossing | undefined
}

/** The HTTP status under which an error is told. */
export function statusToTell(
  { status, crossing }: ReadAnswer,
  message: { readonly era: Era },
): number {
  return crossing === undefined ? statusOfAnswer(status, message) : status
}

/** An answer that is told anew. */
export interface Retold extends AnswerBody {
  readonly crossing: Pick<Crossing, 'told'> | undefined
}

/** The answer with these members of its result anew and without those, in the era of whom it is told. */
export function retell(answer: Retold, texts: Texts, without?: string): Buffer {
  const { octets, result = new Map<string, Span>(), crossing } = answer
  return crossing === undefined
    ? applyEdits(octets, [
        ...setMembers(answer, texts),
        ...(without === undefined ? [] : removeMember(answer, without)),
      ])
    : translateResult({ octets, members: result }, crossing.told, {
        texts,
        without: without === undefined ? [] : [without],
      })
}

/** Sends the caller's request to an upstream, and reads an answer that may be given to it. */
export async function askAnswer(asking: Asking, parts: Parts): Promise<ReadAnswer | Refused> {
  const { permit, body, upstream } = asking
  const crossing = asking.crossing ?? crossingOf(permit, upstream, { body, parts })
  const token = await tokenFor(permit, upstream, parts)
  if (typeof token === 'object') return token
  const answered = await askUpstream({ ...asking, crossing, token }, parts)
  if ('failed' in answered) return fault(answered)
  if (isSessionLost(asking.session, answered)) return sessionOver
  const { verdict } = answered
  if (verdict.kind === 'refuse' || verdict.kind === 'server request') {
    return refuseAnswer(permit, parts.decisions, verdict.what)
  }
  const answer = readAnswer(answered)
  if (typeof answer === 'string') return fault({ failed: 'bad answer', detail: answer })
  const { octets: given, resultSpan } = answer
  const tooLarge =
    resultSpan === undefined
      ? judgeError(permit, given, parts.decisions)
      : judgeSize(permit, { span: resultSpan }, parts.decisions)
  if (tooLarge !== undefined) return tooLarge
  const { status, headers, form } = answered
  if (crossing === undefined) return { ...answer, status, headers, form, crossing }
  if (resultSpan !== undefined) return { ...answer, status: 200, headers, form, crossing }
  const octets = translateAnswer(answer.octets, undefined, crossing.told)
  const told = statusAcross(octets, crossing)
  return { ...answer, octets, status: told, headers, form, crossing }
}

/** Sends the caller's request to an upstream and collects the whole answer. */
async function askUpstream(
  asking: Asking & Signed,
  parts: Parts,
): Promise<Answer | ExchangeFailure> {
  const { message } = asking.permit.call
  if (message.kind !== 'request') throw new TypeError('a notification has no answer')
  const { answerBytesMax } = parts.limits
  const asked = asking.crossing?.asked ?? message
  // At the door of all one request has many answers, and each of them waits for the last.
  const countedOctetsMin = asking.permit.call.arrived.door.kind === 'all' ? 0 : undefined
  const answer = await whileWaitedFor(asking, (begun) =>
    // Lists, discovery, opening a session: no tool does anything.
    collectAnswer({
      ...sent(asking),
      asked,
      recognizer:
        asked.method === 'tools/list'
          ? parts.catalogueOf(asking.upstream, asked.era).recognizer()
          : undefined,
      answerBytesMax,
      room: asking.reply.hold,
      countedOctetsMin,
      takeTurn: turnsOf(asking.permit.call, parts.turns),
      repeatable: true,
      signal: asking.signal,
      headers: asking.headers,
      begun,
    }),
  )
  noteAbsence(parts.absences, asking.upstream, answer)
  return answer
}

/**
 * Long answers are read one in a turn of the loop, however many come at once. Not at the door of all: who waits there for a turn would be
 * taken for a server that keeps everybody waiting.
 */
function turnsOf({ arrived, caller }: Call, turns: Turns): CollectOptions['takeTurn'] {
  if (arrived.door.kind === 'all') return undefined
  return (octets) => turnFor(octets, caller.account, turns)
}

/** Sends an upstream what it does not answer, in the caller's name. */
export async function tellUpstream(
  asking: Asking,
  parts: Parts,
): Promise<ExchangeFailure | undefined> {
  const failure = await whileWaitedFor(asking, (begun) =>
    deliver({ ...sent(asking), signal: asking.signal, begun }),
  )
  noteAbsence(parts.absences, asking.upstream, failure)
  return failure
}

/** For whom it is asked. */
interface Signed {
  readonly token?: string | undefined
}

function sent({
  permit,
  upstream,
  body,
  session,
  crossing,
  token,
}: Asking & Signed): Omit<Delivery, 'signal' | 'begun'> {
  const { caller, message, arrived } = permit.call
  const opening = message.method === 'initialize' && session === undefined && crossing === undefined
  const headers = upstreamHeaders({
    raw: arrived.request.rawHeaders,
    era: crossing?.asked.era ?? message.era,
    version: opening ? undefined : versionThere({ message, session, crossing }),
    translated: crossing?.headers,
    named: nameHeaderThere(permit.call),
    sessionId: session?.id,
    transactionToken: token,
    trace: permit.call.trace?.headers,
  })
  return {
    upstream,
    account: caller.account,
    request: { headers, body: crossing?.body ?? body },
  }
}

async function whileWaitedFor<T>(
  { permit, reply, signal }: Asking,
  ask: (begun: Delivery['begun']) => Promise<T>,
): Promise<T | ExchangeFailure> {
  let exchange: Pick<Exchange, 'cancel'> | undefined
  let isCancelled = false
  const untie = tieExchange(permit.call.caller, reply.response, {
    cancel: () => {
      isCancelled = true
      exchange?.cancel()
    },
    tell: (refusal) => endReply(reply, refusal),
  })
  try {
    // Waiting for a session or a token may have been all that there was time for.
    if (isCancelled || signal?.aborted === true) return { failed: 'cancelled', detail: 'cancelled' }
    return await ask((begun) => (exchange = begun))
  } finally {
    untie()
  }
}

/**
 * What is answered badly is answered; what is busy or was given up says nothing of the server. One that takes no connection says so at
 * once: it keeps nobody waiting, and may be there with the next request.
 */
export function noteAbsence(
  absences: Absences,
  upstream: Upstream,
  answer: object | ExchangeFailure | undefined,
): void {
  if (answer === undefined || !('failed' in answer)) absences.back(upstream)
  else if (answer.failed === 'time-out') absences.silent(upstream)
  else if (answer.failed === 'unreachable' && answer.isUnsent !== true) absences.broken(upstream)
}
