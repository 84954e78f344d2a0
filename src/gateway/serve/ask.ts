import type { AnswerBody } from '../../mcp/answer.ts'
import type { Answer } from '../upstream/collect.ts'
import { collectAnswer, readAnswer } from '../upstream/collect.ts'
import type { Call } from '../call.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import { fault, refuseAnswer } from './fault.ts'
import { upstreamHeaders } from '../upstream/headers.ts'
import type { Asked } from '../upstream/judge-answer.ts'
import type { Means } from '../means.ts'
import type { UpstreamSession } from '../handle/session.ts'
import { tieExchange } from '../caller/streams.ts'
import type { Refused } from '../table.ts'
import type { Upstream } from '../upstream/upstream.ts'

export interface Question {
  readonly upstream: Upstream
  readonly body: Buffer
  readonly session: UpstreamSession | undefined
  /** What the answer has to be to; undefined where none is expected. */
  readonly asked?: Asked | undefined
}

/** What an upstream has answered, read. */
export interface ReadAnswer extends AnswerBody {
  readonly status: number
  readonly headers: Answer['headers']
}

/** Sends the caller's request to an upstream, and reads an answer that may be given to it. */
export async function askAnswer(
  call: Call,
  means: Means,
  question: Question,
): Promise<ReadAnswer | Refused> {
  const asked = call.message?.kind === 'request' ? call.message : undefined
  const answered = await askUpstream(call, means, { ...question, asked })
  if ('failed' in answered) return fault(call, answered)
  const { verdict } = answered
  if (verdict.kind === 'refuse') {
    return { check: 'response', refusal: refuseAnswer(call, means, verdict.what) }
  }
  const answer = readAnswer(answered)
  if (typeof answer === 'string') return fault(call, { failed: 'bad answer', detail: answer })
  return { ...answer, status: answered.status, headers: answered.headers }
}

/** Sends the caller's message to an upstream and collects the whole answer. */
export async function askUpstream(
  call: Call,
  means: Means,
  { upstream, body, session, asked }: Question,
): Promise<Answer | ExchangeFailure> {
  const { peer, message, request, response } = call
  if (peer === undefined || message === undefined || message.kind === 'response') {
    return { failed: 'cancelled', detail: 'nobody asks' }
  }
  const opening = message.method === 'initialize'
  const headers = upstreamHeaders({
    raw: request.rawHeaders,
    era: message.era,
    version: opening ? undefined : (session?.version ?? message.version),
    sessionId: session?.id,
  })
  const { answerBytesMax, streamSecondsMax } = means.limits
  const cancelling = new AbortController()
  const untie = tieExchange(peer, response, () => cancelling.abort())
  try {
    return await collectAnswer({
      asked,
      upstream,
      caller: peer.svid.spiffeId.uri,
      request: { headers, body },
      answerBytesMax,
      streamSecondsMax,
      // Lists, discovery, opening a session, notifications: no tool does anything.
      repeatable: true,
      signal: cancelling.signal,
    })
  } finally {
    untie()
  }
}
