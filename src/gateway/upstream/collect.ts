import { Gathered } from '../../mcp/gathered.ts'
import {
  startExchange,
  type AnswerHead,
  type Exchange,
  type ExchangeFailure,
  type ExchangeOptions,
} from './exchange.ts'
import { whenThere, type Soon } from '../soon.ts'
import { createEventParser } from '../../mcp/events.ts'
import type { Recognizer } from '../../mcp/listed.ts'
import { membersOf } from '../../mcp/spans.ts'
import type { AnswerBody } from '../../mcp/answer.ts'
import { createServerAnswerer } from './answer-server.ts'
import { judgeAnswer, type AnswerVerdict, type Asked } from './judge-answer.ts'

/** A whole answer. */
export interface Answer extends AnswerHead {
  /** The JSON text: of the body, or of the one event that answers the request. */
  readonly body: Buffer
  readonly verdict: AnswerVerdict
}

export interface CollectOptions extends Omit<ExchangeOptions, 'streamSecondsMax' | 'isUnread'> {
  /** What the answer has to be to. */
  readonly asked: Asked
  /** What of a list was read before. */
  readonly recognizer?: Recognizer | undefined
  readonly signal?: AbortSignal | undefined
  /** Told what ends it before its time: for one request this costs less than a signal. */
  readonly begun?: ((exchange: Pick<Exchange, 'cancel'>) => void) | undefined
  /** Asked before a whole answer of so many octets is read. */
  readonly takeTurn?: ((octets: number) => Soon<void>) | undefined
}

/**
 * Collects an answer that has to be read before it is passed on. Of a stream of events it takes the response; notifications that
 * came before it have nobody to go to, because no octet has been sent yet. All of it comes within the upstream's time-out.
 */
export function collectAnswer(options: CollectOptions): Promise<Answer | ExchangeFailure> {
  return new Promise((resolve) => {
    let body = new Gathered()
    let head: AnswerHead | undefined
    const { asked, recognizer } = options
    const answerServer = createServerAnswerer(options)
    let answered = false
    const events = createEventParser((data) => {
      if (answered || head === undefined || data === undefined) return
      const verdict = judgeAnswer(asked, data, recognizer)
      if (isBesideAnswer(verdict)) return
      if (verdict.kind === 'server request' && answerServer(asked.era, verdict)) return
      answered = true
      exchange.answered()
      resolve({ ...head, body: data, verdict })
    })
    const exchange = startExchange(options, {
      head(received) {
        head = received
        body = new Gathered({ octets: received.octets })
      },
      data(chunk) {
        if (head?.form === 'events') events.push(chunk)
        else body.push(chunk)
        return true
      },
      end() {
        if (head === undefined) resolve({ failed: 'bad answer', detail: 'answer has no head' })
        else if (head.form === 'events') {
          resolve({ failed: 'bad answer', detail: 'stream ended without a response' })
        } else {
          const octets = body.whole()
          const received = head
          const judged = (): Answer => ({
            ...received,
            body: octets,
            verdict: verdictOf(options, received, octets),
          })
          resolve(whenThere(options.takeTurn?.(octets.length), judged))
        }
      },
      failed: resolve,
      cut: () => events.cut(),
    })
    const { signal } = options
    options.begun?.(exchange)
    if (signal?.aborted === true) exchange.cancel()
    signal?.addEventListener('abort', () => exchange.cancel(), { once: true })
  })
}

function verdictOf(
  { asked, recognizer }: CollectOptions,
  head: AnswerHead,
  body: Buffer,
): AnswerVerdict {
  if (head.form === 'none') return { kind: 'bad', detail: 'answer has no body' }
  const verdict = judgeAnswer(asked, body, recognizer)
  return isBesideAnswer(verdict) ? { kind: 'bad', detail: 'answer is no response' } : verdict
}

function isBesideAnswer({ kind }: AnswerVerdict): boolean {
  return kind === 'notification' || kind === 'of a task' || kind === 'drop'
}

/** Reads an upstream's answer that has been judged; a sentence says why it is none. */
export function readAnswer({
  body,
  verdict,
}: Pick<Answer, 'body' | 'verdict'>): AnswerBody | string {
  if (verdict.kind === 'refuse' || verdict.kind === 'server request') {
    return `answer held ${verdict.what}`
  }
  const { kind } = verdict
  if (kind !== 'response' && kind !== 'task') {
    return verdict.kind === 'bad' ? verdict.detail : 'answer is no response'
  }
  const { result: resultSpan } = verdict
  const list = verdict.kind === 'response' ? verdict.list : undefined
  const result = resultSpan === undefined ? undefined : membersOf(body, resultSpan, list)
  return { octets: body, result, resultSpan, list }
}
