import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { chartFolder, defaultValuesFile, helm, releaseNamespace } from '../support/chart.ts'
import { helmOn } from '../support/installed-chart.ts'
import { createPlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'

let cluster: Cluster

before(async () => {
  // As an operator has it who turned the gates off.
  const resources = ['podcertificaterequests', 'clustertrustbundles']
  const gates = ['PodCertificateRequest', 'ClusterTrustBundle', 'ClusterTrustBundleProjection']
  cluster = await startRealCluster({
    runtimeConfig: resources.map((name) => `certificates.k8s.io/v1/${name}=false`),
    featureGates: gates.map((name) => `${name}=false`),
  })
})

after(async () => {
  await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]()
})

test('a cluster that serves neither requests nor trust bundles is refused, with what turns them on', async () => {
  const admin = await createPlainClient(cluster.adminKubeconfig)
  const labels = { 'roles.countersign.dev/tool-broker': 'allow' }
  const body = { metadata: { name: releaseNamespace, labels } }
  await admin({ method: 'POST', path: '/api/v1/namespaces', body })
  const { code, stderr } = await helmOn(cluster, { values: defaultValuesFile })('install')
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^- the API server does not serve PodCertificateRequest: 1\.37 does by itself/m,
  )
  assert.match(stderr, /^- the API server does not serve ClusterTrustBundle: .* feature gate/m)
  const found = await admin({ path: `/api/v1/namespaces/${releaseNamespace}/configmaps` })
  assert.ok(
    found.body.items.every(
      ({ metadata }: { metadata: { name: string } }) => !metadata.name.startsWith('countersign'),
    ),
  )
})

test('no trust bundles are asked of a cluster where anchors are published in ConfigMaps', async () => {
  const words = ['--set', 'trustBundle.configMap=countersign-trust-bundle']
  const { code, stderr } = await helmOn(cluster, { values: defaultValuesFile })('install', ...words)
  assert.equal(code, 1)
  assert.match(stderr, /^- the API server does not serve PodCertificateRequest: /m)
  assert.doesNotMatch(stderr, /does not serve ClusterTrustBundle/)
})

test('a Kubernetes that is too old is refused by its version', async () => {
  const words = ['template', 'countersign', chartFolder, '-f', defaultValuesFile]
  const { code, stderr } = await helm([...words, '--kube-version', '1.34.9'])
  assert.equal(code, 1)
  assert.match(stderr, /chart requires kubeVersion: >=1\.35\.0-0 .* v?1\.34\.9/)
})
