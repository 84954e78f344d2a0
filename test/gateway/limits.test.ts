import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  defaultLimits,
  limitContradictions,
  limitNames,
  limitRanges,
  limitsOfServer,
  limitsOfWorker,
  serverLimitContradictions,
  serverLimitsOfWorker,
  type GatewayLimits,
} from '../../src/gateway/limits.ts'
import { requirement } from '../requirements.ts'

test('what holds without configuration is within the ranges, and contradicts nothing', () => {
  for (const name of limitNames) {
    const [min, max] = limitRanges[name]
    assert.ok(defaultLimits[name] >= min && defaultLimits[name] <= max, name)
  }
  assert.deepEqual(limitContradictions(defaultLimits), [])
})

test('a tool server has its own limits, and never more than the gateway’s', () => {
  requirement('gateway.limits-of-a-server')
  const own = { answerBytesMax: 4096, upstreamConnectionsMax: 10_000 }
  const narrowed = limitsOfServer(defaultLimits, own)
  assert.deepEqual(narrowed, { ...defaultLimits, answerBytesMax: 4096 })
  assert.deepEqual(limitsOfServer(defaultLimits), defaultLimits)
  assert.deepEqual(
    serverLimitContradictions(own, defaultLimits).map(({ message }) => message),
    ['want=at most limits.upstreamConnectionsMax, 128 got=10000'],
  )
  assert.deepEqual(serverLimitsOfWorker({ answerBytesMax: 4096, upstreamConnectionsMax: 5 }, 2), {
    answerBytesMax: 4096,
    upstreamConnectionsMax: 2,
  })
  assert.deepEqual(serverLimitsOfWorker({ upstreamConnectionsMax: 1 }, 8), {
    upstreamConnectionsMax: 1,
  })
})

test('two workers have half each of what is counted together, and the whole of what is counted alone', () => {
  const half = limitsOfWorker(defaultLimits, 2)
  assert.equal(half.upstreamConnectionsMax, defaultLimits.upstreamConnectionsMax / 2)
  assert.equal(half.bodyBytesMax, defaultLimits.bodyBytesMax)
  assert.equal(half.streamSecondsMax, defaultLimits.streamSecondsMax)
})

test('whatever is divided by however many, each worker’s limits contradict nothing', () => {
  const limits = fc.record(
    Object.fromEntries(
      limitNames.map((name) => {
        const [min, max] = limitRanges[name]
        return [name, fc.integer({ min, max })]
      }),
    ),
  ) as unknown as fc.Arbitrary<GatewayLimits>
  fc.assert(
    fc.property(limits, fc.integer({ min: 2, max: 64 }), (all, workers) => {
      fc.pre(limitContradictions(all).length === 0)
      const own = limitsOfWorker(all, workers)
      assert.deepEqual(limitContradictions(own), [])
      for (const name of limitNames) assert.ok(own[name] <= all[name], name)
    }),
  )
})
