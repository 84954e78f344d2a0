/** One stretch of a call, or of a certificate's way, ended. Nothing in it is of a tool's arguments, of an answer or of a key. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly state: string | undefined
  readonly name: string
  /** To a caller we are a server, to whom we ask a client. */
  readonly kind: 'server' | 'client' | 'internal'
  /** Milliseconds since the epoch, with a fraction. */
  readonly startedAt: number
  readonly endedAt: number
  readonly attributes: Readonly<Record<string, string | undefined>>
  readonly failed: boolean
}

/** The numbers of OTLP's enumerations (opentelemetry/proto/trace/v1). */
const kinds = { internal: 1, server: 2, client: 3 }
const statusError = 2

/** The body of one export, OTLP/HTTP as JSON: ids are hex, 64-bit numbers are text. */
export function formatSpans(
  spans: readonly Span[],
  resource: Readonly<Record<string, string>>,
): string {
  const scope = { name: 'countersign', version: resource['service.version'] }
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{ scope, spans: spans.map(formatSpan) }],
      },
    ],
  })
}

function formatSpan(span: Span): object {
  const { traceId, spanId, parentSpanId, state, name, kind, failed } = span
  return {
    traceId,
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    ...(state === undefined ? {} : { traceState: state }),
    name,
    kind: kinds[kind],
    startTimeUnixNano: nanosecondsOf(span.startedAt),
    endTimeUnixNano: nanosecondsOf(span.endedAt),
    attributes: attributesOf(span.attributes),
    ...(failed ? { status: { code: statusError } } : {}),
  }
}

function attributesOf(values: Span['attributes']): readonly object[] {
  return Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: { stringValue: value } }],
  )
}

/** No double holds nanoseconds since the epoch. */
function nanosecondsOf(milliseconds: number): string {
  const whole = Math.floor(milliseconds)
  return `${whole}${String(Math.floor((milliseconds - whole) * 1e6)).padStart(6, '0')}`
}
