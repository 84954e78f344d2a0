import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSpanExporter, type SpanExporter } from '../../../src/trace/export-spans.ts'
import { createPost } from '../../../src/trace/post-spans.ts'
import { createTracer } from '../../../src/gateway/trace/tracer.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { requirement } from '../../requirements.ts'
import { openCollector, spansOf, type OtlpSpan } from '../../support/collector.ts'
import { modernMeta } from '../world/client.ts'
import { openWorld, type World } from '../world/world.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const callerSpan = '00f067aa0ba902b7'

const attribute = (span: OtlpSpan | undefined, key: string): string | undefined =>
  span?.attributes.find((each) => each.key === key)?.value.stringValue

function callWith(
  meta: object,
  headers: Record<string, string> = {},
): { body: string; headers: Record<string, string> } {
  const params = {
    name: 'echo',
    arguments: { secret: 'hunter2' },
    _meta: { ...modernMeta, ...meta },
  }
  return {
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    headers: {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'echo',
      ...headers,
    },
  }
}

interface Traced {
  readonly spans: readonly OtlpSpan[]
  /** What the tool server was told. */
  readonly sent: Readonly<Record<string, unknown>>
  readonly body: string
}

/** One call through a gateway that traces, and what the collector got of it. */
async function trace(
  call: ReturnType<typeof callWith>,
  o: { readonly sampleRatio?: number; readonly toolScopes?: string } = {},
): Promise<Traced> {
  await using collector = await openCollector()
  using post = createPost(collector.endpoint)
  const resource = { 'service.name': 'countersign-gateway' }
  const exporter = createSpanExporter({ post, resource, log: silentLog, metrics: silentMetrics })
  const tracer = createTracer({ exporter, sampleRatio: o.sampleRatio ?? 0 })
  await using world: World = await openWorld({ tracer })
  const agent = await world.agent(o.toolScopes === undefined ? {} : { toolScopes: o.toolScopes })
  await agent.post('/mcp/files', call.body, call.headers)
  await exporter.close()
  const received = world.upstreams['files']?.received ?? []
  const sent = received.find(({ body }) => body.includes('tools/call'))?.headers ?? {}
  return { spans: spansOf(collector.bodies[0]), sent, body: collector.bodies.join('') }
}

test('a call in somebody’s trace has a span there, and one for the tool server, whose child that one is', async () => {
  const parent = { traceparent: `00-${traceId}-${callerSpan}-01`, tracestate: 'congo=t61' }
  const { spans, sent } = await trace(callWith(parent))
  const server = spans.find(({ kind }) => kind === 2)
  const client = spans.find(({ kind }) => kind === 3)
  assert.equal(spans.length, 2)
  assert.deepEqual([server?.traceId, server?.parentSpanId], [traceId, callerSpan])
  assert.equal(server?.traceState, 'congo=t61')
  assert.equal(server?.name, 'tools/call echo')
  assert.deepEqual([client?.traceId, client?.parentSpanId], [traceId, server?.spanId])
  assert.equal(sent['traceparent'], `00-${traceId}-${client?.spanId}-01`)
  assert.equal(sent['tracestate'], 'congo=t61')
  assert.match(server?.startTimeUnixNano ?? '', /^\d{19}$/)
  assert.ok(BigInt(server?.endTimeUnixNano ?? 0) >= BigInt(client?.endTimeUnixNano ?? 0))
  assert.equal(attribute(server, 'countersign.outcome'), 'served')
  assert.match(attribute(server, 'countersign.decision.id') ?? '', /^[0-9a-f-]{36}$/)
})

test('arguments are in no span', async () => {
  requirement('gateway.traces-hold-no-arguments')
  const { body } = await trace(callWith({ traceparent: `00-${traceId}-${callerSpan}-01` }))
  assert.notEqual(body, '')
  assert.doesNotMatch(body, /hunter2|secret/)
})

test('the header counts where the message says nothing, and what is malformed is nobody’s', async () => {
  const header = { traceparent: `00-${traceId}-${callerSpan}-01` }
  const { spans } = await trace(callWith({ traceparent: 'x' }, header))
  assert.equal(spans[0]?.traceId, traceId)
  assert.deepEqual((await trace(callWith({ traceparent: 'x' }))).spans, [])
})

test('who does not sample is not sampled, and what it said goes on as it came', async () => {
  const header = { traceparent: `00-${traceId}-${callerSpan}-00` }
  const { spans, sent } = await trace(callWith({}, header), { sampleRatio: 1 })
  assert.deepEqual(spans, [])
  assert.equal(sent['traceparent'], header.traceparent)
})

test('of the calls that are in no trace so many begin one', async () => {
  const { spans } = await trace(callWith({}), { sampleRatio: 1 })
  assert.equal(spans.find(({ kind }) => kind === 2)?.parentSpanId, undefined)
  assert.deepEqual((await trace(callWith({}), { sampleRatio: 0 })).spans, [])
})

test('a refused call has its check, and no span of a tool server', async () => {
  const call = callWith({ traceparent: `00-${traceId}-${callerSpan}-01` })
  const { spans } = await trace(call, { toolScopes: 'web:*' })
  const [span] = spans
  assert.equal(spans.length, 1)
  assert.equal(attribute(span, 'countersign.outcome'), 'refused')
  assert.equal(attribute(span, 'countersign.check'), 'ceiling')
  assert.equal(span?.status?.code, 2)
})

function exporterOf(post: (body: string) => Promise<void>): {
  readonly exporter: SpanExporter
  readonly counts: Record<string, number>
  readonly tick: () => void
} {
  const counts: Record<string, number> = {}
  let due: (() => void) | undefined
  const exporter = createSpanExporter({
    post,
    resource: {},
    log: silentLog,
    queueMax: 3,
    later(work) {
      due = work
      return () => (due = undefined)
    },
    metrics: {
      ...silentMetrics,
      count(_, labels = {}, amount = 1) {
        const { outcome = '' } = labels
        counts[outcome] = (counts[outcome] ?? 0) + amount
      },
    },
  })
  return { exporter, counts, tick: () => due?.() }
}

const span = {
  traceId,
  spanId: callerSpan,
  parentSpanId: undefined,
  state: undefined,
  name: 'x',
  kind: 'server',
  startedAt: 0,
  endedAt: 1,
  attributes: {},
  failed: false,
} as const

test('a collector that does not answer holds nobody up: what is too much is lost and counted', async () => {
  const open = Promise.withResolvers<void>()
  const { exporter, counts, tick } = exporterOf(() => open.promise)
  exporter.take(span)
  tick()
  for (let more = 0; more < 5; more += 1) exporter.take(span)
  assert.deepEqual(counts, { lost: 2 })
  open.resolve()
  await exporter.close()
  assert.deepEqual(counts, { lost: 2, sent: 4 })
})

test('what a collector refuses is lost, and the next is sent all the same', async () => {
  let fails = true
  const { exporter, counts } = exporterOf(() =>
    fails ? Promise.reject(new Error('collector answers 503')) : Promise.resolve(),
  )
  exporter.take(span)
  await exporter.close()
  fails = false
  exporter.take(span)
  await exporter.close()
  assert.deepEqual(counts, { lost: 1, sent: 1 })
})
