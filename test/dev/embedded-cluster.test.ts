import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import type { Cluster } from '../../dev/cluster.ts'
import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { eventually } from '../support/eventually.ts'
import { createPlainClient } from '../support/plain-client.ts'

let folder: string
let cluster: Cluster
const progress: string[] = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-embedded-'))
  cluster = await startEmbeddedCluster({ folder, onProgress: (line) => progress.push(line) })
})
after(async () => {
  await cluster[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test('it is an embedded cluster of two nodes on loopback', () => {
  assert.equal(cluster.kind, 'embedded')
  assert.deepEqual(cluster.nodeNames, ['node-a', 'node-b'])
  assert.match(cluster.server, /^https:\/\/127\.0\.0\.1:\d+$/)
  assert.deepEqual(progress, [`control plane at ${cluster.server}`, 'kubelets on node-a, node-b'])
})

test('its files are for their owner alone', async () => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  assert.ok(entries.length > 3)
  for (const entry of entries) {
    const { mode } = await stat(join(entry.parentPath, entry.name))
    assert.equal(mode & 0o077, 0, entry.name)
  }
})

test('our own client reads its kubeconfigs, and the user is who it was made for', async () => {
  const user = { name: 'somebody', groups: ['crew'] }
  const client = createApiClient({ kubeconfig: await cluster.kubeconfigFor(user) })
  await assert.rejects(client.request({ method: 'GET', path: '/api/v1/pods' }), /User \\?"somebody/)
  client.close()
  const admin = await createPlainClient(cluster.adminKubeconfig)
  const { body } = await admin({ path: '/api/v1/nodes' })
  assert.deepEqual(
    body.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name),
    ['node-a', 'node-b'],
  )
})

test('a pod runs as a local process that finds its volumes by its environment', async () => {
  const admin = await createPlainClient(cluster.adminKubeconfig)
  const script =
    'console.log("at", process.env.COUNTERSIGN_VOLUME_SCRATCH); setInterval(() => {}, 1000)'
  const containers = [
    { name: 'c', image: 'i', command: [process.execPath], args: ['--eval', script] },
  ]
  const volumes = [{ name: 'scratch', emptyDir: {} }]
  const { status, body } = await admin({
    method: 'POST',
    path: '/api/v1/namespaces/default/pods',
    body: { metadata: { name: 'local' }, spec: { nodeName: 'node-b', containers, volumes } },
  })
  assert.equal(status, 201)
  const log = join(folder, 'pods', 'default_local.log')
  const output = (): Promise<string> => readFile(log, 'utf8').catch(() => '')
  await eventually('its output', async () => (await output()).endsWith('\n'))
  const volume = await cluster.volumeFolder(body.metadata.uid, 'scratch')
  assert.equal(await output(), `at ${volume}\n`)
  assert.equal(await cluster.volumeFolder(body.metadata.uid, 'other'), undefined)
  assert.equal(await cluster.volumeFolder('other', 'scratch'), undefined)
})

test('its end takes its own files along and leaves those of others', async () => {
  const own = await mkdtemp(join(tmpdir(), 'countersign-brief-'))
  const brief = await startEmbeddedCluster({ folder: own, nodeNames: ['only'] })
  assert.deepEqual(brief.nodeNames, ['only'])
  await brief[Symbol.asyncDispose]()
  assert.deepEqual(await readdir(own), [])
  await rm(own, { recursive: true })
})

test('a cluster that cannot start leaves nothing behind', async () => {
  const own = await mkdtemp(join(tmpdir(), 'countersign-failed-'))
  await assert.rejects(startEmbeddedCluster({ folder: own, nodeNames: ['Not A Name'] }))
  assert.deepEqual(await readdir(own), [])
  await rm(own, { recursive: true })
})

test('a cluster of v1beta1 alone has kubelets that speak it', async () => {
  const own = await mkdtemp(join(tmpdir(), 'countersign-beta-'))
  const beta = await startEmbeddedCluster({
    folder: own,
    nodeNames: ['only'],
    podCertificateVersions: ['v1beta1'],
  })
  const admin = await createPlainClient(beta.adminKubeconfig)
  const podCertificate = { signerName: 'example.com/s', keyType: 'ED25519', keyPath: 'key' }
  const volumes = [{ name: 'identity', projected: { sources: [{ podCertificate }] } }]
  const spec = { nodeName: 'only', containers: [{ name: 'c', image: 'i' }], volumes }
  const path = '/api/v1/namespaces/default/pods'
  await admin({ method: 'POST', path, body: { metadata: { name: 'p' }, spec } })
  const requests = '/apis/certificates.k8s.io/v1beta1/podcertificaterequests'
  await eventually('a request', async () => (await admin({ path: requests })).body.items.length > 0)
  assert.equal((await admin({ path: requests.replace('v1beta1', 'v1') })).status, 404)
  await beta[Symbol.asyncDispose]()
  await rm(own, { recursive: true })
})
