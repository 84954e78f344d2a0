import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError } from '../../src/errors.ts'
import { requirement } from '../requirements.ts'
import { createHubCa } from '../support/hub-authority.ts'
import { intermediateWorld, noon, plural, storedRequest } from './intermediate-world.ts'

/** What becomes of one request to the API server; after a kill all that was in memory is gone. */
const faults = [
  { title: 'is lost before', fault: { kind: 'drop' }, kill: false },
  { title: 'is answered by nobody after', fault: { kind: 'lose' }, kill: false },
  { title: 'is the last before a kill', fault: { kind: 'drop' }, kill: true },
  { title: 'is the last of a killed process', fault: { kind: 'lose' }, kill: true },
  ...[409, 422, 429, 500].map((status) => ({
    title: `is answered ${status}`,
    fault: { kind: 'refuse', status } as const,
    kill: false,
  })),
] as const

/** Six reads, the approval, and the certificate. */
const requestsOfOne = 7

type World = ReturnType<typeof intermediateWorld>

async function attempt(world: World): Promise<void> {
  try {
    await world.answer()
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
  }
}

/** One at most is published, and what the records say is so. */
function check(world: World): void {
  const published = world.verdicts().filter(({ outcome }) => outcome === 'published')
  assert.ok(published.length <= 1)
  const ca = world.issued()
  const [last] = published
  if (last !== undefined) assert.equal(last.certificateSha256, ca?.sha256)
  if (ca !== undefined) {
    const serial = ca.certificate.serialNumber.toString('hex')
    assert.ok(world.verdicts().some(({ issuanceId }) => issuanceId === serial))
  }
}

for (const { title, fault, kill } of faults) {
  test(`whichever request ${title}: one CA, and a record that says what became of it`, async () => {
    requirement('intermediate.one-for-a-request')
    for (let at = 0; at < requestsOfOne; at += 1) {
      const world = intermediateWorld()
      world.cluster.put(plural, storedRequest())
      let requests = 0
      world.cluster.fail(() => (requests += 1) === at + 1, fault)
      await attempt(world)
      check(world)
      if (kill) await world.restart()
      for (let turns = 0; turns < 3; turns += 1) await attempt(world)
      check(world)
      assert.ok(requests > at, `request ${at} is made`)
      assert.equal(world.records().at(-1), 'issued published', `request ${at}`)
      assert.equal(world.records().filter((each) => each === 'issued unknown').length, 1)
    }
  })
}

for (const kept of [false, true]) {
  test(`a process that ends with its ledger ${kept ? 'after' : 'before'} a record goes on from what stands there`, async () => {
    requirement('intermediate.one-for-a-request')
    for (const record of [0, 1]) {
      const world = intermediateWorld()
      world.cluster.put(plural, storedRequest())
      if (record === 0) world.ledger.breakNext({ keep: kept })
      else world.recorded = () => world.ledger.breakNext({ keep: kept })
      await assert.rejects(world.answer(), { code: 'ledger/unavailable' })
      world.recorded = () => {}
      world.ledger.mend()
      await world.restart()
      await attempt(world)
      await attempt(world)
      check(world)
      assert.equal(world.records().at(-1), 'issued published', `record ${record}`)
    }
  })
}

test('a request that is gone after its record leaves a record that nobody can tell, and no other', async () => {
  requirement('intermediate.one-for-a-request')
  const world = intermediateWorld()
  world.cluster.put(plural, storedRequest())
  world.recorded = () => world.cluster.remove(plural, 'csr-1')
  await attempt(world)
  world.recorded = () => {}
  await world.restart()
  assert.deepEqual(await world.answer(), { kind: 'over', why: 'it is gone' })
  assert.deepEqual(world.records(), ['issued unknown', 'issued unknown'])
  await world.restart()
  await world.answer()
  assert.equal(world.records().length, 2)
})

test('an intent of an hour ago, or below a CA that was replaced, is not taken up again', async () => {
  requirement('intermediate.within-the-life-above')
  for (const change of [
    (world: World) => (world.now += 3_600_000),
    (world: World) => (world.now -= 3_600_000),
    (world: World) => (world.hub = createHubCa({ seed: 2, now: noon })),
  ]) {
    const world = intermediateWorld()
    world.cluster.put(plural, storedRequest())
    world.cluster.fail(({ path }) => path.endsWith('/status'), { kind: 'drop' })
    await attempt(world)
    change(world)
    await attempt(world)
    assert.deepEqual(world.records(), [
      'issued unknown',
      'issued unpublished',
      'issued unknown',
      'issued published',
    ])
    check(world)
  }
})

test('somebody else’s answer to a request is not taken for ours', async () => {
  requirement('intermediate.one-for-a-request')
  const world = intermediateWorld()
  const other = intermediateWorld()
  world.cluster.put(plural, storedRequest())
  other.cluster.put(plural, storedRequest())
  await other.answer()
  world.cluster.fail(({ path }) => path.endsWith('/status'), { kind: 'drop' })
  await attempt(world)
  const { status } = other.cluster.get(plural, 'csr-1') ?? assert.fail()
  world.cluster.put(plural, { ...(world.cluster.get(plural, 'csr-1') ?? assert.fail()), status })
  await attempt(world)
  assert.deepEqual(world.records(), ['issued unknown', 'issued unpublished'])
})
