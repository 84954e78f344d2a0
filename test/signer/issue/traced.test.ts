import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { createSpanExporter } from '../../../src/trace/export-spans.ts'
import { createPost } from '../../../src/trace/post-spans.ts'
import type { Span } from '../../../src/trace/span.ts'
import { openCollector, spansOf } from '../../support/collector.ts'
import { eventually } from '../../support/eventually.ts'
import { populatedCluster, putPod, putRequest, startSigner } from '../signer-world.ts'

const uid = '0f8fad5b-d9cb-469f-a165-70867728950e'
/** Of all UIDs so many have less in their last eight digits. */
const share = 0x7728950e / 2 ** 32

/** Asks for one certificate of a signer that traces so many requests; what it tells of it. */
async function follow(sampleRatio: number, requestUid = uid): Promise<readonly Span[]> {
  const cluster = populatedCluster()
  putPod(cluster)
  const request = putRequest(cluster)
  Object.assign(request.metadata as object, { uid: requestUid })
  const spans: Span[] = []
  const exporter = { take: (span: Span) => void spans.push(span), close: async () => {} }
  await using world = await startSigner(cluster, { tracing: { exporter, sampleRatio } })
  await world.terminal('req-1')
  await eventually('the look is over', () => sampleRatio < share || spans.some(isLook))
  return spans
}

const isLook = ({ name }: Span): boolean => name === 'look at request'

test('a request is one trace, named by its UID, with a span for whatever it waited for', async () => {
  const spans = await follow(1)
  const look = spans.find(isLook)
  assert.ok(look !== undefined && look.parentSpanId === undefined && !look.failed)
  assert.equal(look.traceId, uid.replaceAll('-', ''))
  const below = spans.filter((span) => span !== look)
  assert.deepEqual(
    below.map(({ name }) => name),
    [
      'look up evidence',
      'ask policy',
      'record issuance-intent',
      'sign',
      'publish',
      'record issuance-result',
    ],
  )
  for (const span of below) {
    assert.deepEqual([span.traceId, span.parentSpanId], [look.traceId, look.spanId], span.name)
    assert.ok(look.startedAt <= span.startedAt && span.endedAt <= look.endedAt, span.name)
  }
  assert.deepEqual(look.attributes, {
    'k8s.namespace.name': 'team-a',
    'countersign.request': 'req-1',
    'countersign.outcome': 'issued',
    'countersign.why': undefined,
  })
})

test('which requests are followed their UIDs decide, for every replica alike', async () => {
  assert.deepEqual(await follow(0), [])
  assert.deepEqual(await follow(share - 0.001), [])
  assert.ok((await follow(share + 0.001)).length > 0)
})

test('a UID that is none has a trace with an id of its own', async () => {
  const spans = await follow(1, 'request-uid')
  assert.match(spans[0]?.traceId ?? '', /^[0-9a-f]{32}$/)
  assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1)
})

test('a collector gets them, and one that does not answer keeps nobody waiting', async () => {
  await using collector = await openCollector()
  using post = createPost(collector.endpoint)
  const resource = { 'service.name': 'countersign-signer' }
  const parts = { resource, log: silentLog, metrics: silentMetrics }
  const exporter = createSpanExporter({ post, ...parts })
  const hung = createSpanExporter({ post: () => new Promise(() => {}), ...parts })
  for (const each of [exporter, hung]) {
    const cluster = populatedCluster()
    putPod(cluster)
    putRequest(cluster)
    const tracing = { exporter: each, sampleRatio: 1 }
    await using world = await startSigner(cluster, { tracing })
    assert.equal((await world.terminal('req-1')).conditions[0]?.type, 'Issued')
  }
  await exporter.close()
  const [root] = spansOf(collector.bodies[0]).filter(({ name }) => name === 'look at request')
  assert.equal(root?.kind, 2)
  assert.ok(!/PRIVATE|CERTIFICATE/.test(collector.bodies.join('')))
})
