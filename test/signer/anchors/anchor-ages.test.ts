import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  anchorsSinceAnnotation,
  createAnchorAges,
} from '../../../src/signer/anchors/anchor-ages.ts'
import { requirement } from '../../requirements.ts'
import { newAuthority } from '../signer-world.ts'
import { World, bundleName } from './trust-bundle-world.ts'

const [before, after] = [newAuthority(), newAuthority()]
const minute = 60_000

function annotationIn(world: World): unknown {
  const annotations = world.cluster.get('clustertrustbundles', bundleName)?.metadata['annotations']
  return (annotations as Record<string, string> | undefined)?.[anchorsSinceAnnotation]
}

async function rotatingWorld(): Promise<World> {
  const world = new World()
  world.propagationSeconds = 300
  const one = await world.replica('one', before).started()
  assert.equal(one.active, before, 'nobody has other anchors, so nobody is waited for')
  assert.equal(annotationIn(world), '')
  await one.rotate(after)
  return world
}

test('a new authority signs once readers have had time to take up its anchor, and the one before signs on', async () => {
  requirement('signer.new-ca-waits-for-readers')
  await using world = await rotatingWorld()
  const [one] = world.replicas
  assert.ok(world.publishes(before, after))
  assert.equal(one?.active, before)
  assert.match(one.publisher.condition().reason, /; a new authority signs in 300 s$/)
  assert.equal(one.publisher.condition().ok, true)
  world.passed += 299_000
  await one.look()
  assert.equal(one.active, before)
  world.passed += 2000
  await one.look()
  assert.equal(one.active, after)
  assert.equal(one.writes, 2)
})

test('a replica that starts while readers are waited for waits for the rest, and says so', async () => {
  requirement('signer.new-ca-waits-for-readers')
  await using world = await rotatingWorld()
  world.passed += 4 * minute
  const two = await world.replica('two', after).started()
  assert.equal(two.active, undefined)
  const { ok, reason } = two.publisher.condition()
  assert.equal(ok, false)
  assert.match(reason, /is published, and readers have (59|60) s more to take it up$/)
  assert.throws(() => two.publisher.authorities.current(), { code: 'pki/authority-unavailable' })
  world.passed += minute
  await two.look()
  assert.equal(two.active, after)
})

test('an authority that signs is not held back when its bundle has to be made again', async () => {
  await using world = await rotatingWorld()
  const [one] = world.replicas
  assert.ok(one)
  world.passed += 5 * minute
  await one.look()
  world.cluster.remove('clustertrustbundles', bundleName)
  await one.look()
  assert.equal(one.active, after)
  const two = await world.replica('two', after).started()
  assert.equal(two.active, after)
})

const { sha256 } = after.certificate
const anchors = [after.certificate]

test('the age of an anchor is counted by a clock that does not jump', () => {
  const clocks = { wall: Date.UTC(2026, 10, 29), steady: 1000 }
  const ages = createAnchorAges({ now: () => clocks.wall, steadyNow: () => clocks.steady })
  const annotation = `${sha256}=${new Date(clocks.wall - minute).toISOString()}`
  ages.see(anchors, annotation)
  assert.equal(ages.ageOf(sha256), minute)
  clocks.wall += 600 * minute
  clocks.steady += minute
  ages.see(anchors, annotation)
  assert.equal(ages.ageOf(sha256), 2 * minute)
  clocks.wall -= 1200 * minute
  assert.equal(ages.ageOf(sha256), 2 * minute)
  assert.equal(ages.ageOf('another'), 0)
})

const wall = Date.UTC(2026, 10, 29)
const said: readonly (readonly [title: string, annotation: string | undefined, age: number])[] = [
  ['nothing is said', undefined, Infinity],
  ['the time is said', `x=y ${sha256}=2026-11-28T23:59:00.000Z`, minute],
  ['the time is still to come', `${sha256}=2026-11-30T00:00:00.000Z`, 0],
  ['the time is none', `${sha256}=2026-13-30T00:00:00.000Z`, Infinity],
  ['it is of another anchor', `${'0'.repeat(64)}=2026-11-28T23:59:00.000Z`, Infinity],
  ['it is said too late', `${' '.repeat(33_000)}${sha256}=2026-11-28T23:59:00.000Z`, Infinity],
]
for (const [title, annotation, age] of said) {
  test(`of an anchor in a bundle where ${title} the age is ${age} ms`, () => {
    const ages = createAnchorAges({ now: () => wall, steadyNow: () => 0 })
    ages.see(anchors, annotation)
    assert.equal(ages.ageOf(sha256), age)
  })
}

test('a bundle says for two days when an anchor was added', () => {
  const clocks = { wall }
  const ages = createAnchorAges({ now: () => clocks.wall, steadyNow: () => 0 })
  const both = [before.certificate, after.certificate]
  const added = ages.annotationOf(both, [before.certificate], undefined)
  assert.equal(added, `${sha256}=2026-11-29T00:00:00.000Z`)
  clocks.wall += 86_400_000
  assert.equal(ages.annotationOf(both, both, added), added)
  clocks.wall += 86_400_000
  assert.equal(ages.annotationOf(both, both, added), '')
  // Nobody had any before; or somebody has taken them all away, and readers with them.
  assert.equal(ages.annotationOf(both, [], undefined), '')
  const now = new Date(clocks.wall).toISOString()
  const all = both.map((each) => `${each.sha256}=${now}`).join(' ')
  assert.equal(ages.annotationOf(both, [], ''), all)
})
