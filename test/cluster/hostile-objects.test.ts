import { test } from 'node:test'
import { checkHostileObjects } from '../support/hostile-checks.ts'
import { startRealCluster } from '../support/real-cluster.ts'

test('objects of any size stop no watch of a real control plane', async () => {
  await using cluster = await startRealCluster({})
  await checkHostileObjects(cluster)
})
