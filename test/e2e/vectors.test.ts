import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { silentLog } from '../../src/log.ts'
import { runValidationVectors } from '../support/validation-vectors.ts'

describe('the embedded control plane', () => {
  let cluster: Cluster | undefined
  let folder: string | undefined
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-vectors-'))
    cluster = await startEmbeddedCluster({
      folder,
      log: silentLog,
      podCertificateVersions: ['v1', 'v1beta1'],
    })
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  })

  test('answers each vector as a real one does', async (t) => {
    assert.ok(cluster !== undefined)
    let count = 0
    for await (const { name, expected, got } of runValidationVectors(cluster)) {
      count += 1
      await t.test(name, () => assert.deepEqual(got, expected))
    }
    assert.ok(count >= 270, `want=at least 270 vectors got=${count}`)
  })
})
