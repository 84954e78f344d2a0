import { randomBytes } from 'node:crypto'
import { cut } from '../../errors.ts'
import type { NotificationMessage, RequestMessage } from '../../mcp/message.ts'
import { formatTraceparent, parseTraceContext, type TraceContext } from '../../mcp/trace-context.ts'
import { preciseNow, type SpanExporter } from '../../trace/export-spans.ts'

/** Follows calls, those that are sampled. Without one nothing is done for traces on the way of a call. */
export interface Tracer {
  /** Milliseconds since the epoch, with a fraction. */
  now(): number
  /** Begins the span of a call that came at that time; undefined where it is not sampled. */
  begin(call: TracedCall): CallTrace | undefined
}

export interface TracedCall {
  readonly message: RequestMessage | NotificationMessage
  readonly rawHeaders: readonly string[]
  readonly at: number
}

/** The span of one call. */
export interface CallTrace {
  /** What makes the spans of whoever is asked its children: header lines, name, value. */
  readonly headers: readonly string[]
  /** Begins a span of its own for one exchange with a tool server. */
  toUpstream(server: string): UpstreamTrace
  end(outcome: CallOutcome): void
}

export interface UpstreamTrace {
  readonly headers: readonly string[]
  /** `failed`: what went wrong, in a word or two that are ours. */
  end(failed?: string): void
}

export interface CallOutcome {
  readonly server: string | undefined
  readonly tool: string | undefined
  readonly decisionId: string | undefined
  /** The check that refused it, and the code that the caller is told. */
  readonly refused: { readonly check: string; readonly code: number } | undefined
}

export interface TracerOptions {
  readonly exporter: SpanExporter
  /** Of calls that are in nobody's trace yet; in others their sender decides (W3C Trace Context §3.2.2.5.1). */
  readonly sampleRatio: number
  readonly now?: () => number
  /** From 0 up to 1. */
  readonly random?: () => number
}

const methodCharactersMax = 64
const nameCharactersMax = 128

export function createTracer(options: TracerOptions): Tracer {
  const { exporter, sampleRatio, random = Math.random, now = preciseNow } = options
  return {
    now,
    begin({ message, rawHeaders, at }) {
      const parent = parentOf(message, rawHeaders)
      if (!(parent?.sampled ?? random() < sampleRatio)) return undefined
      const own = childOf(parent)
      const method = cut(message.method, methodCharactersMax)
      return {
        headers: headersOf(own),
        toUpstream: (server) => beginUpstream({ parent: own, server, method, exporter, now }),
        end({ server, tool, decisionId, refused }) {
          const name = tool === undefined ? undefined : cut(tool, nameCharactersMax)
          exporter.take({
            ...own,
            parentSpanId: parent?.spanId,
            name: name === undefined ? method : `${method} ${name}`,
            kind: 'server',
            startedAt: at,
            endedAt: now(),
            failed: refused !== undefined,
            // As OpenTelemetry's conventions for MCP call them, and ours beside them.
            attributes: {
              'mcp.method.name': method,
              'mcp.protocol.version': message.version,
              'gen_ai.tool.name': name,
              'countersign.server': server,
              'countersign.decision.id': decisionId,
              'countersign.outcome': refused === undefined ? 'served' : 'refused',
              'countersign.check': refused?.check,
              'rpc.response.status_code': refused === undefined ? undefined : String(refused.code),
            },
          })
        },
      }
    },
  }
}

/** The message's own words go before the headers': intermediaries rewrite those (MCP 2026-07-28 base protocol, `_meta`). */
function parentOf(
  { params }: TracedCall['message'],
  rawHeaders: readonly string[],
): TraceContext | undefined {
  const meta = params['_meta'] as Readonly<Record<string, unknown>> | undefined
  const told = parseTraceContext(meta?.['traceparent'], meta?.['tracestate'])
  if (told !== undefined) return told
  return parseTraceContext(headerOf(rawHeaders, 'traceparent'), headerOf(rawHeaders, 'tracestate'))
}

function headerOf(rawHeaders: readonly string[], name: string): string | undefined {
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === name) return rawHeaders[index + 1]
  }
  return undefined
}

type Own = Pick<TraceContext, 'traceId' | 'spanId' | 'state'>

function childOf(parent: Own | undefined): Own {
  return {
    traceId: parent?.traceId ?? randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    state: parent?.state,
  }
}

function headersOf(own: Own): readonly string[] {
  const headers = ['traceparent', formatTraceparent({ ...own, sampled: true })]
  return own.state === undefined ? headers : [...headers, 'tracestate', own.state]
}

function beginUpstream(o: {
  readonly parent: Own
  readonly server: string
  readonly method: string
  readonly exporter: SpanExporter
  readonly now: () => number
}): UpstreamTrace {
  const { parent, server, method, exporter, now } = o
  const own = childOf(parent)
  const startedAt = now()
  let hasEnded = false
  return {
    headers: headersOf(own),
    end(failed) {
      if (hasEnded) return
      hasEnded = true
      exporter.take({
        ...own,
        parentSpanId: parent.spanId,
        name: `${method} to ${server}`,
        kind: 'client',
        startedAt,
        endedAt: now(),
        failed: failed !== undefined,
        attributes: {
          'mcp.method.name': method,
          'countersign.server': server,
          'error.type': failed,
        },
      })
    },
  }
}
