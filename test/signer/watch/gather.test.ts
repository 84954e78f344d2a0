import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiRequest } from '../../../src/kubernetes/api-client.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import type { Evidence } from '../../../src/signer/verdict/evidence.ts'
import { startGatherer } from '../../../src/signer/watch/gather.ts'
import type { Gatherer } from '../../../src/signer/watch/gather.ts'
import { eventually } from '../../support/eventually.ts'
import type { FakeCluster } from '../../support/fake-cluster.ts'
import { readsOf } from '../../support/fake-cluster.ts'
import { requirement } from '../../requirements.ts'
import { populatedCluster, putPod } from '../signer-world.ts'
import { askedOf } from '../asked.ts'

const options = { log: silentLog, metrics: silentMetrics, now: Date.now }

async function syncedGatherer(cluster: FakeCluster): Promise<Gatherer> {
  const gatherer = startGatherer({ client: cluster, ...options })
  await gatherer.synced
  return gatherer
}

function look(gatherer: Gatherer, live = false): Promise<Evidence> {
  return gatherer.gather(askedOf(), { live, signal: new AbortController().signal })
}

const gets = ({ requests }: FakeCluster): number =>
  requests.filter(({ method, query }) => method === 'GET' && query === undefined).length

test('what the caches know is not asked for', async () => {
  const cluster = populatedCluster()
  await using gatherer = await syncedGatherer(cluster)
  const evidence = await look(gatherer)
  assert.equal(evidence.live, false)
  assert.equal(evidence.pod.state, 'found')
  assert.equal(gets(cluster), 0)
})

test('a live look asks for every object', async () => {
  const cluster = populatedCluster()
  await using gatherer = await syncedGatherer(cluster)
  const evidence = await look(gatherer, true)
  assert.equal(evidence.live, true)
  for (const plural of ['pods', 'namespaces', 'serviceaccounts', 'nodes']) {
    assert.equal(cluster.requests.filter(readsOf(plural)).length, 1, plural)
  }
  const ofServices = ({ path }: ApiRequest): boolean => path.endsWith('/namespaces/team-a/services')
  assert.equal(cluster.requests.filter(ofServices).length, 1)
})

test('facts are those that the checks read, and no others', async () => {
  const cluster = populatedCluster()
  cluster.put('namespaces', {
    metadata: {
      name: 'team-a',
      uid: 'namespace-uid',
      labels: {
        'countersign.dev/tenant': 'blue',
        'models.countersign.dev/small': 'allow',
        'example.com/owner': 'somebody',
        'countersign.dev.example.com/tenant': 'green',
      },
    },
  })
  await using gatherer = await syncedGatherer(cluster)
  const { namespace, pod } = await look(gatherer)
  assert.ok(namespace.state === 'found')
  assert.deepEqual(namespace.object.labels, {
    'countersign.dev/tenant': 'blue',
    'models.countersign.dev/small': 'allow',
  })
  assert.ok(pod.state === 'found')
  assert.deepEqual(pod.object, {
    namespace: 'team-a',
    name: 'worker-0',
    uid: 'pod-uid',
    nodeName: 'node1',
    serviceAccountName: 'worker',
    phase: 'Pending',
    terminating: false,
    mirror: false,
    labels: { app: 'worker' },
    certificates: [
      {
        volume: 'identity',
        signerName: 'countersign.dev/identity',
        keyType: 'ECDSAP256',
        maxExpirationSeconds: undefined,
        annotations: {},
        paths: ['credential-bundle.pem'],
      },
    ],
  })
})

test('terminating pods and mirror pods are seen as such', async () => {
  const cluster = populatedCluster()
  const pod = cluster.get('pods', 'worker-0', 'team-a')
  assert.ok(pod !== undefined)
  cluster.put('pods', {
    ...pod,
    metadata: {
      ...pod.metadata,
      deletionTimestamp: '2026-11-20T10:00:00Z',
      annotations: { 'kubernetes.io/config.mirror': 'x' },
    },
  })
  await using gatherer = await syncedGatherer(cluster)
  const evidence = await look(gatherer)
  assert.ok(evidence.pod.state === 'found')
  assert.equal(evidence.pod.object.terminating, true)
  assert.equal(evidence.pod.object.mirror, true)
})

test('a pod that the cache knows under another UID is asked for', async () => {
  const cluster = populatedCluster()
  await using gatherer = await syncedGatherer(cluster)
  cluster.pause('pods')
  cluster.remove('pods', 'worker-0', 'team-a')
  const evidence = await gatherer.gather(askedOf({ pod: { name: 'worker-0', uid: 'newer' } }), {
    live: false,
    signal: new AbortController().signal,
  })
  assert.deepEqual(evidence.pod, { state: 'absent' })
})

test('absent is said by the API server alone', async () => {
  requirement('signer.absence-is-asked-live')
  const cluster = populatedCluster()
  await using gatherer = await syncedGatherer(cluster)
  cluster.fail(readsOf('pods'), { kind: 'refuse', status: 404, reason: 'NotFound' })
  assert.equal((await look(gatherer, true)).pod.state, 'absent')
  cluster.fail(readsOf('pods'), { kind: 'refuse', status: 404 })
  assert.equal((await look(gatherer, true)).pod.state, 'unknown', 'a 404 of a proxy')
  cluster.fail(readsOf('pods'), { kind: 'drop' })
  assert.equal((await look(gatherer, true)).pod.state, 'unknown')
  cluster.put('pods', { metadata: { name: 'worker-0', namespace: 'team-a', uid: 'pod-uid' } })
  assert.equal((await look(gatherer, true)).pod.state, 'unknown', 'an object that cannot be read')
})

test('a watch that was lost for long is not believed', async () => {
  const cluster = populatedCluster()
  let now = Date.now()
  await using gatherer = startGatherer({ client: cluster, ...options, clock: () => now })
  await gatherer.synced
  await look(gatherer)
  assert.equal(gets(cluster), 0)
  cluster.cutWatches()
  await eventually('the loss', async () => {
    now += 11_000
    await look(gatherer)
    return gets(cluster) > 0
  })
})

test('evidence of a cache whose watch is lost meanwhile is not taken for unchanged', async () => {
  requirement('signer.evidence-holds-until-signed')
  const cluster = populatedCluster()
  let now = 0
  await using gatherer = startGatherer({ client: cluster, ...options, clock: () => now })
  await gatherer.synced
  const evidence = await look(gatherer)
  const services = {
    dnsNames: ['one'],
    evidence: { ...(await look(gatherer, true)), services: evidence.services },
  }
  assert.equal(gatherer.changed({ evidence, dnsNames: [] }), undefined)
  assert.equal(gatherer.changed(services), undefined)
  cluster.cutWatches()
  await eventually('the loss', () => {
    now += 11_000
    return [{ evidence, dnsNames: [] }, services].every(
      (each) =>
        gatherer.changed(each) === 'the watch behind the evidence was lost since it was read',
    )
  })
})

test('a role that the namespace is not seen to allow is a doubt: the label may be younger than the cache', async () => {
  requirement('signer.absence-is-asked-live')
  const cluster = populatedCluster()
  cluster.put('serviceaccounts', toolServerAccount)
  await using gatherer = await syncedGatherer(cluster)
  cluster.pause('namespaces')
  cluster.put('namespaces', namespaceOfToolServers)
  const { live, namespace } = await look(gatherer)
  assert.equal(live, false)
  assert.ok(namespace.state === 'found')
  assert.deepEqual(namespace.object.labels, namespaceOfToolServers.metadata.labels)
  assert.equal(cluster.requests.filter(readsOf('namespaces')).length, 1)
})

const toolServerAccount = {
  metadata: {
    name: 'worker',
    namespace: 'team-a',
    uid: 'account-uid',
    labels: { 'countersign.dev/role': 'tool-server' },
  },
}

const namespaceOfToolServers = {
  metadata: {
    name: 'team-a',
    uid: 'namespace-uid',
    labels: { 'roles.countersign.dev/tool-server': 'allow' },
  },
}

test('a serving pod that no cached Service selects has its Services asked for', async () => {
  const cluster = populatedCluster()
  cluster.put('serviceaccounts', toolServerAccount)
  cluster.put('namespaces', namespaceOfToolServers)
  await using gatherer = await syncedGatherer(cluster)
  cluster.pause('services')
  const put = (name: string, namespace: string, spec: object): void => {
    cluster.put('services', { metadata: { name, namespace }, spec })
  }
  put('workers', 'team-a', { selector: { app: 'worker' } })
  put('alias', 'team-a', { type: 'ExternalName', externalName: 'example.com' })
  put('workers', 'team-b', { selector: { app: 'worker' } })
  const { services } = await look(gatherer)
  const expected = [
    { name: 'alias', selector: {}, externalName: true },
    { name: 'workers', selector: { app: 'worker' }, externalName: false },
  ]
  assert.ok(services.state === 'found')
  assert.deepEqual(services.object, expected)
  cluster.resume('services')
  const lists = (): number =>
    cluster.requests.filter(({ path }) => path.endsWith('/namespaces/team-a/services')).length
  await eventually('the cache of Services', async () => {
    const before = lists()
    const { services: now } = await look(gatherer)
    assert.ok(now.state === 'found')
    assert.deepEqual(now.object, expected)
    return lists() === before
  })
})

test('a pod that waits for its first certificate is told from one that runs', async () => {
  const cluster = populatedCluster()
  await using gatherer = await syncedGatherer(cluster)
  assert.equal(gatherer.startsUp('pod-uid'), true)
  assert.equal(gatherer.startsUp('never-seen'), true)
  const known = { namespace: 'team-a', name: 'worker-0', uid: 'pod-uid' }
  assert.equal(gatherer.knows(known), true)
  assert.equal(gatherer.knows({ ...known, uid: 'never-seen' }), false)
  assert.equal(gatherer.knows({ ...known, namespace: 'team-b' }), false)
  const pod = cluster.get('pods', 'worker-0', 'team-a')
  assert.ok(pod !== undefined)
  cluster.put('pods', { ...pod, status: { phase: 'Running' } })
  await eventually('the change', () => !gatherer.startsUp('pod-uid'))
  putPod(cluster)
})

test('what a cache shows otherwise since the evidence was read is told, and a resource version alone is not', async () => {
  requirement('signer.evidence-holds-until-signed')
  const cluster = populatedCluster()
  await using gatherer = await syncedGatherer(cluster)
  const evidence = await look(gatherer)
  const changed = (): string | undefined => gatherer.changed({ evidence, dnsNames: ['one'] })
  assert.equal(changed(), undefined)
  const pod = cluster.get('pods', 'worker-0', 'team-a')
  assert.ok(pod !== undefined)
  cluster.put('pods', { ...pod, metadata: { ...pod.metadata, annotations: { other: 'x' } } })
  cluster.put('services', {
    metadata: { name: 'late', namespace: 'team-a', uid: 'service-uid' },
    spec: { selector: { app: 'worker' } },
  })
  await eventually('the Service', () => changed() !== undefined)
  assert.equal(changed(), 'Services have changed since the evidence was read')
  assert.equal(gatherer.changed({ evidence, dnsNames: [] }), undefined)
  cluster.put('namespaces', {
    metadata: { name: 'team-a', uid: 'namespace-uid', labels: { 'countersign.dev/tenant': 'red' } },
  })
  await eventually('the namespace', () => changed()?.startsWith('"team-a" has changed') === true)
  cluster.remove('pods', 'worker-0', 'team-a')
  await eventually('the pod', () => changed()?.startsWith('"worker-0" is gone') === true)
  const live = await look(gatherer, true)
  assert.equal(gatherer.changed({ evidence: live, dnsNames: ['one'] }), undefined)
})
