import {
  startExchange,
  type AnswerHead,
  type ExchangeFailure,
  type ExchangeOptions,
} from './exchange.ts'
import { createEventParser } from './events.ts'

/** A whole answer. */
export interface Answer extends AnswerHead {
  /** The JSON text: of the body, or of the one event that answers the request. */
  readonly body: Buffer
}

export interface CollectOptions extends ExchangeOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Collects an answer that has to be read before it is passed on. Of a stream of events it takes the response; notifications that
 * came before it have nobody to go to, because no octet has been sent yet.
 */
export function collectAnswer(options: CollectOptions): Promise<Answer | ExchangeFailure> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let head: AnswerHead | undefined
    let answer: Buffer | undefined
    const events = createEventParser(({ data }) => {
      if (data !== undefined && isResponse(data)) answer ??= data
    })
    const exchange = startExchange(options, {
      head(received) {
        head = received
      },
      data(chunk) {
        if (head?.form !== 'events') chunks.push(chunk)
        else if (answer === undefined) {
          events.push(chunk)
          if (answer !== undefined) {
            resolve({ ...head, body: answer })
            exchange.cancel()
          }
        }
        return true
      },
      end() {
        if (head === undefined) resolve({ failed: 'bad answer', detail: 'answer has no head' })
        else if (head.form === 'events') {
          resolve({ failed: 'bad answer', detail: 'stream ended without a response' })
        } else resolve({ ...head, body: Buffer.concat(chunks) })
      },
      failed: resolve,
    })
    options.signal?.addEventListener('abort', () => exchange.cancel(), { once: true })
  })
}

function isResponse(data: Buffer): boolean {
  try {
    const message: unknown = JSON.parse(data.toString('utf8'))
    return (
      typeof message === 'object' && message !== null && ('result' in message || 'error' in message)
    )
  } catch {
    return false
  }
}
