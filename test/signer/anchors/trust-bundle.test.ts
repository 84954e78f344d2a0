import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import type { ApiClient, ApiRequest } from '../../../src/kubernetes/api-client.ts'
import { silentLog } from '../../../src/log.ts'
import { parseAuthority } from '../../../src/pki/authority.ts'
import type { AuthoritySource } from '../../../src/pki/authority.ts'
import { formatCertificates } from '../../../src/pki/pem.ts'
import { trustBundleName } from '../../../src/kubernetes/cluster-trust-bundle.ts'
import { clusterTrustBundlePlace } from '../../../src/signer/anchors/anchor-place.ts'
import { startTrustBundlePublisher } from '../../../src/signer/anchors/trust-bundle.ts'
import type { TrustBundlePublisher } from '../../../src/signer/anchors/trust-bundle.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'
import { createTestAuthority } from '../../support/test-authority.ts'
import { newAuthority } from '../signer-world.ts'
import {
  Rotating,
  World,
  bundleName,
  bundleWrites,
  lease,
  leaseRequests,
  trustDomain,
} from './trust-bundle-world.ts'
import { signerName } from '../asked.ts'

function start(
  client: ApiClient,
  authorities: AuthoritySource,
  changed: { readonly durationSeconds?: number } = {},
  owner?: string,
): TrustBundlePublisher {
  return startTrustBundlePublisher({
    client,
    place: clusterTrustBundlePlace({
      client,
      version: 'v1',
      signerName,
      trustDomain,
      owner,
      log: silentLog,
    }),
    trustDomain,
    authorities,
    lease: { ...lease, holder: 'signer-0', ...changed },
    log: silentLog,
    now: Date.now,
    random: () => 0,
  })
}

test('the name is that of the signer with the trust domain, which may hold what names may not', () => {
  assert.equal(bundleName, 'countersign.dev:identity:example.org')
  assert.equal(
    trustBundleName('example.com/a.b', parseTrustDomain('my_domain.test')),
    'example.com:a.b:my-domain.test',
  )
})

test('no authority signs before its anchors are published', async () => {
  requirement('signer.anchors-before-signatures')
  const cluster = new FakeCluster()
  const authorities = new Rotating()
  cluster.fail(bundleWrites, { kind: 'refuse', status: 403 }, 1)
  await using publisher = start(cluster, authorities)
  assert.throws(() => publisher.authorities.current(), { code: 'pki/authority-unavailable' })
  await publisher.published
  assert.equal(publisher.authorities.current(), authorities.authority)
  assert.equal(cluster.requests.filter(bundleWrites).length, 2)
})

test('a lease that nobody holds is taken at once', async () => {
  await using world = new World()
  const one = await world.replica('one').started()
  assert.equal(world.holder, 'one')
  assert.equal(one.active, one.authorities.authority)
  assert.deepEqual(one.waits, [5000])
})

test('a new authority takes over once its anchors are published, and is announced', async () => {
  await using world = new World()
  const one = await world.replica('one').started()
  const first = one.authorities.authority
  let announced = 0
  const stop = one.publisher.authorities.onChange(() => {
    announced += 1
  })
  world.cluster.fail(bundleWrites, { kind: 'drop' }, 1)
  await one.rotate()
  assert.equal(one.active, first)
  assert.equal(announced, 0)
  await one.look()
  assert.equal(one.active, one.authorities.authority)
  assert.ok(world.publishes(first, one.authorities.authority))
  await one.look()
  assert.equal(announced, 1)
  stop()
})

test('of two replicas one writes, and the other signs once it sees its anchors', async () => {
  await using world = new World()
  const authority = newAuthority()
  const one = await world.replica('one', authority).started()
  const two = await world.replica('two', authority).started()
  assert.equal(two.active, authority)
  for (let look = 0; look < 3; look += 1) for (const replica of [one, two]) await replica.look()
  assert.deepEqual([one.writes, two.writes], [1, 0])
  assert.equal(world.holder, 'one')
})

test('a replica whose anchors another one has to publish waits, looks often, and signs nothing', async () => {
  await using world = new World()
  const one = await world.replica('one').started()
  const two = await world.replica('two').started()
  assert.equal(two.active, undefined)
  assert.deepEqual(two.waits, [1000])
  await one.rotate(two.authorities.authority)
  await two.look()
  assert.equal(two.active, two.authorities.authority)
  assert.deepEqual(two.waits, [1000, 5000])
  assert.deepEqual([one.writes, two.writes], [2, 0])
})

test('a holder that has another authority is relieved after a lease, and both sign from then on', async () => {
  requirement('signer.anchors-before-signatures')
  await using world = new World()
  const one = await world.replica('one').started()
  const two = await world.replica('two').started()
  world.passed += 14_000
  await one.look()
  await two.look()
  assert.equal(two.active, undefined)
  world.passed += 2000
  await one.look()
  await two.look()
  assert.equal(two.active, two.authorities.authority)
  assert.ok(world.publishes(one.authorities.authority, two.authorities.authority))
  await one.look()
  assert.equal(one.active, one.authorities.authority)
  assert.equal(world.holder, 'two')
  assert.deepEqual([one.writes, two.writes], [1, 1])
})

test('an authority of two anchors signs once both are published', async () => {
  await using world = new World()
  const [one, other] = [newAuthority(), newAuthority()]
  await world.replica('one', one).started()
  const both = { ...one, anchors: [...one.anchors, ...other.anchors] }
  const two = await world.replica('two', both).started()
  assert.equal(two.active, undefined)
  world.text += formatCertificates(other.anchors)
  await two.look()
  assert.equal(two.active, both)
})

test('by a clock that is years ahead no anchor goes, and another replica writes the bundle', async () => {
  requirement('signer.by-the-clock-of-the-cluster')
  await using world = new World()
  const [before, next] = [newAuthority(), newAuthority()]
  const replica = await world.replica('signer-0', before).started()
  await replica.rotate(next)
  assert.ok(world.publishes(before, next))
  const text = world.text
  // Every anchor has ended by it.
  const passed = 20 * 365 * 86_400_000
  world.clockProblem = 'the clock here is not that of the API server'
  world.passed += passed
  await replica.look()
  assert.equal(world.text, text)
  assert.equal(replica.publisher.held(), undefined)
  world.passed -= passed
  world.clockProblem = undefined
  await replica.look()
  assert.equal(world.text, text)
  assert.notEqual(replica.publisher.held(), undefined)
})

test('a clock that is set while the Lease is taken takes no anchor away', async () => {
  requirement('signer.by-the-clock-of-the-cluster')
  await using world = new World()
  const [before, next] = [newAuthority(), newAuthority()]
  const replica = await world.replica('signer-0', before).started()
  await replica.rotate(next)
  const { text } = world
  let isSet = false
  const set = (request: ApiRequest): boolean => {
    if (leaseRequests(request) && !isSet) {
      isSet = true
      world.clockProblem = 'the clock here is not that of the API server'
      world.passed += 20 * 365 * 86_400_000
    }
    return false
  }
  world.cluster.fail(set, { kind: 'drop' })
  await replica.look()
  assert.ok(isSet)
  assert.equal(world.text, text)
})

test('a rotation that reaches a follower first leaves it at its old authority until the holder knows', async () => {
  await using world = new World()
  const [before, after] = [newAuthority(), newAuthority()]
  const one = await world.replica('one', before).started()
  const two = await world.replica('two', before).started()
  await two.rotate(after)
  assert.equal(two.active, before)
  await one.rotate(after)
  assert.equal(one.active, after)
  await two.look()
  assert.equal(two.active, after)
  assert.ok(world.publishes(before, after))
})

test('a replica that lost the lease publishes nothing more', async () => {
  await using world = new World()
  const one = await world.replica('one').started()
  const two = await world.replica('two').started()
  world.passed += 15_000
  await two.look()
  assert.equal(world.holder, 'two')
  assert.equal(two.active, two.authorities.authority)
  const last = one.active
  await one.rotate()
  await one.look()
  assert.equal(one.writes, 1)
  assert.equal(one.active, last)
})

for (const [what, fault] of [
  ['cannot be read', { kind: 'refuse', status: 403 }],
  ['is being changed', { kind: 'refuse', status: 409 }],
  ['is out of reach', { kind: 'drop' }],
] as const) {
  test(`while the lease ${what} nothing is written, and whoever finds its anchors signs`, async () => {
    await using world = new World()
    const one = await world.replica('one').started()
    world.cluster.fail(leaseRequests, fault, 1000)
    const two = await world.replica('two', one.active).started()
    assert.equal(two.active, one.active)
    await one.rotate()
    assert.notEqual(one.active, one.authorities.authority)
    assert.deepEqual([one.writes, two.writes], [1, 0])
  })
}

test('a write that is still under way when the lease ends is given up', async () => {
  const cluster = new FakeCluster()
  const ended = Promise.withResolvers<string>()
  const request = async <T>(asked: ApiRequest): Promise<T> => {
    if (!bundleWrites(asked)) return cluster.request<T>(asked)
    const { promise, reject } = Promise.withResolvers<T>()
    const { signal } = asked
    signal?.addEventListener('abort', () => {
      ended.resolve((signal.reason as Error).name)
      reject(signal.reason as Error)
    })
    return promise
  }
  const client: ApiClient = {
    server: cluster.server,
    request,
    stream: (asked) => cluster.stream(asked),
    close: () => {},
  }
  await using publisher = start(client, new Rotating(), { durationSeconds: 1 })
  assert.equal(await ended.promise, 'TimeoutError')
  assert.throws(() => publisher.authorities.current(), { code: 'pki/authority-unavailable' })
})

test('a replica that ends gives the lease back, and the next one need not wait', async () => {
  await using world = new World()
  const one = await world.replica('one').started()
  const two = await world.replica('two').started()
  await one.publisher[Symbol.asyncDispose]()
  assert.equal(world.holder, undefined)
  await two.look()
  assert.equal(world.holder, 'two')
  assert.equal(two.active, two.authorities.authority)
  await one.publisher[Symbol.asyncDispose]()
  assert.equal(world.holder, 'two')
})

test('what another holder wrote in between is not written over', async () => {
  await using world = new World()
  const one = await world.replica('one').started()
  const other = newAuthority()
  // Between the look at the bundle and the write, which is when the lease is asked for.
  let meddles = true
  world.cluster.fail(
    (request) => {
      if (meddles && leaseRequests(request)) {
        meddles = false
        world.text += formatCertificates(other.anchors)
      }
      return false
    },
    { kind: 'drop' },
  )
  await one.rotate()
  assert.ok(!world.publishes(one.authorities.authority))
  await one.look()
  assert.ok(world.publishes(one.authorities.authority, other))
})

test('an anchor that has ended is dropped, and a bundle that holds no other is left alone', async () => {
  await using world = new World()
  const shortLived = createTestAuthority({ trustDomain, lifetimeSeconds: 7200 }).authority
  const one = await world.replica('one', shortLived).started()
  await one.rotate()
  assert.ok(world.publishes(shortLived, one.authorities.authority))
  world.passed += 7_200_000
  await one.look()
  assert.ok(!world.publishes(shortLived))
  assert.equal(one.active, one.authorities.authority)
  const text = world.text
  world.passed += 864_000_000
  await one.look()
  assert.equal(world.text, text)
  assert.equal(one.writes, 3)
})

test('a bundle that says it already is not written', async () => {
  const cluster = new FakeCluster()
  const authorities = new Rotating()
  {
    await using publisher = start(cluster, authorities)
    await publisher.published
  }
  assert.equal(cluster.requests.filter(bundleWrites).length, 1)
  await using second = start(cluster, authorities)
  await second.published
  await eventually('the lease', () => cluster.requests.filter(leaseRequests).length >= 5)
  assert.equal(cluster.requests.filter(bundleWrites).length, 1)
})

test('a bundle that somebody deleted or changed is restored at the next look', async () => {
  await using world = new World()
  const one = await world.replica('one').started()
  const { text } = world
  world.cluster.remove('clustertrustbundles', bundleName)
  await one.look()
  assert.equal(world.text, text)
  world.text = `# by hand\n${text}`
  await one.look()
  assert.equal(world.text, text)
})

test('an authority that is not available lets the lease go to another replica', async () => {
  await using world = new World()
  const one = await world.replica('one').started()
  const two = await world.replica('two').started()
  one.authorities.current = () =>
    parseAuthority({ certificatePem: '', privateKeyPem: '', trustDomain, now: Date.now })
  for (const seconds of [5, 5, 5]) {
    world.passed += seconds * 1000
    await one.look()
    await two.look()
  }
  assert.equal(world.holder, 'two')
})

test('a publisher that is stopped before it published says so', async () => {
  const cluster = new FakeCluster()
  cluster.fail(() => true, { kind: 'drop' }, 1000)
  const publisher = start(cluster, new Rotating())
  await publisher[Symbol.asyncDispose]()
  await assert.rejects(publisher.published, { code: 'signer/stopped' })
})

test('a bundle that is made ends with its owner, and is made all the same where that cannot be read', async () => {
  const name = 'countersign-signer.here'
  const ownersIn = async (prepare: (cluster: FakeCluster) => void): Promise<unknown> => {
    const cluster = new FakeCluster()
    prepare(cluster)
    await using publisher = start(cluster, new Rotating(), {}, name)
    await publisher.published
    return cluster.get('clustertrustbundles', bundleName)?.metadata['ownerReferences']
  }
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  assert.deepEqual(
    await ownersIn((cluster) => cluster.put('clusterroles', { metadata: { name, uid: 'u1' } })),
    [{ apiVersion, kind: 'ClusterRole', name, uid: 'u1' }],
  )
  assert.equal(await ownersIn(() => {}), undefined)
  assert.equal(
    await ownersIn((cluster) =>
      cluster.fail(({ path }) => path.includes('clusterroles'), { kind: 'refuse', status: 403 }),
    ),
    undefined,
  )
})
