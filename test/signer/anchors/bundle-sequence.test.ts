import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  countAnchors,
  nextSequence,
  whileSeen,
} from '../../../src/signer/anchors/bundle-sequence.ts'
import { requirement } from '../../requirements.ts'
import { newAuthority } from '../signer-world.ts'
import { World, bundleName } from './trust-bundle-world.ts'

test('a number rises with each content, is no lower than the clock, and belongs to its content alone', () => {
  const now = Date.parse('2026-11-30T12:00:00Z')
  const first = nextSequence('one', { before: undefined, now })
  const seen = { trustBundle: 'one', annotation: first, seenAt: 5 }
  assert.equal(countAnchors([], seen)?.sequence, BigInt(now / 1000))
  assert.equal(countAnchors([], { ...seen, trustBundle: 'two' }), undefined)
  const second = nextSequence('two', { before: first, now })
  assert.equal(
    countAnchors([], { ...seen, trustBundle: 'two', annotation: second })?.sequence,
    BigInt(now / 1000) + 1n,
  )
  // The clock was set back, or somebody raised it by hand.
  const third = nextSequence('three', { before: second, now: now - 86_400_000 })
  assert.match(third, new RegExp(`^${now / 1000 + 2} `))
  for (const annotation of [undefined, '', '7', `-1 ${'0'.repeat(64)}`, `${first} more`]) {
    assert.equal(countAnchors([], { ...seen, annotation }), undefined)
  }
})

test('what was seen more than five minutes ago is not known any more', () => {
  const counted = { anchors: [], sequence: 1n, seenAt: 1000 }
  assert.equal(whileSeen(counted, 301_000), counted)
  assert.equal(whileSeen(counted, 301_001), undefined)
})

test('the number rises with every change, and all replicas, and those that start later, say the same one', async () => {
  requirement('signer.bundle-sequence')
  await using world = new World()
  const one = await world.replica('one').started()
  const first = one.publisher.counted()
  assert.ok(first !== undefined && first.sequence === world.counted)
  assert.deepEqual(
    first.anchors.map(({ sha256 }) => sha256),
    [one.authorities.authority.certificate.sha256],
  )
  await one.look()
  assert.equal(one.publisher.counted()?.sequence, first.sequence)
  await one.rotate()
  const second = one.publisher.counted()
  assert.ok(second !== undefined && second.sequence > first.sequence)
  assert.equal(second.anchors.length, 2)
  const two = await world.replica('two', one.authorities.authority).started()
  assert.equal(two.publisher.counted()?.sequence, second.sequence)
})

test('a bundle that was written by somebody who does not count gets a number, and its anchors stay', async () => {
  await using world = new World()
  const one = await world.replica('one').started()
  const before = world.counted ?? 0n
  const other = newAuthority()
  const annotations = world.cluster.get('clustertrustbundles', bundleName)?.metadata['annotations']
  const pem = other.certificate.der.toString('base64').replace(/.{64}/g, '$&\n')
  world.cluster.put('clustertrustbundles', {
    metadata: { name: bundleName, annotations },
    spec: {
      signerName: 'countersign.dev/identity',
      trustBundle: `${world.text}-----BEGIN CERTIFICATE-----\n${pem}\n-----END CERTIFICATE-----\n`,
    },
  })
  assert.equal(world.counted, undefined)
  await one.look()
  assert.ok(world.counted !== undefined && world.counted > before)
  assert.ok(world.publishes(other, one.authorities.authority))
  // Deleted, and with it its number.
  world.cluster.remove('clustertrustbundles', bundleName)
  world.passed += 10_000
  const deleted = world.counted
  assert.equal(deleted, undefined)
  const last = one.publisher.counted()?.sequence ?? 0n
  await one.look()
  assert.ok((world.counted ?? 0n) > last)
})
