import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiRequest } from '../../../src/kubernetes/api-client.ts'
import { anchorsKey } from '../../../src/signer/anchors/anchor-place.ts'
import { asksForAnnotation } from '../../../src/signer/anchors/anchor-copies.ts'
import { requirement } from '../../requirements.ts'
import type { ClusterFault } from '../../support/fake-cluster.ts'
import { newAuthority } from '../signer-world.ts'
import {
  World,
  configMap,
  lease,
  leaseRequests,
  textOf,
  trustDomain,
} from './trust-bundle-world.ts'

const places = ['cluster-trust-bundle', 'config-map'] as const

function ask(
  world: World,
  namespace: string,
  trustDomainOf: string = trustDomain,
  text?: string,
): void {
  const annotations = { [asksForAnnotation]: trustDomainOf }
  const data = text === undefined ? {} : { data: { [anchorsKey]: text, more: 'x' } }
  world.cluster.put('configmaps', {
    metadata: { name: configMap, namespace, annotations },
    ...data,
  })
}

function textIn(world: World, namespace: string): string {
  return textOf(world.cluster.get('configmaps', configMap, namespace))
}

/** Picks writes of what a namespace asks for. */
const copyWrites =
  (namespace: string) =>
  ({ method, path }: ApiRequest): boolean =>
    method === 'PATCH' && path.includes(`/namespaces/${namespace}/configmaps/`)

function written(world: World, namespace: string): number {
  return world.cluster.requests.filter(copyWrites(namespace)).length
}

for (const place of places) {
  test(`the namespaces that ask have the anchors, and are written on difference alone: ${place}`, async () => {
    requirement('signer.anchors-copied-to-who-asks')
    await using world = new World(place, { copies: true })
    ask(world, 'team-a')
    ask(world, 'team-b', trustDomain, 'somebody wrote this')
    ask(world, 'team-c', 'other.example', 'of others')
    world.cluster.put('configmaps', {
      metadata: { name: configMap, namespace: 'team-d' },
      data: { [anchorsKey]: 'never asked' },
    })
    const one = await world.replica('one').started()
    const two = await world.replica('two', one.authorities.authority).started()
    for (const namespace of ['team-a', 'team-b']) assert.equal(textIn(world, namespace), world.text)
    assert.deepEqual(world.cluster.get('configmaps', configMap, 'team-b')?.['data'], {
      [anchorsKey]: world.text,
      more: 'x',
    })
    assert.equal(textIn(world, 'team-c'), 'of others')
    assert.equal(textIn(world, 'team-d'), 'never asked')
    world.passed += 16_000
    for (const replica of [one, two]) await replica.look()
    assert.equal(written(world, 'team-a'), 1)
    // The one in which anchors are published has its number with them, in one write.
    assert.equal(written(world, lease.namespace), place === 'config-map' ? 1 : 0)
    ask(world, 'team-e')
    world.passed += 16_000
    await one.look()
    assert.equal(textIn(world, 'team-e'), world.text)
  })

  test(`what stands in the ConfigMap of a namespace is published nowhere else: ${place}`, async () => {
    requirement('signer.anchors-copied-to-who-asks')
    await using world = new World(place, { copies: true })
    const theirs = newAuthority()
    await using elsewhere = new World()
    await elsewhere.replica('theirs', theirs).started()
    ask(world, 'team-a', trustDomain, elsewhere.text)
    const one = await world.replica('one').started()
    assert.equal(world.publishes(theirs), false)
    assert.equal(textIn(world, 'team-a'), world.text)
    assert.equal(one.active, one.authorities.authority)
  })

  test(`whoever reads a copy has an anchor before it counts as published: ${place}`, async () => {
    requirement('signer.anchors-copied-to-who-asks')
    await using world = new World(place, { copies: true })
    ask(world, 'team-a')
    const [first, second] = [newAuthority(), newAuthority()]
    const one = await world.replica('one', first).started()
    for (const fault of [{ kind: 'drop' }, { kind: 'refuse', status: 429 }] as const) {
      world.cluster.fail(copyWrites('team-a'), fault)
      await (one.authorities.authority === first ? one.rotate(second) : one.look())
      assert.equal(world.publishes(second), false)
      assert.equal(one.active, first)
      assert.match(
        one.publisher.condition().reason,
        /1 of 1 ConfigMaps .* may not have the anchors yet: team-a/,
      )
    }
    await one.look()
    assert.ok(world.publishes(first, second))
    assert.equal(textIn(world, 'team-a'), world.text)
    assert.equal(one.active, second)
  })
}

const own: readonly (readonly [string, ClusterFault, number])[] = [
  ['that takes no change', { kind: 'refuse', status: 422, reason: 'Invalid' }, 1],
  ['that somebody changes all the time', { kind: 'refuse', status: 409 }, 3],
  ['that fails by itself', { kind: 'refuse', status: 500 }, 3],
]
for (const [title, fault, rounds] of own) {
  test(`a ConfigMap ${title} keeps nobody else waiting, and is named`, async () => {
    requirement('signer.anchors-copied-to-who-asks')
    await using world = new World('cluster-trust-bundle', { copies: true })
    ask(world, 'team-a')
    ask(world, 'team-b')
    const [first, second] = [newAuthority(), newAuthority()]
    const one = await world.replica('one', first).started()
    world.cluster.fail(copyWrites('team-a'), fault, 100)
    for (let round = 1; round < rounds; round += 1) {
      await (round === 1 ? one.rotate(second) : one.look())
      assert.equal(one.active, first)
    }
    await (rounds === 1 ? one.rotate(second) : one.look())
    assert.equal(one.active, second)
    assert.equal(textIn(world, 'team-b'), world.text)
    assert.match(
      one.publisher.condition().reason,
      /is published; 1 of 2 ConfigMaps countersign-trust-bundle that ask do not have the anchors: team-a: /,
    )
    assert.equal(one.publisher.condition().optional, true)
  })
}

test('a replica that has lost the Lease writes no copy, and the one that holds it does', async () => {
  requirement('signer.anchors-copied-to-who-asks')
  await using world = new World('config-map', { copies: true })
  const authority = newAuthority()
  const one = await world.replica('one', authority).started()
  world.passed += 16_000
  world.cluster.fail(leaseRequests, { kind: 'drop' }, 1)
  const two = world.replica('two', authority)
  await two.started()
  while (world.holder !== 'two') {
    world.passed += 16_000
    await two.look()
  }
  const before = world.cluster.requests.length
  ask(world, 'team-a')
  await one.look()
  const asked = world.cluster.requests.slice(before)
  assert.ok(asked.some(leaseRequests) && !asked.some(({ path }) => path === '/api/v1/configmaps'))
  assert.equal(textIn(world, 'team-a'), '')
  world.passed += 16_000
  await two.look()
  assert.equal(textIn(world, 'team-a'), world.text)
  assert.notEqual(world.text, '')
  assert.equal(lease.namespace, 'countersign-system')
})
