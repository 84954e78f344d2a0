import { test } from 'node:test'
import { checkClient } from '../support/client-checks.ts'
import { startRealCluster } from '../support/real-cluster.ts'

test('our client works with a real control plane', async (t) => {
  await using cluster = await startRealCluster({})
  await checkClient(t, cluster)
})
