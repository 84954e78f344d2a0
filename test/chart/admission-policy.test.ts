import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { requirement } from '../requirements.ts'
import {
  defaultValuesFile,
  parseRendering,
  releaseNamespace,
  renderChart,
} from '../support/chart.ts'
import { eventually } from '../support/eventually.ts'
import { collectionPath } from '../support/installed-chart.ts'
import { createPlainClient, type PlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { createRequest, generateKey } from '../support/vector-material.ts'

const signerName = 'countersign.dev/identity'
const requestsPath = `/apis/certificates.k8s.io/v1/namespaces/${releaseNamespace}/podcertificaterequests`

let cluster: Cluster
let admin: PlainClient
let node: PlainClient
let podUid: string
let accountUid: string
let nodeUid: string

async function create(path: string, object: object): Promise<string> {
  const { status, body } = await admin({ method: 'POST', path, body: object })
  assert.equal(status, 201, JSON.stringify(body))
  return body.metadata.uid
}

before(async () => {
  cluster = await startRealCluster({})
  admin = await createPlainClient(cluster.adminKubeconfig)
  const user = { name: 'system:node:node-b', groups: ['system:nodes'] }
  node = await createPlainClient(await cluster.kubeconfigFor(user))
  await create('/api/v1/namespaces', { metadata: { name: releaseNamespace } })
  const inNamespace = `/api/v1/namespaces/${releaseNamespace}`
  accountUid = await create(`${inNamespace}/serviceaccounts`, { metadata: { name: 'worker' } })
  nodeUid = (await admin({ path: '/api/v1/nodes/node-b' })).body.metadata.uid
  podUid = await create(`${inNamespace}/pods`, podOf(signerName, 'other.example/identity'))
})

after(async () => {
  await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]()
})

/** On the node that has no kubelet, so that nobody but the test asks for it. */
function podOf(...signerNames: readonly string[]): object {
  const sources = signerNames.map((name, at) => ({
    podCertificate: { signerName: name, keyType: 'ECDSAP256', credentialBundlePath: `${at}.pem` },
  }))
  return {
    metadata: { name: 'worker' },
    spec: {
      nodeName: 'node-b',
      serviceAccountName: 'worker',
      containers: [{ name: 'worker', image: 'example.invalid/worker' }],
      volumes: [{ name: 'identity', projected: { sources } }],
    },
  }
}

async function ask(client: PlainClient, signer: string): Promise<number> {
  const { status } = await client({
    method: 'POST',
    path: requestsPath,
    body: {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'PodCertificateRequest',
      metadata: { generateName: 'req-' },
      spec: {
        signerName: signer,
        podName: 'worker',
        podUID: podUid,
        serviceAccountName: 'worker',
        serviceAccountUID: accountUid,
        nodeName: 'node-b',
        nodeUID: nodeUid,
        maxExpirationSeconds: 3600,
        stubPKCS10Request: createRequest(generateKey('ECDSAP256')).toString('base64'),
      },
    },
  })
  return status
}

async function put(mode: string): Promise<void> {
  const rendering = await renderChart(
    '-f',
    defaultValuesFile,
    '--set',
    `admissionPolicy.mode=${mode}`,
  )
  for (const object of parseRendering(rendering)) {
    if (!object.kind.startsWith('ValidatingAdmissionPolicy')) continue
    const path = collectionPath(object.kind, '')
    await admin({ method: 'DELETE', path: `${path}/${object.metadata.name}` })
    await create(path, object)
  }
}

test('the policy that only watches refuses nobody', async () => {
  await put('audit')
  assert.equal(await ask(admin, signerName), 201)
  assert.equal(await ask(node, signerName), 201)
})

test('the policy in force lets the kubelet of the node ask, and not even an administrator', async () => {
  requirement('chart.only-kubelets-ask')
  await put('enforce')
  await eventually('the policy is in force', async () => (await ask(admin, signerName)) === 403, 30)
  assert.equal(await ask(node, signerName), 201)
})

test("requests for another's signer are none of its business", async () => {
  assert.equal(await ask(admin, 'other.example/identity'), 201)
})

test('without the policy nothing is rendered of it', async () => {
  const rendering = await renderChart('-f', defaultValuesFile, '--set', 'admissionPolicy.mode=off')
  assert.doesNotMatch(rendering, /ValidatingAdmissionPolicy/)
})
