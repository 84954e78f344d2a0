import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { formatSpans, type Span } from './span.ts'

/** Sends one body to the collector. Rejects where it was not taken. */
export type PostSpans = (body: string) => Promise<void>

/** Takes spans at once and sends them later: nobody ever waits for it. */
export interface SpanExporter {
  take(span: Span): void
  /** Sends what is left, once. */
  close(): Promise<void>
}

export interface SpanExporterOptions {
  readonly post: PostSpans
  readonly resource: Readonly<Record<string, string>>
  readonly log: Log
  readonly metrics: Metrics
  /** So many wait at most; more are left out and counted. Default 2048. */
  readonly queueMax?: number
  /** Does the work once, later; gives how to give that up. */
  readonly later?: (work: () => void) => () => void
}

const queueDefault = 2048
const batchMax = 512
const laterMilliseconds = 2000

/** One export at a time. What the collector does not take is lost and counted: a trace is no record. */
export function createSpanExporter(options: SpanExporterOptions): SpanExporter {
  const { post, resource, log, metrics, queueMax = queueDefault, later = laterTimeout } = options
  let queue: Span[] = []
  let sending: Promise<void> | undefined
  let cancel: (() => void) | undefined
  let isTold = false

  async function send(): Promise<void> {
    const spans = queue.slice(0, batchMax)
    queue = queue.slice(batchMax)
    try {
      await post(formatSpans(spans, resource))
      metrics.count('countersign_trace_spans_total', { outcome: 'sent' }, spans.length)
      isTold = false
    } catch (error) {
      metrics.count('countersign_trace_spans_total', { outcome: 'lost' }, spans.length)
      if (!isTold) log.warn({ error }, 'collector of traces takes no spans')
      isTold = true
    }
  }
  function sendSoon(): void {
    cancel?.()
    cancel = undefined
    if (sending !== undefined || queue.length === 0) return
    sending = send().finally(() => {
      sending = undefined
      if (queue.length >= batchMax) sendSoon()
      else if (queue.length > 0) cancel ??= later(sendSoon)
    })
  }
  return {
    take(span) {
      if (queue.length >= queueMax) {
        metrics.count('countersign_trace_spans_total', { outcome: 'lost' })
        return
      }
      queue.push(span)
      if (queue.length === batchMax) sendSoon()
      else cancel ??= later(sendSoon)
    },
    async close() {
      await sending
      cancel?.()
      if (queue.length > 0) await send()
      cancel?.()
    },
  }
}

function laterTimeout(work: () => void): () => void {
  const timer = setTimeout(work, laterMilliseconds).unref()
  return () => clearTimeout(timer)
}

/** Milliseconds since the epoch, with a fraction. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now()
}
