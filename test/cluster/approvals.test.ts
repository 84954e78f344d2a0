import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import type { Cluster } from '../../dev/cluster.ts'
import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { openApprovalObjects } from '../../src/gateway/approval/approval-objects.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { root } from '../support/source-tree.ts'

const crdFile = join(root, 'charts/countersign/files/crds/approvals.yaml')

async function startEmbedded(): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-'))
  const cluster = await startEmbeddedCluster({ folder })
  return {
    ...cluster,
    async [Symbol.asyncDispose]() {
      await cluster[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const clusters = {
  'a real kube-apiserver': () => startRealCluster({}),
  'the embedded one': startEmbedded,
}

for (const [which, start] of Object.entries(clusters)) {
  test(`of many who use one approval at a time one does, on ${which}`, async () => {
    requirement('gateway.approval-used-once')
    await using cluster = await start()
    const client = createApiClient({ kubeconfig: cluster.adminKubeconfig })
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    await client.request({
      method: 'POST',
      path,
      body: parse(await readFile(crdFile, 'utf8')) as object,
    })
    const store = openApprovalObjects({ client, namespace: 'default' })
    await eventually('approvals are served', () =>
      store.list().then(
        () => true,
        () => false,
      ),
    )
    const name = 'aaaaaaaaaaaaaaaaaaaaaaaa'
    const made = { name, sealed: 'YWJj', deadline: '2026-11-29T20:00:00.000Z' }
    assert.equal(await store.read(name), undefined)
    const creations = await Promise.all(Array.from({ length: 8 }, () => store.create(made)))
    assert.equal(creations.filter(Boolean).length, 1)
    const waiting = await store.read(name)
    assert.ok(waiting !== undefined)
    const decisions = await Promise.all(
      ['ZGVm', 'Z2hp', 'amts'].map((sealed) => store.replace(waiting, sealed)),
    )
    assert.equal(decisions.filter(Boolean).length, 1)
    assert.equal(await store.remove(waiting), false, 'it is another one by now')
    const [decided] = await store.list()
    assert.ok(decided !== undefined && decided.sealed !== 'YWJj')
    const uses = await Promise.all(Array.from({ length: 8 }, () => store.remove(decided)))
    assert.equal(uses.filter(Boolean).length, 1)
    assert.equal(await store.create(made), true)
    assert.equal(await store.remove(decided), false, 'of one name, and not the one that was used')
    client.close()
  })
}
