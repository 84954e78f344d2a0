import type { Dispatcher } from 'undici'

type Callbacks = Dispatcher.DispatchHandler

export interface Sending {
  /** One attempt, on a connection that is open or a new one. */
  readonly send: (handler: Callbacks) => void
  readonly handler: Callbacks
  /** Doing it twice does no more than doing it once. */
  readonly repeatable: boolean
  /** Nobody waits for it any more. */
  readonly isOver: () => boolean
}

/** So long it is waited before each repetition of what was not begun: a server that starts, or an endpoint that is just removed. */
const repeatMilliseconds = [0, 100, 400]

/** What ends a connection, or keeps one from being made. A certificate that is refused is refused again. */
const connectionErrors: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'UND_ERR_SOCKET',
])

/** A 408 alone may come of a handler that ran too long; who has not received a request ends the connection with it. */
function isNotReceived(status: number, headers: Readonly<Record<string, unknown>>): boolean {
  return status === 408 && String(headers['connection']).toLowerCase() === 'close'
}

/**
 * Sends a request, and again where it was certainly not begun: no connection could be made, or it ended before the request was
 * written. What may have arrived is sent again only when the server says that it has not received it (408 on a connection that it ends,
 * RFC 9110 §15.5.9), or when
 * doing it twice does no more than doing it once (§9.2.2), and then once. The handler hears of the last attempt alone.
 */
export function sendRepeating(sending: Sending, repeats = 0): void {
  const { send, handler, repeatable, isOver } = sending
  let begun = false
  let answered = false
  /** Another attempt is under way: what still comes of this one is nobody's. */
  let repeated = false
  function repeat(): void {
    repeated = true
    const again = (): void => {
      if (!isOver()) sendRepeating(sending, repeats + 1)
    }
    // With a turn of the loop, other connections that ended together with this one are known to have ended.
    if (repeats === 0) setImmediate(again)
    else setTimeout(again, repeatMilliseconds[repeats])
  }
  function mayRepeat({ code }: NodeJS.ErrnoException): boolean {
    if (answered || isOver() || !connectionErrors.has(code)) return false
    return begun ? repeatable && repeats === 0 : repeats < repeatMilliseconds.length
  }
  send({
    onRequestStart(controller, context) {
      begun = true
      handler.onRequestStart?.(controller, context)
    },
    onResponseStart(controller, status, headers, statusMessage) {
      if (repeated) return
      if (repeats === 0 && !isOver() && isNotReceived(status, headers)) {
        repeat()
        controller.abort(new Error('request was not received'))
        return
      }
      // A final answer: what ends the connection from here on ends the answer.
      answered ||= status >= 200
      handler.onResponseStart?.(controller, status, headers, statusMessage)
    },
    onResponseData(controller, chunk) {
      if (!repeated) handler.onResponseData?.(controller, chunk)
    },
    onResponseEnd(controller, trailers) {
      if (!repeated) handler.onResponseEnd?.(controller, trailers)
    },
    onResponseError(controller, error) {
      if (repeated) return
      if (mayRepeat(error)) repeat()
      else handler.onResponseError?.(controller, error)
    },
  })
}
