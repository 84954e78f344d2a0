import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { silentLog } from '../../src/log.ts'
import { checkHostileObjects } from '../support/hostile-checks.ts'

test('objects of any size stop no watch of the embedded control plane', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-hostile-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await using cluster = await startEmbeddedCluster({ folder, log: silentLog })
  await checkHostileObjects(cluster)
})
