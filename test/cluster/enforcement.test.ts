import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster } from '../../dev/cluster.ts'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { createMetrics, type MetricsPage } from '../../src/metrics.ts'
import { modesOf, type EnforcementMode } from '../../src/signer/verdict/enforcement.ts'
import { startSigner, type SignerWorld } from '../signer/signer-world.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster } from '../support/fake-cluster.ts'
import { createPlainClient, type PlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { specOfAskingPod } from '../support/asking-pod.ts'

/*
 * Two signers of one cluster, each with its own name and its own modes: what one warns of the other denies. Each pod asks for a tenant
 * that its namespace is not of.
 */

const system = 'countersign-system'
const node = 'node-b'
const namespaces = ['strict', 'lenient', 'alone'] as const
type Namespace = (typeof namespaces)[number]

const signers = {
  'one.example/identity': { strict: 'enforce', lenient: 'warn', alone: 'off' },
  'other.example/identity': { strict: 'off', lenient: 'enforce', alone: 'warn' },
} as const satisfies Readonly<Record<string, Readonly<Record<Namespace, EnforcementMode>>>>
type SignerName = keyof typeof signers
const signerNames = Object.keys(signers) as readonly SignerName[]

let cluster: Cluster
let admin: PlainClient
let nodeUid: string
const accountUids = new Map<Namespace, string>()
const worlds = new Map<SignerName, SignerWorld & { readonly metrics: MetricsPage }>()
const opened = new AsyncDisposableStack()

before(async () => {
  cluster = opened.use(await startRealCluster({}))
  admin = await createPlainClient(cluster.adminKubeconfig)
  nodeUid = (await admin({ path: `/api/v1/nodes/${node}` })).body.metadata.uid
  await create('/api/v1/namespaces', { metadata: { name: system } })
  for (const name of namespaces) {
    const labels = { 'countersign.dev/tenant': 'blue' }
    await create('/api/v1/namespaces', { metadata: { name, labels } })
    const accounts = `/api/v1/namespaces/${name}/serviceaccounts`
    accountUids.set(name, (await create(accounts, { metadata: { name: 'worker' } })).metadata.uid)
  }
  const kubeconfig = await cluster.kubeconfigFor({ name: 'signer', groups: ['system:masters'] })
  for (const [index, signerName] of signerNames.entries()) {
    const lease = { namespace: system, name: `bundle-${index}` }
    for (const name of [lease.name, `${lease.name}-members`]) {
      await create(`/apis/coordination.k8s.io/v1/namespaces/${system}/leases`, {
        metadata: { name },
      })
    }
    const client = createApiClient({ kubeconfig })
    opened.defer(() => client.close())
    const metrics = createMetrics()
    const world = await startSigner(new FakeCluster(), {
      client,
      signerName,
      lease,
      metrics,
      modeOf: modesOf(signers[signerName]),
      propagationSeconds: 0,
    })
    opened.use(world)
    worlds.set(signerName, { ...world, metrics })
  }
})

after(() => opened.disposeAsync())

async function create(path: string, body: object): Promise<{ metadata: { uid: string } }> {
  const answer = await admin({ method: 'POST', path, body })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body
}

const annotations = { 'countersign.dev/tenant': 'green' }

/** A pod, and the request that its kubelet would make. */
async function ask(namespace: Namespace, signerName: SignerName, name: string): Promise<void> {
  const pod = await create(`/api/v1/namespaces/${namespace}/pods`, {
    metadata: { name },
    spec: specOfAskingPod(node, { signerName, userAnnotations: annotations }),
  })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await create(requestsOf(namespace), {
    metadata: { name },
    spec: {
      signerName,
      podName: name,
      podUID: pod.metadata.uid,
      serviceAccountName: 'worker',
      serviceAccountUID: accountUids.get(namespace),
      nodeName: node,
      nodeUID: nodeUid,
      maxExpirationSeconds: 3600,
      unverifiedUserAnnotations: annotations,
      stubPKCS10Request: encodeCertificateRequest({ privateKey }).toString('base64'),
    },
  })
}

function requestsOf(namespace: string): string {
  return `/apis/certificates.k8s.io/v1/namespaces/${namespace}/podcertificaterequests`
}

async function conditionOf(
  namespace: string,
  name: string,
): Promise<{ readonly type: string; readonly reason: string } | undefined> {
  const { body } = await admin({ path: `${requestsOf(namespace)}/${name}` })
  return body.status.conditions?.[0]
}

async function eventsOf(namespace: string, name: string): Promise<readonly string[]> {
  const { body } = await admin({ path: `/api/v1/namespaces/${namespace}/events` })
  const items: readonly { readonly reason: string; readonly involvedObject: { name: string } }[] =
    body.items
  return items
    .filter(({ involvedObject }) => involvedObject.name === name)
    .map(({ reason }) => reason)
}

for (const signerName of signerNames) {
  for (const namespace of namespaces) {
    const mode = signers[signerName][namespace]
    test(`what ${signerName} is asked from namespace ${namespace} is held to ${mode}`, async () => {
      requirement('signer.modes-by-configuration')
      requirement('signer.warn-issues-the-proved')
      const world = worlds.get(signerName)
      assert.ok(world !== undefined)
      const name = `${signerName.split('.')[0]}-${namespace}`
      await ask(namespace, signerName, name)
      const records = (): SignerWorld['ledger']['records'] => world.ledger.records
      const ofIt = (): readonly (typeof world.ledger.records)[number][] =>
        records().filter((record) => 'request' in record && record.request.name === name)
      if (mode === 'off') {
        await eventually(
          'its pod is told',
          async () => (await eventsOf(namespace, name)).length > 0,
        )
        await delay(1000)
        assert.equal(await conditionOf(namespace, name), undefined)
        assert.deepEqual(ofIt(), [])
        return
      }
      await eventually('an answer', async () => (await conditionOf(namespace, name)) !== undefined)
      const condition = await conditionOf(namespace, name)
      const [record] = ofIt()
      const page = await world.metrics.page()
      if (mode === 'enforce') {
        assert.deepEqual([condition?.type, condition?.reason], ['Denied', 'TenantNotProved'])
        assert.equal(record?.kind, 'issuance-refusal')
        assert.match(page, /signer_verdicts_total\{verdict="deny",reason="TenantNotProved"\} 1/)
        return
      }
      assert.equal(condition?.type, 'Issued')
      assert.ok(record?.kind === 'issuance-intent')
      assert.equal(record.tenant, 'blue', 'what is proved, and not what was asked')
      assert.equal(record.wouldDeny?.reason, 'TenantNotProved')
      await eventually('an Event', async () =>
        (await eventsOf(namespace, name)).includes('CertificateWouldBeDenied'),
      )
      assert.match(page, /countersign_signer_would_deny_total\{reason="TenantNotProved"\} 1/)
    })
  }
}
