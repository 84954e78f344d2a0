import type { Call } from '../call.ts'
import type { Means } from '../means.ts'
import type { RequestMessage } from '../../mcp/message.ts'
import { formatRefusal, type Refusal } from '../refusal.ts'
import { createEventParser, formatEvent, keepAlive } from '../../mcp/events.ts'
import { noAnswer, refuseAnswer } from './fault.ts'
import { judgeAnswer, type AnswerVerdict } from '../upstream/judge-answer.ts'
import type { Upstream } from '../upstream/upstream.ts'

export interface EventPasser {
  push(chunk: Buffer): void
  /** The upstream has ended its stream. */
  end(): void
}

export interface EventPasserOptions {
  readonly call: Call
  readonly message: RequestMessage
  readonly upstream: Upstream
  readonly means: Means
  /** Ends the exchange with the upstream; called once, when an event has ended the answer. */
  readonly cancel: () => void
}

/**
 * Passes the events of an upstream on to a caller. No octet of its stream is: each event is read, its data judged, and written as an
 * event of our own, because readers of streams differ on where lines end and on what stands before a field.
 */
export function createEventPasser(options: EventPasserOptions): EventPasser {
  const { call, message, cancel } = options
  const { response } = call
  let answered = false

  function refuse(refusal: Refusal): void {
    response.end(formatEvent(Buffer.from(formatRefusal(refusal))))
  }
  const events = createEventParser((data) => {
    // What comes after the answer answers nothing.
    if (answered || response.writableEnded) return
    if (data === undefined) {
      response.write(keepAlive)
      return
    }
    const verdict = judgeAnswer(message, data)
    if (verdict.kind === 'drop') return
    const refusal = refusalOf(options, verdict)
    if (refusal === undefined) {
      answered = verdict.kind === 'response'
      response.write(formatEvent(data))
      return
    }
    // The answer ends first: cancelling tells of a failure, and a failed stream is cut off.
    refuse(refusal)
    cancel()
  })
  return {
    push: (chunk) => events.push(chunk),
    end() {
      if (answered) response.end()
      else if (!response.writableEnded) refuse(cutOff(options, 'stream ended without a response'))
    },
  }
}

function refusalOf(options: EventPasserOptions, verdict: AnswerVerdict): Refusal | undefined {
  if (verdict.kind === 'bad') return cutOff(options, verdict.detail)
  if (verdict.kind !== 'refuse') return undefined
  return refuseAnswer(options.call, options.means, verdict.what)
}

function cutOff({ call, means, upstream }: EventPasserOptions, detail: string): Refusal {
  const { server } = upstream.config
  means.log.warn({ server, detail }, 'stream of an upstream is cut off')
  return noAnswer(call, detail)
}
