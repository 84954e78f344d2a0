import type { AnswerBody } from '../../mcp/answer.ts'
import { tieExchange } from '../caller/streams.ts'
import type { Reply } from '../door/reply.ts'
import type { UpstreamSession } from '../handle/session.ts'
import type { Permit } from '../permit/authorize.ts'
import type { Refused } from '../refusal.ts'
import { collectAnswer, readAnswer, type Answer } from '../upstream/collect.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import { upstreamHeaders } from '../upstream/headers.ts'
import type { Asked } from '../upstream/judge-answer.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { fault, refuseAnswer } from './fault.ts'
import type { Parts } from './serve.ts'

/** What is asked in the caller's name, and of whom. */
export interface Asking {
  readonly permit: Permit
  readonly reply: Reply
  readonly upstream: Upstream
  readonly body: Buffer
  readonly session: UpstreamSession | undefined
  /** What the answer has to be to; undefined where none is expected. */
  readonly asked?: Asked | undefined
  /** Ends the exchange before its time. */
  readonly signal?: AbortSignal | undefined
}

/** What an upstream has answered, read. */
export interface ReadAnswer extends AnswerBody {
  readonly status: number
  readonly headers: Answer['headers']
}

/** Sends the caller's request to an upstream, and reads an answer that may be given to it. */
export async function askAnswer(asking: Asking, parts: Parts): Promise<ReadAnswer | Refused> {
  const { permit } = asking
  const { message } = permit.call
  const asked = message.kind === 'request' ? message : undefined
  const answered = await askUpstream({ ...asking, asked }, parts)
  if ('failed' in answered) return fault(answered)
  const { verdict } = answered
  if (verdict.kind === 'refuse') return refuseAnswer(permit, parts.decisions, verdict.what)
  const answer = readAnswer(answered)
  if (typeof answer === 'string') return fault({ failed: 'bad answer', detail: answer })
  return { ...answer, status: answered.status, headers: answered.headers }
}

/** Sends the caller's message to an upstream and collects the whole answer. */
export async function askUpstream(
  { permit, reply, upstream, body, session, asked, signal }: Asking,
  { limits, absences }: Parts,
): Promise<Answer | ExchangeFailure> {
  const { caller, message, arrived } = permit.call
  const opening = message.method === 'initialize'
  const headers = upstreamHeaders({
    raw: arrived.request.rawHeaders,
    era: message.era,
    version: opening ? undefined : (session?.version ?? message.version),
    sessionId: session?.id,
  })
  const { answerBytesMax, streamSecondsMax } = limits
  const cancelling = new AbortController()
  const ends =
    signal === undefined ? cancelling.signal : AbortSignal.any([signal, cancelling.signal])
  if (ends.aborted) return { failed: 'cancelled', detail: 'cancelled' }
  const untie = tieExchange(caller, reply.response, () => cancelling.abort())
  try {
    const answer = await collectAnswer({
      asked,
      upstream,
      account: caller.account,
      request: { headers, body },
      answerBytesMax,
      streamSecondsMax,
      // Lists, discovery, opening a session, notifications: no tool does anything.
      repeatable: true,
      signal: ends,
    })
    if (!('failed' in answer)) absences.back(upstream)
    else if (isAbsence(answer)) absences.away(upstream)
    return answer
  } finally {
    untie()
  }
}

/** What is answered badly is answered; what is busy or was given up says nothing of the server. */
function isAbsence({ failed }: ExchangeFailure): boolean {
  return failed === 'unreachable' || failed === 'time-out'
}
