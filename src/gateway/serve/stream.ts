import { createEventParser, formatEvent, keepAlive } from '../../mcp/events.ts'
import { formatRefusal, type Refused } from '../refusal.ts'
import { judgeAnswer, type AnswerVerdict } from '../upstream/judge-answer.ts'
import { noAnswer, refuseAnswer } from './fault.ts'
import type { Forwarding } from './forward.ts'

export interface EventPasser {
  push(chunk: Buffer): void
  /** The upstream has ended its stream. */
  end(): void
}

export interface EventPasserOptions extends Forwarding {
  /** Ends the exchange with the upstream; called once, when an event has ended the answer. */
  readonly cancel: () => void
}

/**
 * Passes the events of an upstream on to a caller. No octet of its stream is: each event is read, its data judged, and written as an
 * event of our own, because readers of streams differ on where lines end and on what stands before a field.
 */
export function createEventPasser(options: EventPasserOptions): EventPasser {
  const { message, cancel, reply } = options
  const { response } = reply
  let answered = false

  function refuse({ refusal }: Refused): void {
    response.end(formatEvent(Buffer.from(formatRefusal(refusal, reply.rawId))))
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

function refusalOf(options: EventPasserOptions, verdict: AnswerVerdict): Refused | undefined {
  if (verdict.kind === 'bad') return cutOff(options, verdict.detail)
  if (verdict.kind !== 'refuse') return undefined
  return refuseAnswer(options.permit, options.parts.decisions, verdict.what)
}

function cutOff({ parts, upstream }: EventPasserOptions, detail: string): Refused {
  const { server } = upstream.config
  parts.log.warn({ server, detail }, 'stream of an upstream is cut off')
  return noAnswer(detail)
}
