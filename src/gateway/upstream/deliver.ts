import {
  startExchange,
  type Exchange,
  type ExchangeFailure,
  type ExchangeOptions,
} from './exchange.ts'

/** An upstream that has nothing to say may take this long to say so. */
const deliveryMillisecondsMax = 5000

export interface Delivery extends Pick<ExchangeOptions, 'upstream' | 'account' | 'request'> {
  readonly signal?: AbortSignal | undefined
  /** Told what ends it before its time. */
  readonly begun?: ((exchange: Pick<Exchange, 'cancel'>) => void) | undefined
}

/**
 * Why a call cannot go on whose server has not taken the answer that it needs. Undefined: it may have taken it, as one may that is slow to
 * say so.
 */
export function whyNotTaken(failure: ExchangeFailure | undefined): ExchangeFailure | undefined {
  if (failure === undefined || failure.failed === 'time-out') return undefined
  const detail = `it did not take what it asked for: ${failure.failed}: ${failure.detail}`
  return { failed: 'bad answer', detail }
}

/**
 * Sends what no answer is expected to: notifications, responses, the end of a session. It has arrived when the head of whatever comes
 * back is there; a body, an event stream that never ends, are nobody's.
 */
export function deliver(delivery: Delivery): Promise<ExchangeFailure | undefined> {
  const { upstream, signal, begun } = delivery
  return new Promise((resolve) => {
    const exchange = startExchange(
      {
        ...delivery,
        isUnread: true,
        answerBytesMax: 0,
        timeoutMilliseconds: Math.min(deliveryMillisecondsMax, upstream.timeoutMilliseconds),
        repeatable: true,
      },
      {
        head() {
          exchange.answered()
          resolve(undefined)
        },
        data: () => true,
        end: () => resolve(undefined),
        failed: resolve,
      },
    )
    begun?.(exchange)
    signal?.addEventListener('abort', () => exchange.cancel(), { once: true })
    if (signal?.aborted === true) exchange.cancel()
  })
}
