import type { Answering, Failure } from './http/connection.ts'
import type { Asking } from './http/pool.ts'
import type { ResponseHead } from './http/response-head.ts'

export interface Sending {
  /** One attempt, on a connection that is open or, when `fresh`, a new one. */
  readonly send: (answering: Answering, fresh: boolean) => Asking
  readonly answering: Answering
  /** Doing it twice does no more than doing it once. */
  readonly repeatable: boolean
}

/** So long it is waited before each repetition of what was not begun: a server that starts, or an endpoint that is just removed. */
const repeatMilliseconds = [0, 100, 400]

/**
 * What ends a connection, or keeps one from being made. A certificate that is refused is refused again; behind the name of a tool server
 * whose pod is not to be called any more there may be other pods.
 */
const connectionErrors: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENDED',
  'ENETUNREACH',
  'EPIPE',
  'gateway/upstream-revoked',
])

/** A 408 alone may come of a handler that ran too long; who has not received a request ends the connection with it. */
function isNotReceived({ status, closes }: ResponseHead): boolean {
  return status === 408 && closes
}

/**
 * Sends a request, and again where it was certainly not begun: no connection could be made, or it ended before the request was
 * written. What may have arrived is sent again only when the server says that it has not received it (408 on a connection that it ends,
 * RFC 9110 §15.5.9), or when doing it twice does no more than doing it once (§9.2.2), and then once. Who asks hears of the last attempt
 * alone.
 */
export function sendRepeating({ send, answering, repeatable }: Sending): Asking {
  let attempt: Asking | undefined
  let repeats = 0
  let isGivenUp = false

  function repeat(): void {
    const waitMilliseconds = repeatMilliseconds[repeats]
    repeats += 1
    const again = (): void => {
      if (!isGivenUp) start()
    }
    if (repeats === 1) setImmediate(again)
    else setTimeout(again, waitMilliseconds)
  }
  function start(): void {
    let begun = false
    let answered = false
    function mayRepeat({ wrong, code }: Failure): boolean {
      if (answered || wrong !== 'connection' || !connectionErrors.has(code)) return false
      return begun ? repeatable && repeats === 0 : repeats < repeatMilliseconds.length
    }
    const each: Answering = {
      begun() {
        begun = true
        answering.begun()
      },
      head(head) {
        if (repeats === 0 && isNotReceived(head)) {
          attempt?.abort()
          repeat()
          return
        }
        // What ends the connection from here on ends the answer.
        answered = true
        answering.head(head)
      },
      data: (octets) => answering.data(octets),
      end: () => answering.end(),
      failed(failure) {
        if (mayRepeat(failure)) repeat()
        else answering.failed(failure)
      },
    }
    // What ended one connection may have ended others, and that is not known yet.
    attempt = send(each, repeats > 0)
  }
  start()
  return {
    resume: () => attempt?.resume(),
    abort() {
      isGivenUp = true
      attempt?.abort()
    },
    leave() {
      isGivenUp = true
      attempt?.leave()
    },
  }
}
