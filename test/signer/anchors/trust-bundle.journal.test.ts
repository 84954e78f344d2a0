import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError } from '../../../src/errors.ts'
import { requirement } from '../../requirements.ts'
import { newAuthority } from '../signer-world.ts'
import { Journaled, World, bundleName, bundleWrites, leaseRequests } from './trust-bundle-world.ts'

test('a replica that cannot read the journal puts no revoked anchor back, and signs no more once it is gone', async () => {
  requirement('signer.rotation-by-proof')
  await using world = new World()
  const [first, second] = [newAuthority(), newAuthority()]
  const one = await world.replica('one', new Journaled(first)).started()
  const stale = new Journaled(first)
  const two = await world.replica('two', stale).started()
  assert.equal(two.active, first)
  stale.fresh = false
  const informed = one.authorities as Journaled
  informed.ended = [first]
  informed.gone = [first]
  await one.rotate(second)
  assert.ok(!world.publishes(first))
  await two.look()
  assert.equal(two.active, undefined)
  assert.match(two.publisher.condition().reason ?? '', /authority was not read again/)
  for (let seconds = 0; seconds < 60; seconds += 5) {
    world.passed += 5000
    // Nor when the one that knows is gone.
    if (seconds < 30) await one.look()
    await two.look()
    assert.ok(!world.publishes(first), `after ${seconds} s`)
    assert.equal(two.active, undefined)
  }
  assert.equal(world.holder, 'one')
  stale.fresh = true
  await two.rotate(second)
  assert.equal(two.active, second)
  assert.equal(two.writes, 0)
})

test('a holder that cannot read the journal lets the lease go, and signs while its anchor is there', async () => {
  await using world = new World()
  const first = newAuthority()
  const one = await world.replica('one', new Journaled(first)).started()
  const two = await world.replica('two', new Journaled(first)).started()
  ;(one.authorities as Journaled).fresh = false
  for (let seconds = 0; seconds < 20; seconds += 5) {
    world.passed += 5000
    await one.look()
    await two.look()
    assert.equal(one.active, first)
  }
  assert.equal(world.holder, 'two')
})

test('nobody signs while the bundle lacks the anchor, and says so', async () => {
  requirement('signer.anchors-before-signatures')
  await using world = new World()
  const first = newAuthority()
  await world.replica('one', new Journaled(first)).started()
  const two = await world.replica('two', new Journaled(first)).started()
  assert.equal(two.active, first)
  world.cluster.remove('clustertrustbundles', bundleName)
  world.cluster.fail(leaseRequests, { kind: 'drop' }, 2)
  await two.look()
  assert.equal(two.active, undefined)
  assert.equal(two.publisher.condition().ok, false)
  assert.throws(() => two.publisher.authorities.current(), {
    code: 'pki/authority-unavailable',
    message: /lacks the anchor/,
  })
})

test('what follows an authority that has ended is published', async () => {
  requirement('signer.anchors-before-signatures')
  await using world = new World()
  const [first, second] = [newAuthority(), newAuthority()]
  const replicas = ['one', 'two'].map((name) => world.replica(name, new Journaled(first)))
  for (const replica of replicas) {
    await replica.started()
    replica.authorities.current = () => {
      throw new CountersignError('pki/authority-unavailable', 'authority has ended')
    }
    replica.authorities.anchors = () => second.anchors
  }
  const { holder } = world
  for (let seconds = 0; seconds < 40; seconds += 5) {
    world.passed += 5000
    for (const replica of replicas) {
      await replica.look()
      assert.equal(replica.active, undefined)
      assert.match(replica.publisher.condition().reason ?? '', /has ended/)
    }
  }
  assert.ok(world.publishes(second))
  assert.equal(world.holder, holder, 'nobody takes the lease from who publishes')
})

test('a tainted authority signs no more, also while the anchor of its successor is not published', async () => {
  requirement('signer.rotation-by-proof')
  await using world = new World()
  const first = newAuthority()
  const source = new Journaled(first)
  const one = await world.replica('one', source).started()
  assert.equal(one.active, first)
  world.cluster.fail(bundleWrites, { kind: 'refuse', status: 403 }, 1000)
  source.ended = [first]
  await one.rotate()
  assert.ok(world.publishes(first))
  assert.throws(() => one.publisher.authorities.current(), { code: 'pki/authority-unavailable' })
})

test('what signs by a journal that was not read for too long says so, and signs no more', async () => {
  requirement('signer.rotation-by-proof')
  await using world = new World()
  const source = new Journaled(newAuthority())
  const one = await world.replica('one', source).started()
  assert.equal(one.active, source.authority)
  source.fresh = false
  source.current = () => {
    throw new CountersignError('pki/authority-unavailable', 'authorities were not read for 300 s')
  }
  assert.throws(() => one.publisher.authorities.current(), { message: /not read for 300 s/ })
  await one.look()
  assert.throws(() => one.publisher.authorities.current(), { message: /not read for 300 s/ })
})
