import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import type { WorkloadIdentity } from '../../../src/identity/workload-identity.ts'
import { certificateBlocks } from '../../../src/pki/pem.ts'
import { parseX509Svid } from '../../../src/pki/x509-svid.ts'
import type { Evidence, Found, ClaimEvidence } from '../../../src/signer/verdict/evidence.ts'
import { startGatherer, type Gatherer } from '../../../src/signer/watch/gather.ts'
import { claimObject, ownerKinds, ownerRef, sandboxObject } from '../../support/claims.ts'
import { eventually } from '../../support/eventually.ts'
import { readsOf, type FakeCluster } from '../../support/fake-cluster.ts'
import { requirement } from '../../requirements.ts'
import { askedOf } from '../asked.ts'
import { populatedCluster, putRequest, startSigner } from '../signer-world.ts'

const parts = { log: silentLog, metrics: silentMetrics, claimOwners: ownerKinds }
const pool = { owners: [ownerRef('SandboxWarmPool')] }
const { signal } = new AbortController()

/** A pod of a sandbox that is still the pool's, or of a claim already. */
function pooledCluster(sandbox: Parameters<typeof sandboxObject>[0] = pool): FakeCluster {
  const cluster = populatedCluster()
  cluster.put('sandboxes', sandboxObject(sandbox))
  cluster.put('sandboxclaims', claimObject({ labels: { 'countersign.dev/tenant': 'blue' } }))
  changePod(cluster, { ownerReferences: [ownerRef('Sandbox')] })
  changeNamespace(cluster, { 'tenants.countersign.dev/blue': 'allow' })
  return cluster
}

function changePod(cluster: FakeCluster, metadata: object): void {
  const pod = cluster.get('pods', 'worker-0', 'team-a')
  assert.ok(pod)
  cluster.put('pods', { ...pod, metadata: { ...pod.metadata, ...metadata } })
}

function changeNamespace(cluster: FakeCluster, labels: object): void {
  cluster.put('namespaces', { metadata: { name: 'team-a', uid: 'namespace-uid', labels } })
}

async function synced(cluster: FakeCluster): Promise<Gatherer> {
  const gatherer = startGatherer({ client: cluster, ...parts })
  await gatherer.synced
  await eventually('the owners', () => gatherer.conditions().every(({ ok }) => ok))
  return gatherer
}

const look = (gatherer: Gatherer, live = false): Promise<Evidence> =>
  gatherer.gather(askedOf(), { live, signal })

function told(claim: Found<ClaimEvidence> | undefined): string {
  if (claim?.state !== 'found') return claim?.state ?? 'nothing'
  return claim.object.state === 'claimed'
    ? `${claim.object.name} ${claim.object.tenant}`
    : claim.object.state
}

const ownerReads = ({ requests }: FakeCluster): number =>
  ownerKinds.filter(({ resource }) => requests.some(readsOf(resource))).length

test('a claim that the caches have is not asked for, and what they lack is', async () => {
  const cluster = pooledCluster({})
  await using gatherer = await synced(cluster)
  assert.equal(told((await look(gatherer)).claim), 'claim-0 blue')
  assert.equal(ownerReads(cluster), 0)
  cluster.pause('sandboxes')
  cluster.put('sandboxes', sandboxObject(pool))
  assert.equal(told((await look(gatherer, true)).claim), 'unclaimed')
})

test('a claim that is younger than the cache is found all the same', async () => {
  const cluster = pooledCluster()
  await using gatherer = await synced(cluster)
  cluster.pause('sandboxes')
  cluster.put('sandboxes', sandboxObject({}))
  assert.equal(told((await look(gatherer)).claim), 'claim-0 blue')
})

test('a claim that somebody has labelled to no end is read as any', async () => {
  const cluster = pooledCluster({})
  const more = Array.from({ length: 2000 }, (_, at) => [`x.countersign.dev/${at}`, 'v'.repeat(63)])
  const labels = { ...Object.fromEntries(more), 'countersign.dev/tenant': 'blue' }
  cluster.put('sandboxclaims', claimObject({ labels }))
  await using gatherer = await synced(cluster)
  assert.equal(told((await look(gatherer)).claim), 'claim-0 blue')
  assert.equal(ownerReads(cluster), 0)
})

test('whoever waits is looked at once for all claims of a list', async () => {
  const cluster = pooledCluster({})
  for (let at = 0; at < 300; at += 1) {
    const metadata = { name: `other-${at}`, namespace: 'team-a', uid: `other-uid-${at}` }
    cluster.put('sandboxclaims', { metadata })
  }
  await using gatherer = startGatherer({ client: cluster, ...parts })
  const concerned: boolean[] = []
  gatherer.onClaim((concerns) => concerned.push(concerns('pod-uid'), concerns('another-uid')))
  await eventually('the look', () => concerned.includes(true))
  assert.ok(concerned.length < 20, `${concerned.length}`)
  assert.ok(concerned.every((is, at) => at % 2 === 0 || !is))
})

test('where the owners cannot be read nothing is known of a claim', async () => {
  const cluster = pooledCluster()
  await using gatherer = await synced(cluster)
  cluster.fail(readsOf('sandboxes'), { kind: 'refuse', status: 500 })
  assert.equal(told((await look(gatherer, true)).claim), 'unknown')
})

test('a cluster without the kinds keeps nobody else waiting', async () => {
  const cluster = populatedCluster()
  const lists = ({ path }: { readonly path: string }): boolean => path.endsWith('/sandboxes')
  cluster.fail(lists, { kind: 'refuse', status: 404 }, 1000)
  await using gatherer = startGatherer({ client: cluster, ...parts })
  await gatherer.synced
  assert.equal(told((await look(gatherer)).claim), 'none')
})

test('a claim that moves between evidence and signature is told', async () => {
  requirement('signer.claim-proved')
  const cluster = pooledCluster({})
  await using gatherer = await synced(cluster)
  const evidence = await look(gatherer)
  assert.equal(gatherer.changed({ evidence, dnsNames: [] }), undefined)
  cluster.put('sandboxes', sandboxObject({ owners: [{ ...ownerRef('SandboxClaim'), uid: 'u2' }] }))
  await eventually('the change', () => gatherer.changed({ evidence, dnsNames: [] }) !== undefined)
  assert.equal(
    gatherer.changed({ evidence, dnsNames: [] }),
    'the claim of the pod has changed since it was read',
  )
})

test('a copy of claims that nobody keeps proves nothing', async () => {
  requirement('signer.claim-proved')
  const cluster = pooledCluster({})
  let time = 0
  await using gatherer = startGatherer({ client: cluster, ...parts, clock: () => time })
  await eventually('the owners', () => gatherer.conditions().every(({ ok }) => ok))
  const cached = await look(gatherer)
  cluster.cutWatches()
  cluster.put('sandboxes', sandboxObject(pool))
  await eventually('the loss', () => {
    time += 20_000
    return gatherer.conditions().every(({ ok }) => !ok)
  })
  assert.equal(told((await look(gatherer)).claim), 'unclaimed')
  const evidence = { ...(await look(gatherer, true)), claim: cached.claim ?? { state: 'absent' } }
  assert.equal(
    gatherer.changed({ evidence, dnsNames: [] }),
    'the watch behind the claim was lost since it was read',
  )
})

test('a pod that waits has its certificate when it is claimed, and not before', async () => {
  requirement('signer.unclaimed-serves-nobody')
  const cluster = pooledCluster()
  putRequest(cluster)
  await using world = await startSigner(cluster, {
    claims: { owners: ownerKinds, unclaimed: 'wait' },
  })
  await eventually('the look at the pool', () => ownerReads(cluster) > 0)
  await eventually('readiness', () => world.signer.ready)
  assert.equal(world.statusOf(), undefined)
  assert.deepEqual(world.ledger.records.length, 0)
  // It would be looked at again after five minutes: it is the watch that tells.
  cluster.put('sandboxes', sandboxObject({}))
  const status = await world.terminal()
  assert.equal(status.conditions[0].type, 'Issued')
  const { claim, tenant } = identityOf(status.certificateChain ?? '')
  assert.deepEqual(claim, { name: 'claim-0', uid: 'claim-uid' })
  assert.equal(tenant, 'blue')
})

test('a pod that gets its sandbox later has its certificate then', async () => {
  const cluster = pooledCluster({})
  changePod(cluster, { ownerReferences: [ownerRef('SandboxWarmPool')] })
  putRequest(cluster)
  await using world = await startSigner(cluster, {
    claims: { owners: ownerKinds, unclaimed: 'wait' },
  })
  await eventually('readiness', () => world.signer.ready)
  changePod(cluster, { ownerReferences: [ownerRef('Sandbox')] })
  assert.equal((await world.terminal()).conditions[0].type, 'Issued')
})

function identityOf(chain: string): WorkloadIdentity {
  const [leaf] = certificateBlocks(chain)
  assert.ok(leaf)
  const { identity } = parseX509Svid(leaf)
  assert.ok(identity)
  return identity
}
