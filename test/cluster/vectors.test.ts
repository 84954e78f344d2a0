import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { runValidationVectors } from '../support/validation-vectors.ts'

const planes = [
  { title: 'a real control plane', runtimeConfig: [], oldVersion: false, countMin: 250 },
  {
    title: 'a real control plane that serves v1beta1 as well',
    runtimeConfig: ['certificates.k8s.io/v1beta1=true'],
    oldVersion: true,
    countMin: 270,
  },
]

for (const { title, runtimeConfig, oldVersion, countMin } of planes) {
  describe(title, () => {
    let cluster: Cluster | undefined
    before(async () => {
      cluster = await startRealCluster({ runtimeConfig, signsByHand: true })
    })
    after(() => cluster?.[Symbol.asyncDispose]())

    test('answers each vector as expected', async (t) => {
      assert.ok(cluster !== undefined)
      let count = 0
      let old = 0
      for await (const { name, expected, got } of runValidationVectors(cluster)) {
        count += 1
        if (name.startsWith('v1beta1: ')) old += 1
        await t.test(name, () => assert.deepEqual(got, expected))
      }
      assert.ok(count >= countMin, `want=at least ${countMin} vectors got=${count}`)
      assert.equal(old > 0, oldVersion, `vectors of v1beta1: got=${old}`)
    })
  })
}
