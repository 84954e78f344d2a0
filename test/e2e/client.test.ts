import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { silentLog } from '../../src/log.ts'
import { checkClient } from '../support/client-checks.ts'

test('our client works with the embedded control plane', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-client-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await using cluster = await startEmbeddedCluster({ folder, log: silentLog })
  await checkClient(t, cluster)
})
