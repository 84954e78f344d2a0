import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Authority } from '../../src/pki/authority.ts'
import type { ClusterFault } from '../support/fake-cluster.ts'
import { createTestAuthority } from '../support/test-authority.ts'
import { newAuthority } from '../signer/signer-world.ts'
import { World, bundleWrites, trustDomain } from '../signer/anchors/trust-bundle-world.ts'

/*
 * Every request of a rotation over two replicas fails once in every way, then any order of looks, rotations, failures and time. The
 * world checks at every write and after every look: only the holder writes, only differences, no valid anchor goes, and whoever
 * signs has its anchors published.
 */

const faults: readonly ClusterFault[] = [
  { kind: 'refuse', status: 403 },
  { kind: 'refuse', status: 409 },
  { kind: 'refuse', status: 503 },
  { kind: 'drop' },
  { kind: 'lose' },
]

const places = ['cluster-trust-bundle', 'config-map'] as const
type Place = (typeof places)[number]

/** Authorities that rotations go through, made once because keys cost time. */
const authorities: readonly Authority[] = Array.from({ length: 4 }, () => newAuthority())
const [first, second, third] = authorities as [Authority, Authority, Authority]

/** No run has more requests until its first failure. */
const requestsMax = 40

/** A rotation, and the death of the replica that led it. Gives how many requests it took. */
async function rotate(place: Place, faultAt: number, fault: ClusterFault): Promise<number> {
  await using world = new World(place)
  let requests = 0
  world.cluster.fail(() => {
    requests += 1
    return requests === faultAt
  }, fault)
  const one = await world.replica('one', first).started()
  const two = await world.replica('two', first).started()
  const signed = one.active !== undefined || two.active !== undefined
  await one.rotate(second)
  await two.rotate(second)
  for (let look = 0; look < 2; look += 1) for (const replica of [one, two]) await replica.look()
  assert.equal(one.active, second)
  assert.equal(two.active, second)
  // From here on the first one is dead: it looks no more.
  await two.look()
  world.passed += 16_000
  await two.rotate(third)
  for (let look = 0; look < 2; look += 1) await two.look()
  assert.equal(world.holder, 'two')
  assert.equal(two.active, third)
  // The first one has only to be there where anybody ever signed with it.
  assert.ok(world.publishes(second, third))
  if (signed) assert.ok(world.publishes(first))
  return requests
}

const rotations = [
  ...faults.map((fault) => ['cluster-trust-bundle', fault] as const),
  // What differs is one write.
  ['config-map', { kind: 'refuse', status: 409 }],
  ['config-map', { kind: 'lose' }],
] as const
for (const [place, fault] of rotations) {
  test(`a rotation in a ${place} gets there when each request in turn meets ${JSON.stringify(fault)}`, async () => {
    let faultAt = 1
    while ((await rotate(place, faultAt, fault)) >= faultAt) faultAt += 1
    assert.ok(faultAt > 20 && faultAt < requestsMax, `want=21..${requestsMax} got=${faultAt}`)
  })
}

type Step =
  | { readonly kind: 'look'; readonly replica: number }
  | { readonly kind: 'rotate'; readonly replica: number; readonly to: number }
  | { readonly kind: 'pass'; readonly seconds: number }
  | { readonly kind: 'fail'; readonly after: number; readonly fault: ClusterFault }

const replica = fc.nat({ max: 2 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('look'), replica }) },
  fc.record({ kind: fc.constant('rotate'), replica, to: fc.nat({ max: 3 }) }),
  fc.record({ kind: fc.constant('pass'), seconds: fc.constantFrom(1, 5, 15, 16, 7200) }),
  fc.record({
    kind: fc.constant('fail'),
    after: fc.nat({ max: 4 }),
    fault: fc.constantFrom(...faults),
  }),
)

async function take(world: World, taken: Step): Promise<void> {
  if (taken.kind === 'pass') world.passed += taken.seconds * 1000
  if (taken.kind === 'look') await world.replicas[taken.replica]?.look()
  if (taken.kind === 'rotate') await world.replicas[taken.replica]?.rotate(authorities[taken.to])
  if (taken.kind !== 'fail') return
  let left = taken.after
  world.cluster.fail(() => left-- === 0, taken.fault)
}

test('no order of looks, rotations, failures and time breaks what must hold', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...places),
      fc.boolean(),
      fc.array(step, { maxLength: 25 }),
      async (place, copies, steps) => {
        await using world = new World(place, { copies })
        const shortLived = createTestAuthority({ trustDomain, lifetimeSeconds: 7200 }).authority
        for (const authority of [shortLived, first, second]) {
          await world.replica(`r${world.replicas.length}`, authority).started()
        }
        for (const taken of steps) await take(world, taken)
        // Whatever happened: one that looks alone for long enough gets its anchors published.
        const [, survivor] = world.replicas
        for (let look = 0; look < 12; look += 1) {
          await survivor?.look()
          world.passed += 5000
        }
        assert.equal(survivor?.active, survivor?.authorities.authority)
        const writes = world.cluster.requests.filter(bundleWrites).length
        assert.ok(writes <= 1 + 2 * steps.length + 2, `writes: got=${writes}`)
      },
    ),
    { numRuns: 100 },
  )
})
