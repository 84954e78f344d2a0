import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Authority } from '../../../src/pki/authority.ts'
import { requirement } from '../../requirements.ts'
import { askedOf } from '../asked.ts'
import { createWorldAuthority, faults, World } from './issuance-world.ts'
import type { Fault } from './issuance-world.ts'
import { evidenceOf } from '../workload.ts'

/*
 * Every call of a life fails once in every way, then combinations of failures. The invariants are checked by the world after each
 * effect: no signature without an intent, no Denied without its record, no result that the API server contradicts.
 */

interface Scenario {
  readonly title: string
  readonly ends: 'Issued' | 'Denied'
  readonly create: () => World
}

const scenarios: readonly Scenario[] = [
  { title: 'a request that is issued', ends: 'Issued', create: () => new World(askedOf()) },
  {
    title: 'a request that is denied',
    ends: 'Denied',
    create: () => {
      const world = new World(askedOf())
      world.cached = evidenceOf({ live: false, pod: { nodeName: 'node2' } })
      world.live = evidenceOf({ pod: { nodeName: 'node2' } })
      return world
    },
  },
  {
    title: 'a request that only the cache knows something against',
    ends: 'Issued',
    create: () => {
      const world = new World(askedOf())
      world.cached = evidenceOf({ live: false, pod: { nodeName: 'node2' } })
      return world
    },
  },
]

/** No life has more calls until its first failure. */
const callsMax = 10

async function live(scenario: Scenario, faultAt: ReadonlyMap<number, Fault>): Promise<World> {
  const world = scenario.create()
  world.faultAt = faultAt
  await world.run()
  await world.settle()
  world.checkSettled()
  assert.equal(world.status?.conditions[0].type, scenario.ends, world.trace.join(' '))
  return world
}

for (const scenario of scenarios) {
  for (const fault of faults) {
    test(`${scenario.title} gets there when each call in turn meets ${fault}`, async () => {
      requirement('signer.no-record-no-signature')
      requirement('signer.denied-only-proven')
      for (let call = 0; call < callsMax; call += 1) {
        const world = await live(scenario, new Map([[call, fault]]))
        assert.ok(call >= world.calls || world.trace.some((step) => step.endsWith(`!${fault}`)))
      }
    })
  }

  test(`${scenario.title} gets there through any combination of failures`, async () => {
    requirement('signer.terminal-is-final')
    const plan = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.constantFrom(...faults)), {
      maxLength: 12,
    })
    await fc.assert(
      fc.asyncProperty(plan, async (entries) => {
        await live(scenario, new Map(entries))
      }),
      { numRuns: 300 },
    )
  })
}

const successor = createWorldAuthority()
const minute = 60_000

/** What becomes of the CA, and the one that is in force until its successor is. */
const authorityChanges: Readonly<Record<string, (before: Authority, now: number) => Authority>> = {
  'its CA replaced': () => createWorldAuthority(),
  'its CA ended': (before, now) => {
    const notAfter = new Date(now - 1000)
    return { ...before, notAfter, certificate: { ...before.certificate, notAfter } }
  },
  // The end of an authority is that of whatever ends first on its path, though its own certificate has not.
  'the root above its CA ended': (before, now) => ({ ...before, notAfter: new Date(now - 1) }),
  'its CA about to end': (before, now) => ({ ...before, notAfter: new Date(now + 59 * minute) }),
}

for (const [what, change] of Object.entries(authorityChanges)) {
  test(`a request gets there when any of its calls finds ${what}, and by no CA but the one in force`, async () => {
    requirement('signer.no-record-no-signature')
    requirement('pki.leaf-within-issuer')
    for (let call = 0; call < callsMax; call += 1) {
      for (const fault of [undefined, ...faults]) {
        const world = new World(askedOf())
        if (fault !== undefined) world.faultAt = new Map([[call + 1, fault]])
        let renewedAt = Infinity
        world.atCall = (now) => {
          if (now === call) {
            world.authority = change(world.authority, world.now)
            renewedAt = world.now + 20_000
          }
          if (world.now >= renewedAt) world.authority = successor
        }
        await world.run()
        await world.settle()
        world.checkSettled()
        const said = `${call} ${fault}: ${world.trace.join(' ')}`
        assert.equal(world.status?.conditions[0].type, 'Issued', said)
        const leaf = new X509Certificate(world.status.certificateChain ?? '')
        const { signedBy } = world
        assert.ok(signedBy && leaf.verify(signedBy.certificate.publicKey), said)
        assert.ok(leaf.validToDate.getTime() <= signedBy.notAfter.getTime(), said)
      }
    }
  })
}

test('a request that vanishes at any moment leaves no intent without a result', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 8 }),
      fc.constantFrom<Fault>('fail', 'fail-but-persist', 'crash-after', 'crash-before'),
      fc.integer({ min: 0, max: 8 }),
      async (steps, fault, call) => {
        const world = new World(askedOf())
        world.faultAt = new Map([[call, fault]])
        for (let step = 0; step < steps; step += 1) await world.step()
        world.gone = true
        await world.settle()
        for (const intent of world.intents()) {
          assert.ok(world.resultsOf(intent).length > 0, world.trace.join(' '))
        }
      },
    ),
    { numRuns: 200 },
  )
})
