import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startMembership, type Membership } from '../../src/kubernetes/membership.ts'
import { silentLog } from '../../src/log.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster } from '../support/fake-cluster.ts'

const place = { namespace: 'system', name: 'members' }

/** Members on one clock, which each lets pass when it is told to. */
class World {
  readonly cluster = new FakeCluster()
  milliseconds = 0
  /** Seeds of members that cannot work. */
  readonly unable = new Set<number>()

  constructor() {
    this.cluster.put('leases', { metadata: { name: place.name, namespace: place.namespace } })
  }

  /** A member that renews at each `tick`, until it hangs. */
  async join(seed: number): Promise<{ member: Membership; tick(): Promise<void>; hang(): void }> {
    let wake = Promise.withResolvers<void>()
    let hangs = false
    const { requests } = this.cluster
    const own = Buffer.alloc(16, seed).toString('hex')
    const renewals = (): number =>
      requests.filter(({ body }) =>
        JSON.stringify(body).includes(`"members.countersign.dev/${own}":`),
      ).length
    const member = startMembership({
      client: this.cluster,
      ...place,
      durationSeconds: 15,
      canWork: () => !this.unable.has(seed),
      clock: () => this.milliseconds,
      delay: async (_, signal) => {
        const stopped = new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
        await Promise.race([wake.promise, stopped])
      },
      randomBytes: (length) => Buffer.alloc(length, seed),
      log: silentLog,
    })
    await member.joined
    return {
      member,
      async tick() {
        if (hangs) return
        const before = renewals()
        const ready = wake
        wake = Promise.withResolvers<void>()
        ready.resolve()
        await eventually('a renewal', () => renewals() > before)
        await new Promise((resolve) => setImmediate(resolve))
      },
      hang: () => void (hangs = true),
    }
  }

  get annotations(): Readonly<Record<string, string>> {
    const lease = this.cluster.get('leases', place.name, place.namespace)
    return (lease?.metadata['annotations'] ?? {}) as Record<string, string>
  }
}

const keys = Array.from({ length: 300 }, (_, index) => `request-${index}`)

function firsts(members: readonly Membership[]): readonly number[] {
  return keys.map((key) => members.filter((member) => member.rank(key) === 0).length)
}

async function ticks(
  world: World,
  members: readonly { tick(): Promise<void> }[],
  count = 1,
): Promise<void> {
  for (let round = 0; round < count; round += 1) {
    world.milliseconds += 5000
    for (const each of members) await each.tick()
  }
}

test('of members that see each other, each key falls to one, and to each about as many', async () => {
  requirement('signer.one-replica-a-request')
  const world = new World()
  const joined = [await world.join(1), await world.join(2), await world.join(3)]
  const members = joined.map(({ member }) => member)
  await ticks(world, joined, 2)
  assert.deepEqual(
    members.map(({ living }) => living),
    [3, 3, 3],
  )
  assert.ok(firsts(members).every((count) => count === 1))
  for (const member of members) {
    const own = keys.filter((key) => member.rank(key) === 0).length
    assert.ok(own > 60 && own < 140, String(own))
  }
  const ranks = members.map((member) => member.rank('request-0'))
  assert.deepEqual(new Set(ranks), new Set([0, 1, 2]))
  for (const member of members) await member[Symbol.asyncDispose]()
  assert.deepEqual(world.annotations, {})
})

test('a member that is silent loses its keys within the duration, and nobody else loses any', async () => {
  requirement('signer.one-replica-a-request')
  const world = new World()
  const joined = [await world.join(1), await world.join(2), await world.join(3)]
  const [one, two, three] = joined.map(({ member }) => member) as [
    Membership,
    Membership,
    Membership,
  ]
  await ticks(world, joined, 2)
  const before = keys.filter((key) => one.rank(key) === 0)
  let changes = 0
  one.onChange(() => (changes += 1))
  joined[2]?.hang()
  await ticks(world, joined, 2)
  assert.equal(one.living, 3)
  await ticks(world, joined, 2)
  assert.deepEqual([one.living, two.living, changes], [2, 2, 1])
  assert.ok(firsts([one, two]).every((count) => count === 1))
  assert.ok(before.every((key) => one.rank(key) === 0))
  await ticks(world, joined, 12)
  assert.equal(Object.keys(world.annotations).length, 2)
  for (const member of [one, two, three]) await member[Symbol.asyncDispose]()
})

test('what the dead left behind keeps nobody waiting', async () => {
  const world = new World()
  const annotations = { 'members.countersign.dev/00': '7', 'other.example/x': 'y' }
  world.cluster.put('leases', { metadata: { ...place, annotations } })
  const joined = await world.join(1)
  assert.equal(joined.member.living, 1)
  assert.ok(keys.every((key) => joined.member.rank(key) === 0))
  await ticks(world, [joined], 20)
  assert.deepEqual(Object.keys(world.annotations).length, 2)
  assert.equal(world.annotations['other.example/x'], 'y')
  await joined.member[Symbol.asyncDispose]()
})

test('a member that leaves is missed at the next look', async () => {
  const world = new World()
  const joined = [await world.join(1), await world.join(2)]
  await ticks(world, joined, 2)
  assert.equal(joined[0]?.member.living, 2)
  await joined[1]?.member[Symbol.asyncDispose]()
  await ticks(world, joined.slice(0, 1))
  assert.equal(joined[0]?.member.living, 1)
  await joined[0]?.member[Symbol.asyncDispose]()
})

test('without the Lease, or a right to it, a member takes everything', async () => {
  const world = new World()
  const joined = [await world.join(1), await world.join(2)]
  await ticks(world, joined, 2)
  world.cluster.remove('leases', place.name, place.namespace)
  await ticks(world, joined, 3)
  for (const { member } of joined) {
    assert.equal(member.living, 1)
    assert.ok(keys.every((key) => member.rank(key) === 0))
  }
  for (const { member } of joined) await member[Symbol.asyncDispose]()
})

test('of the annotations of a Lease as many count as there may be members', async () => {
  const world = new World()
  const crowd = (value: string): Record<string, string> =>
    Object.fromEntries(
      Array.from({ length: 500 }, (_, index) => [
        `members.countersign.dev/${String(index).padStart(3, '0')}`,
        value,
      ]),
    )
  const joined = await world.join(255)
  for (const value of ['1', '2', '3']) {
    world.cluster.put('leases', { metadata: { ...place, annotations: crowd(value) } })
    await ticks(world, [joined])
  }
  assert.equal(joined.member.living, 65)
  await joined.member[Symbol.asyncDispose]()
})

test('a member that cannot work has no share until it can', async () => {
  requirement('signer.one-replica-a-request')
  const world = new World()
  const joined = [await world.join(1), await world.join(2)]
  const other = joined[0]?.member
  await ticks(world, joined, 2)
  assert.equal(other?.living, 2)
  world.unable.add(2)
  await ticks(world, joined, 2)
  assert.equal(other?.living, 1)
  world.unable.clear()
  await ticks(world, joined, 3)
  assert.equal(other?.living, 2)
  for (const { member } of joined) await member[Symbol.asyncDispose]()
})
