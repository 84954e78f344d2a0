import { createEventParser } from '../../mcp/events.ts'
import { startExchange, type ExchangeFailure, type ExchangeOptions } from './exchange.ts'
import { judgeUnasked, type AnswerVerdict } from './judge-answer.ts'
import { sessionRequest, type OwnSession } from './legacy-session.ts'

/** The stream of a session with one upstream. */
export interface Leg {
  resume(): void
  cancel(): void
}

/** How it has ended: with the status of a server that offers none, by a failure, or in order. */
export type LegEnd = { readonly status: number } | ExchangeFailure | undefined

/** What may come on it, outside of any answer. */
export type Unasked = Extract<
  AnswerVerdict,
  { readonly kind: 'notification' | 'server request' | 'of a task' }
>

export interface HearingOfSession extends Pick<
  ExchangeOptions,
  'upstream' | 'account' | 'room' | 'answerBytesMax'
> {
  readonly session: OwnSession
  readonly streamSecondsMax: number
  /** One message; a sentence says why no more is heard. */
  readonly take: (unasked: Unasked, data: Buffer) => string | undefined
  /** Whether whoever is told reads. False: nothing more is read before `resume`. */
  readonly isRead?: () => boolean
  /** The stream is open. */
  readonly begun: () => void
  /** There is none, or none any more. Called once. */
  readonly over: (end: LegEnd) => void
}

/**
 * Opens the stream of a session (MCP 2025-11-25 transports, listening for messages from the server). Its server sends no response on it,
 * and no ids or `retry` are passed on: nothing here would know from where to go on.
 */
export function hearSession(hearing: HearingOfSession): Leg {
  const { session, streamSecondsMax, take, isRead = () => true, begun, over } = hearing
  let status = 200
  let end: LegEnd
  let isOver = false

  function finish(how: LegEnd): void {
    if (isOver) return
    isOver = true
    over(how)
  }
  function giveUp(detail: string): void {
    end = { failed: 'bad answer', detail }
    exchange.cancel()
  }
  function judge(data: Buffer): void {
    const verdict = judgeUnasked(data)
    const { kind } = verdict
    if (kind === 'bad') giveUp(verdict.detail)
    else if (kind === 'refuse') giveUp(`stream held ${verdict.what}`)
    else if (kind === 'notification' || kind === 'server request' || kind === 'of a task') {
      const wrong = take(verdict, data)
      if (wrong !== undefined) giveUp(wrong)
    }
  }
  const events = createEventParser((data) => {
    exchange.passed()
    if (data !== undefined && !isOver) judge(data)
  })
  const { headers } = sessionRequest(session, null)
  const exchange = startExchange(
    {
      ...hearing,
      request: { method: 'GET', headers, body: null },
      // A server may say nothing, not even that it listens, before it has something to tell.
      timeoutMilliseconds: streamSecondsMax * 1000,
      repeatable: true,
    },
    {
      head(head) {
        status = head.status
        if (head.form === 'events' && status === 200) begun()
        else if (status === 200) giveUp('answer to GET is no stream')
      },
      data(chunk) {
        if (status === 200) events.push(chunk)
        return isRead()
      },
      end: () => finish(status === 200 ? undefined : { status }),
      failed: (failure) => finish(end ?? failure),
    },
  )
  return { resume: () => exchange.resume(), cancel: () => exchange.cancel() }
}
