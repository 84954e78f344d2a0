import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import {
  discoverClusterTrustBundleVersion,
  discoverPodCertificateVersion,
} from '../../src/kubernetes/api-discovery.ts'
import {
  clusterTrustBundles,
  publishClusterTrustBundle,
} from '../../src/kubernetes/cluster-trust-bundle.ts'
import { events, recordEvent } from '../../src/kubernetes/event.ts'
import { startInformer } from '../../src/kubernetes/informer.ts'
import { createLeaseHolder } from '../../src/kubernetes/lease.ts'
import { createObject, listObjects, mergeObject, readObject } from '../../src/kubernetes/objects.ts'
import {
  patchPodCertificateStatus,
  podCertificateRequests,
} from '../../src/kubernetes/pod-certificate-request.ts'
import { namespaces, serviceAccounts } from '../../src/kubernetes/workloads.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { eventually } from './eventually.ts'
import { createMaterial, createRequest, generateKey } from './vector-material.ts'

const namespace = 'clients'
const signerName = 'countersign.dev/clients'
const common = { log: silentLog, metrics: silentMetrics, now: Date.now }

async function checkInformer(client: ApiClient): Promise<void> {
  await using informer = startInformer({
    ...common,
    client,
    resource: serviceAccounts,
    namespace,
    fieldSelector: 'metadata.name=watched',
  })
  const seen: string[] = []
  informer.onEvent(({ type, object }) => {
    seen.push(`${type} ${object.metadata.annotations['countersign.dev/models'] ?? ''}`.trim())
  })
  await informer.synced
  const body = { metadata: { name: 'watched', namespace } }
  const account = await createObject(client, serviceAccounts, { namespace, body })
  await createObject(client, serviceAccounts, {
    namespace,
    body: { metadata: { name: 'not-watched', namespace } },
  })
  const annotations = { 'countersign.dev/models': 'small' }
  const answer = await client.request({
    method: 'PATCH',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/watched`,
    contentType: 'application/merge-patch+json',
    body: { metadata: { annotations } },
  })
  assert.deepEqual(serviceAccounts.parse(answer).metadata.annotations, annotations)
  await eventually('the change', () => seen.length === 2)
  assert.equal(informer.get('watched', namespace)?.metadata.uid, account.metadata.uid)
  assert.equal(informer.get('not-watched', namespace), undefined)
  await client.request({
    method: 'DELETE',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/watched`,
    body: { preconditions: { uid: account.metadata.uid } },
  })
  await eventually('the deletion', () => seen.length === 3)
  assert.deepEqual(seen, ['added', 'modified small', 'deleted small'])
  assert.equal(informer.staleSeconds, 0)
}

async function checkRequest(client: ApiClient): Promise<void> {
  const resource = podCertificateRequests('v1')
  await using informer = startInformer({
    ...common,
    client,
    resource,
    fieldSelector: `spec.signerName=${signerName}`,
  })
  const der = createRequest(generateKey('ECDSAP256'))
  const request = await createObject(client, resource, {
    namespace,
    body: {
      metadata: { generateName: 'req-', namespace },
      spec: {
        signerName,
        podName: 'ghost',
        podUID: 'ghost',
        serviceAccountName: 'ghost',
        serviceAccountUID: 'ghost',
        nodeName: 'ghost',
        nodeUID: 'ghost',
        stubPKCS10Request: der.toString('base64'),
      },
    },
  })
  await eventually('the request', () => informer.byUid(request.metadata.uid) !== undefined)
  const seen = informer.byUid(request.metadata.uid)
  assert.ok(seen !== undefined)
  assert.deepEqual(seen.spec.key, { kind: 'csr', der })
  assert.deepEqual(seen.status.conditions, [])
  const denied = {
    version: 'v1',
    metadata: seen.metadata,
    status: {
      conditions: [
        {
          type: 'Denied',
          status: 'True',
          reason: 'PodMismatch',
          message: 'there is no such pod',
          lastTransitionTime: new Date(Math.floor(Date.now() / 1000) * 1000).toISOString(),
        },
      ],
    },
  } as const
  await patchPodCertificateStatus(client, denied)
  await eventually('the denial', () => {
    return informer.byUid(request.metadata.uid)?.status.conditions[0]?.type === 'Denied'
  })
  await assert.rejects(patchPodCertificateStatus(client, denied), { status: 409 })
}

async function checkLease(client: ApiClient): Promise<void> {
  let now = Date.now()
  const holderOf = (holder: string): ReturnType<typeof createLeaseHolder> =>
    createLeaseHolder({
      client,
      namespace,
      name: 'leader',
      holder,
      durationSeconds: 15,
      now: () => now,
    })
  const [one, two] = [holderOf('one'), holderOf('two')]
  assert.equal(await one.tryHold(), true)
  assert.equal(await two.tryHold(), false)
  assert.equal(await one.tryHold(), true)
  assert.equal(await two.tryHold(), false)
  now += 15_000
  assert.equal(await two.tryHold(), true)
  assert.equal(await one.tryHold(), false)
  await two.release()
  assert.equal(await one.tryHold(), true)
}

async function checkTrustBundle(client: ApiClient): Promise<void> {
  assert.equal(await discoverClusterTrustBundleVersion(client), 'v1')
  const { root = '', unrelated = '' } = (await createMaterial()).blocks
  const name = 'countersign.dev:clients:example.org'
  const publish = async (trustBundle: string): Promise<string> => {
    const present = await readObject(client, clusterTrustBundles('v1'), { name })
    const bundle = { version: 'v1', name, signerName, present, trustBundle } as const
    return publishClusterTrustBundle(client, bundle)
  }
  assert.equal(await publish(root), 'created')
  assert.equal(await publish(root), 'unchanged')
  assert.equal(await publish(root + unrelated), 'changed')
  assert.equal(await publish(root + unrelated), 'unchanged')
}

async function checkEvent(client: ApiClient): Promise<void> {
  const regarding = { apiVersion: 'v1', kind: 'Pod', namespace, name: 'ghost', uid: 'ghost' }
  await recordEvent(client, {
    regarding,
    type: 'Warning',
    reason: 'CertificateDenied',
    message: 'there is no such pod',
    component: 'countersign-signer',
    now: Date.now,
  })
  const said = await listObjects(client, events, { namespace })
  assert.deepEqual(
    said.map(({ reason, message }) => [reason, message]),
    [['CertificateDenied', 'there is no such pod']],
  )
}

/** Every door of src/kubernetes, once, against a control plane. */
export async function checkClient(t: TestContext, cluster: Cluster): Promise<void> {
  const client = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  try {
    const made = await createObject(client, namespaces, { body: { metadata: { name: namespace } } })
    await t.test('a merge patch with another resource version is a conflict', async () => {
      const metadata = { ...made.metadata, resourceVersion: '1' }
      const patch = mergeObject(client, namespaces, { metadata, patch: {} })
      await assert.rejects(patch, { status: 409 })
    })
    await t.test('v1 is the version to use', async () => {
      const found = await discoverPodCertificateVersion(client)
      assert.deepEqual(found, { version: 'v1', unreadableNodes: [] })
    })
    await t.test('an informer tells what happens, and no more', () => checkInformer(client))
    await t.test('a request is seen and denied, once', () => checkRequest(client))
    await t.test('a lease has one holder', () => checkLease(client))
    await t.test('a trust bundle is written when it changes', () => checkTrustBundle(client))
    await t.test('an event is recorded', () => checkEvent(client))
  } finally {
    client.close()
  }
}
