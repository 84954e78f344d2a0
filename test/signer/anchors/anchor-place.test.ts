import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { startAnchorPublication } from '../../../src/signer/anchors/anchor-publication.ts'
import type { AnchorPublication } from '../../../src/signer/anchors/anchor-publication.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeCluster, readsOf } from '../../support/fake-cluster.ts'
import { signerName } from '../asked.ts'
import { newAuthority, populatedCluster, putRequest, startSigner } from '../signer-world.ts'
import {
  Rotating,
  World,
  bundleName,
  bundleWrites,
  configMap,
  lease,
  textOf,
  trustDomain,
} from './trust-bundle-world.ts'

const places = ['cluster-trust-bundle', 'config-map'] as const

for (const place of places) {
  test(`of two replicas one writes, on difference, and readers have time: ${place}`, async () => {
    requirement('signer.anchors-before-signatures')
    await using world = new World(place)
    world.propagationSeconds = 300
    const [first, second] = [newAuthority(), newAuthority()]
    const one = await world.replica('one', first).started()
    const two = await world.replica('two', first).started()
    assert.deepEqual([one.active, two.active], [first, first])
    await one.rotate(second)
    await two.rotate(second)
    assert.ok(world.publishes(first, second))
    assert.deepEqual([one.active, two.active, one.writes + two.writes], [first, first, 2])
    world.passed += 301_000
    for (const replica of [one, two]) await replica.look()
    assert.deepEqual([one.active, two.active], [second, second])
    assert.equal(one.publisher.counted()?.sequence, world.counted)
  })
}

test('a ConfigMap that somebody has emptied is filled again, and its anchors count as new', async () => {
  requirement('signer.new-ca-waits-for-readers')
  await using world = new World('config-map')
  world.propagationSeconds = 300
  const authority = newAuthority()
  const one = await world.replica('one', authority).started()
  const { metadata } = world.bundle ?? assert.fail()
  world.cluster.put('configmaps', { metadata })
  await one.look()
  assert.ok(world.publishes(authority))
  assert.equal(one.active, authority, 'who signs goes on')
  const two = await world.replica('two', authority).started()
  assert.equal(two.active, undefined)
  assert.match(two.publisher.condition().reason, /readers have 300 s more/)
})

test('a ConfigMap that is not there is said with how to make it, and nothing signs', async () => {
  await using world = new World('config-map')
  world.cluster.remove('configmaps', configMap, lease.namespace)
  const one = await world.replica('one').started()
  assert.equal(one.active, undefined)
  assert.match(
    one.publisher.condition().reason,
    /ConfigMap countersign-system\/countersign-trust-bundle: not found/,
  )
  world.text = ''
  await one.look()
  assert.equal(one.active, one.authorities.authority)
})

interface Published extends AsyncDisposable {
  readonly publication: AnchorPublication
  /** Lets whatever waits go on. */
  readonly goOn: () => void
}

function publish(cluster: FakeCluster, authorities: Rotating): Published {
  let waits: (() => void)[] = []
  const publication = startAnchorPublication({
    client: cluster,
    signerName,
    trustDomain,
    authorities,
    configMap,
    lease: { ...lease, holder: 'signer-0' },
    log: silentLog,
    now: Date.now,
    random: () => 0,
    delay: (_milliseconds, signal) =>
      new Promise((resolve) => {
        waits.push(resolve)
        signal?.addEventListener('abort', () => resolve(), { once: true })
      }),
  })
  return {
    publication,
    goOn() {
      const now = waits
      waits = []
      for (const each of now) each()
    },
    [Symbol.asyncDispose]: () => publication[Symbol.asyncDispose](),
  }
}

function withoutBundles(): FakeCluster {
  const cluster = new FakeCluster()
  cluster.served.set('certificates.k8s.io/v1', ['podcertificaterequests'])
  cluster.put('configmaps', { metadata: { name: configMap, namespace: lease.namespace } })
  return cluster
}

function signs({ publication }: Published, { authority }: Rotating): boolean {
  try {
    return publication.authorities.current() === authority
  } catch {
    return false
  }
}

test('where no ClusterTrustBundle is served nothing signs before the ConfigMap has its anchors, and what is published is known', async () => {
  requirement('signer.anchors-before-signatures')
  const cluster = withoutBundles()
  const authorities = new Rotating()
  cluster.fail(bundleWrites, { kind: 'refuse', status: 503 })
  await using published = publish(cluster, authorities)
  await eventually('a failure', () => cluster.requests.some(bundleWrites))
  assert.equal(signs(published, authorities), false)
  await eventually('its anchors', () => {
    published.goOn()
    return signs(published, authorities)
  })
  assert.equal(cluster.list('clustertrustbundles').length, 0)
  const { publication } = published
  assert.equal(publication.counted()?.anchors[0]?.sha256, authorities.authority.certificate.sha256)
  assert.equal(publication.held()?.bundle, `ConfigMap ${lease.namespace}/${configMap}`)
})

test('a ClusterTrustBundle that is served later begins with what the ConfigMap has, and readers lose nothing', async () => {
  requirement('signer.new-ca-waits-for-readers')
  const cluster = withoutBundles()
  const [first, second] = [newAuthority(), newAuthority()]
  const authorities = new Rotating(first)
  await using published = publish(cluster, authorities)
  await eventually('the first', () => signs(published, authorities))
  authorities.rotate(second)
  const own = (): string => textOf(cluster.get('configmaps', configMap, lease.namespace))
  await eventually('both anchors', () => own().split('BEGIN').length === 3)
  cluster.served.set('certificates.k8s.io/v1', ['podcertificaterequests', 'clustertrustbundles'])
  const bundle = (): string => textOf(cluster.get('clustertrustbundles', bundleName))
  await eventually('the bundle', () => {
    published.goOn()
    return bundle() !== ''
  })
  assert.equal(bundle(), own())
  // The second one was added just now, wherever that was.
  assert.equal(published.publication.authorities.current(), first)
})

test('anchors that cannot be read are nobody’s: nothing is published without them', async () => {
  const cluster = withoutBundles()
  cluster.fail(readsOf('configmaps'), { kind: 'refuse', status: 403 }, 2)
  const authorities = new Rotating()
  await using published = publish(cluster, authorities)
  await eventually('a refusal', () => /status 403/.test(published.publication.condition().reason))
  assert.equal(signs(published, authorities), false)
})

test('a signer in a cluster without ClusterTrustBundles issues below what its ConfigMap has, and its bundle endpoint has something to serve', async () => {
  requirement('signer.anchors-before-signatures')
  const cluster = populatedCluster()
  cluster.served.set('certificates.k8s.io/v1', ['podcertificaterequests'])
  cluster.put('configmaps', { metadata: { name: configMap, namespace: lease.namespace } })
  await using world = await startSigner(cluster, { trustBundleConfigMap: configMap })
  await eventually('ready', () => world.signer.ready)
  const said = world.signer.conditions().find(({ name }) => name === 'trust-bundle')
  assert.equal(said?.reason, `ConfigMap ${lease.namespace}/${configMap} is published`)
  putRequest(cluster)
  assert.equal((await world.terminal()).conditions[0].type, 'Issued')
  assert.equal(world.signer.published()?.anchors.length, 1)
})
