import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { watchClaims } from '../../../src/gateway/caller/claim-watch.ts'
import { watchNamespaces } from '../../../src/gateway/caller/namespace-watch.ts'
import { watchPods } from '../../../src/gateway/caller/pod-watch.ts'
import type { WorkloadIdentity } from '../../../src/identity/workload-identity.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { claimObject, ownerKinds as kinds, ownerRef, sandboxObject } from '../../support/claims.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeCluster, readsOf } from '../../support/fake-cluster.ts'
import { testIdentity, type TestWorkload } from '../../support/test-authority.ts'
import { requirement } from '../../requirements.ts'

const allowed = {
  'tenants.countersign.dev/blue': 'allow',
  'tenants.countersign.dev/green': 'allow',
}

function identityOf(workload: TestWorkload = {}): WorkloadIdentity {
  const of = { namespace: 'team-a', namespaceUid: 'ns-uid', pod: 'worker-0', podUid: 'pod-uid' }
  return testIdentity({ ...of, ...workload })
}

const claimed = identityOf({ claimUid: 'claim-uid', tenant: 'blue' })
const ofPool = identityOf()

let cluster: FakeCluster
let time: number
let opened: AsyncDisposableStack
let pods: Awaited<ReturnType<typeof watchPods>>

beforeEach(() => {
  time = 0
  opened = new AsyncDisposableStack()
  cluster = new FakeCluster()
  putNamespace(allowed)
  putPod([ownerRef('Sandbox')])
  cluster.put('sandboxes', sandboxObject())
  putClaim('blue')
})

afterEach(() => opened.disposeAsync())

function putNamespace(labels: object): void {
  cluster.put('namespaces', { metadata: { name: 'team-a', uid: 'ns-uid', labels } })
}

function putPod(ownerReferences: readonly object[]): void {
  const metadata = { name: 'worker-0', namespace: 'team-a', uid: 'pod-uid', ownerReferences }
  cluster.put('pods', { metadata, spec: { nodeName: 'n' }, status: { phase: 'Running' } })
}

function putClaim(tenant: string | undefined, more: Parameters<typeof claimObject>[0] = {}): void {
  const labels = tenant === undefined ? {} : { 'countersign.dev/tenant': tenant }
  cluster.put('sandboxclaims', claimObject({ labels, ...more }))
}

/** What the gateway knows of namespaces, with claims. */
async function open(): Promise<ReturnType<typeof watchClaims>> {
  const parts = { client: cluster, log: silentLog, metrics: silentMetrics, clock: () => time }
  pods = opened.use(await watchPods({ ...parts, now: Date.now, owners: kinds }))
  const namespaces = opened.use(await watchNamespaces(parts))
  const { ownedOf } = pods
  const claims = opened.use(
    watchClaims({ ...parts, kinds, ownedOf, namespaces, staleSecondsMax: 120 }),
  )
  await eventually('the owners', () => claims.conditions().every(({ ok }) => ok))
  return claims
}

const reads = (): number => cluster.requests.filter(({ query }) => query === undefined).length

interface Case {
  readonly before?: () => void
  readonly set: () => void
  readonly identity?: WorkloadIdentity
  readonly drift: string | undefined
}

const moved = { owners: [{ ...ownerRef('SandboxClaim'), name: 'other', uid: 'other-uid' }] }
const pool = { owners: [ownerRef('SandboxWarmPool')] }
const nothing = (): void => {}

const cases: Readonly<Record<string, Case>> = {
  'a pod that serves the claim of its certificate': { set: nothing, drift: undefined },
  'a pod that was claimed later': {
    before: () => cluster.put('sandboxes', sandboxObject(pool)),
    set: () => cluster.put('sandboxes', sandboxObject()),
    identity: ofPool,
    drift: 'pod was claimed after its certificate was issued',
  },
  'a claim that is gone': {
    set: () => cluster.remove('sandboxclaims', 'claim-0', 'team-a'),
    drift: 'claim of the certificate is gone',
  },
  'a claim that is being deleted': {
    set: () => putClaim('blue', { deletionTimestamp: '2026-11-20T10:00:00Z' }),
    drift: 'claim of the certificate is gone',
  },
  'a claim of the same name': {
    set: () => putClaim('blue', { uid: 'again' }),
    drift: 'claim of the certificate is gone',
  },
  'a sandbox that was given to another': {
    set() {
      cluster.put('sandboxes', sandboxObject(moved))
      cluster.put('sandboxclaims', {
        metadata: { name: 'other', namespace: 'team-a', uid: 'other-uid' },
      })
    },
    drift: 'pod was given to another claim',
  },
  'a sandbox that went back to its pool': {
    set: () => cluster.put('sandboxes', sandboxObject(pool)),
    drift: 'claim of the certificate is gone',
  },
  'a pod that has no owner any more': {
    set: () => putPod([]),
    drift: 'claim of the certificate is gone',
  },
  'a claim of another tenant': {
    set: () => putClaim('green'),
    drift: 'claim is of another tenant than the certificate',
  },
  'a claim that has lost its tenant': {
    set: () => putClaim(undefined),
    drift: 'namespace is not of the tenant blue any more',
  },
  'a namespace that does not allow its tenant any more': {
    set: () => putNamespace({}),
    drift: 'namespace is not of the tenant blue any more',
  },
  'a namespace that has a tenant now': {
    set: () => putNamespace({ ...allowed, 'countersign.dev/tenant': 'green' }),
    drift: 'namespace is not of the tenant blue any more',
  },
  'a pod of a pool with the identity of its pool': {
    set: () => cluster.put('sandboxes', sandboxObject(pool)),
    identity: ofPool,
    drift: undefined,
  },
  'a pod of a pool with a certificate of a tenant': {
    set: () => {
      cluster.put('sandboxes', sandboxObject(pool))
      putNamespace({ 'countersign.dev/tenant': 'blue' })
    },
    identity: identityOf({ tenant: 'blue' }),
    drift: 'pod is of a pool and unclaimed',
  },
  'a pod of a pool with a certificate of a tool': {
    set: () => cluster.put('sandboxes', sandboxObject(pool)),
    identity: identityOf({ toolScopes: 'wiki:*' }),
    drift: 'pod is of a pool and unclaimed',
  },
  'a pod of a pool with a certificate of a model': {
    set: () => cluster.put('sandboxes', sandboxObject(pool)),
    identity: identityOf({ models: 'small' }),
    drift: 'pod is of a pool and unclaimed',
  },
  'a pod of no pool': { set: () => putPod([]), identity: ofPool, drift: undefined },
}

describe('whom pods are given to', () => {
  for (const [what, { before = nothing, set, identity = claimed, drift }] of Object.entries(
    cases,
  )) {
    test(`${what}: ${drift ?? 'as its certificate says'}`, async () => {
      requirement('gateway.claim-moves')
      set()
      const claims = await open()
      assert.equal(await claims.drift(identity), drift)
    })
    if (drift === undefined) continue
    test(`${what}, from one moment to the next: it is told`, async () => {
      requirement('gateway.claim-moves')
      before()
      const claims = await open()
      let told: string | undefined
      // Of its owner those are told who follow pods.
      for (const source of [claims, pods]) source.onChange(look)
      function look(): void {
        Promise.resolve(claims.drift(identity)).then(
          (found) => (told = found),
          () => {},
        )
      }
      set()
      await eventually('the change', () => told === drift)
    })
  }

  test('as long as the caches prove it, nobody is asked', async () => {
    const claims = await open()
    const before = reads()
    assert.equal(claims.drift(claimed), undefined)
    assert.equal(reads(), before)
  })

  test('a claim that is younger than the caches counts', async () => {
    const claims = await open()
    for (const plural of ['pods', 'sandboxes']) cluster.pause(plural)
    cluster.put('sandboxes', sandboxObject(moved))
    cluster.put('sandboxclaims', {
      metadata: { name: 'other', namespace: 'team-a', uid: 'other-uid' },
    })
    const later = identityOf({ claimUid: 'other-uid' })
    assert.equal(await claims.drift(later), undefined)
  })

  test('a pod that is younger than the caches is asked for, whatever its certificate says', async () => {
    requirement('gateway.claim-moves')
    cluster.remove('pods', 'worker-0', 'team-a')
    const claims = await open()
    cluster.pause('pods')
    putPod([ownerRef('Sandbox')])
    const drift = 'pod was claimed after its certificate was issued'
    assert.equal(await claims.drift(ofPool), drift)
    assert.equal(await claims.drift(claimed), undefined)
  })

  test('what was asked before a change is no answer after it', async () => {
    cluster.put('sandboxes', sandboxObject(pool))
    const claims = await open()
    assert.equal(await claims.drift(claimed), 'claim of the certificate is gone')
    cluster.pause('sandboxes')
    cluster.put('sandboxes', sandboxObject())
    assert.equal(await claims.drift(claimed), 'claim of the certificate is gone')
    putClaim('blue', { owners: [ownerRef('SandboxWarmPool')] })
    await eventually('another answer', async () => (await claims.drift(claimed)) === undefined, 10)
  })

  test('a pod that gets another owner is told of by whoever follows pods', async () => {
    requirement('gateway.claim-moves')
    const parts = { client: cluster, log: silentLog, metrics: silentMetrics }
    pods = opened.use(await watchPods({ ...parts, now: Date.now, owners: kinds }))
    let told = 0
    pods.onChange(() => (told += 1))
    putPod([ownerRef('Sandbox')])
    putPod([])
    await eventually('the change', () => told > 0)
    assert.equal(told, 1)
  })

  test('who makes claims without end has nobody judged as often', async () => {
    const claims = await open()
    let told = 0
    claims.onChange(() => (told += 1))
    for (let at = 0; at < 300; at += 1) {
      const metadata = { name: `other-${at}`, namespace: 'team-a', uid: `other-uid-${at}` }
      cluster.put('sandboxclaims', { metadata })
      await setImmediate()
    }
    // What was told while the caches were read puts off the first of them, too.
    await eventually('it is told', () => told > 0)
    assert.ok(told < 150, `${told}`)
  })

  test('a claim is asked for once at a time, and again when the answer is old', async () => {
    const claims = await open()
    const asked = (): number => cluster.requests.filter(readsOf('sandboxes')).length
    await Promise.all([claims.drift(ofPool), claims.drift(ofPool)])
    await claims.drift(ofPool)
    assert.equal(asked(), 1)
    time = 2000
    await claims.drift(ofPool)
    assert.equal(asked(), 2)
  })

  test('where claims are not followed, what comes of a pool is not known, and nobody else is concerned', async () => {
    requirement('gateway.claim-moves')
    const claims = await open()
    cluster.cutWatches()
    await eventually('the loss', () => {
      time += 50_000
      return claims.conditions().every(({ ok }) => !ok)
    })
    await assert.rejects(Promise.resolve(claims.drift(claimed)), /claims are not followed/)
    const other = identityOf({ pod: 'other' })
    cluster.put('pods', {
      metadata: { name: 'other', namespace: 'team-a', uid: 'pod-uid' },
      spec: {},
    })
    assert.equal(await claims.drift(other), undefined)
    assert.ok(claims.conditions().every(({ ok, optional }) => !ok && optional === true))
  })

  test('a certificate with a claim is nobody where claims are not followed', async () => {
    requirement('gateway.claim-moves')
    const parts = { client: cluster, log: silentLog, metrics: silentMetrics }
    const namespaces = opened.use(await watchNamespaces(parts))
    assert.equal(await namespaces.drift(claimed), 'claims are not followed here')
  })
})
