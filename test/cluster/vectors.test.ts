import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Cluster } from '../../src/dev/cluster.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { runValidationVectors } from '../support/validation-vectors.ts'

describe('a real control plane', () => {
  let cluster: Cluster | undefined
  before(async () => {
    cluster = await startRealCluster({})
  })
  after(() => cluster?.[Symbol.asyncDispose]())

  test('answers each vector as expected', async (t) => {
    assert.ok(cluster !== undefined)
    let count = 0
    for await (const { name, expected, got } of runValidationVectors(cluster)) {
      count += 1
      await t.test(name, () => assert.deepEqual(got, expected))
    }
    assert.ok(count >= 250, `want=at least 250 vectors got=${count}`)
  })
})
