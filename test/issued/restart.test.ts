import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readKept } from '../../src/issued/kept.ts'
import { createRestart } from '../../src/issued/restart.ts'
import { issuedCertificates } from '../../src/kubernetes/issued-certificate.ts'
import { secrets } from '../../src/kubernetes/secret.ts'
import { requirement } from '../requirements.ts'
import { openBounceWorld, type BounceWorld } from './bounce-world.ts'
import { place, sign } from './issued-world.ts'

const all = ['old-search-0', 'old-search-1', 'old-search-2']
const isEviction = ({ path }: { path: string }): boolean => path.endsWith('/eviction')

/** When another certificate is due for sure. */
const dueSeconds = 2400

async function reissue(world: BounceWorld): Promise<void> {
  world.clock.now += dueSeconds * 1000
  await world.until('Requested')
  sign(world)
}

function reasonsOf(world: BounceWorld): readonly unknown[] {
  return world.cluster.list('events').map(({ reason }) => reason)
}

test('pods are restarted one at a time, each after the one before is there again and ready, and then it is finished', async () => {
  requirement('issued.restarts-one-at-a-time')
  const world = openBounceWorld()
  world.addPods('search')
  world.addPods('other')
  await world.until('Issued')
  await world.turn()
  assert.deepEqual(world.evicted, ['old-search-0'])
  assert.equal(world.certificate().state, 'Issued')
  assert.equal(world.certificate().podsLeft, 3)
  await world.turn()
  assert.equal(world.evicted.length, 1)
  await world.bounceUntil('Finished')
  assert.deepEqual(world.evicted, all)
  assert.deepEqual(world.states, ['Pending', 'Requested', 'Issued', 'Finished'])
  assert.equal(world.certificate().podsLeft, undefined)
  assert.deepEqual(reasonsOf(world), [])
})

test('after one issuance nothing is restarted twice, and after the next one everything is again', async () => {
  requirement('issued.restarts-once')
  const world = openBounceWorld()
  world.addPods('search')
  await world.bounceUntil('Requested')
  sign(world)
  await world.bounceUntil('Finished')
  world.restart()
  for (let turns = 0; turns < 5; turns += 1) await world.turn()
  assert.equal(world.evicted.length, 3)
  // Those that have run by now are no others than those of a next time.
  for (const { metadata } of world.pods())
    world.cluster.remove('pods', metadata.name, place.namespace)
  world.evicted.length = 0
  world.addPods('search')
  await reissue(world)
  await world.bounceUntil('Finished')
  assert.deepEqual(world.evicted, all)
})

test('the selectors are followed in their order, and what is not ready goes first', async () => {
  requirement('issued.restarts-one-at-a-time')
  const podsToBounce = [{ labels: { app: 'second' } }, { labels: { app: 'first' } }]
  const world = openBounceWorld({ podsToBounce })
  world.addPods('first', { kind: 'StatefulSet', replicas: 2 })
  world.addPods('second', { kind: 'DaemonSet', replicas: 2, ready: false })
  const ready = world.pods().find(({ metadata }) => metadata.name === 'old-second-0')
  assert.ok(ready !== undefined)
  world.cluster.put('pods', {
    ...ready,
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  })
  await world.bounceUntil('Requested')
  sign(world)
  await world.bounceUntil('Finished')
  assert.deepEqual(world.evicted, ['old-second-1', 'old-second-0', 'old-first-0', 'old-first-1'])
})

test('a budget that refuses is told of, with an Event, and waited for; the certificate stays', async () => {
  requirement('issued.restart-undoes-nothing')
  const world = openBounceWorld()
  world.addPods('search')
  const refused = { kind: 'refuse', status: 429, reason: 'TooManyRequests' } as const
  world.cluster.fail(isEviction, refused, 7)
  await world.until('Issued')
  const waits: number[] = []
  for (let turns = 0; turns < 6; turns += 1) waits.push((await world.turn())?.againSeconds ?? 0)
  assert.deepEqual(world.evicted, [])
  assert.equal(world.certificate().state, 'Issued')
  assert.match(
    world.certificate().error ?? '',
    /^podsToBounce: pod old-search-0 may not be evicted: /,
  )
  assert.deepEqual(reasonsOf(world), ['NotRestarted'])
  assert.deepEqual(
    waits,
    waits.toSorted((a, b) => a - b),
  )
  assert.ok((waits.at(-1) ?? 0) >= 20, waits.join(' '))
  await world.bounceUntil('Finished')
  assert.equal(world.certificate().error, undefined)
  assert.equal(world.requests().length, 1)
})

test('one that does not become ready is told of after a while, and nothing else is restarted for as long', async () => {
  requirement('issued.restarts-one-at-a-time')
  const world = openBounceWorld()
  world.addPods('search')
  await world.until('Issued')
  await world.turn()
  world.move()
  for (let turns = 0; turns < 60; turns += 1) {
    const again = await world.turn()
    world.clock.now += (again?.againSeconds ?? 0) * 1000
    if (turns === 20) assert.equal(world.certificate().error, undefined)
  }
  assert.equal(world.evicted.length, 1)
  assert.equal(
    world.certificate().error,
    'podsToBounce: ReplicaSet search: pods want=3 ready got=2',
  )
  assert.equal(world.certificate().podsLeft, 2)
  await world.bounceUntil('Finished')
  assert.equal(world.evicted.length, 3)
})

test('what nobody makes anew is not evicted but told of, and is done when somebody has ended it', async () => {
  requirement('issued.restart-undoes-nothing')
  const world = openBounceWorld()
  world.addPods('search', { kind: 'Job', replicas: 1 })
  await world.until('Issued')
  for (let turns = 0; turns < 3; turns += 1) await world.turn()
  assert.deepEqual(world.evicted, [])
  assert.equal(
    world.certificate().error,
    'podsToBounce: pod old-search-0 is not restarted: want=a pod of a ReplicaSet, StatefulSet or DaemonSet got=of Job search',
  )
  world.cluster.remove('pods', 'old-search-0', place.namespace)
  await world.bounceUntil('Finished')
})

test('the next certificate comes in time, whatever keeps the pods of the one before from being restarted', async () => {
  requirement('issued.restart-undoes-nothing')
  const world = openBounceWorld()
  world.addPods('search')
  world.cluster.fail(isEviction, { kind: 'refuse', status: 429 }, 6)
  await world.until('Issued')
  for (let turns = 0; turns < 4; turns += 1) await world.turn()
  world.clock.now += dueSeconds * 1000
  await world.turn()
  assert.equal(world.certificate().state, 'Requested')
  sign(world)
  await world.bounceUntil('Finished')
  assert.deepEqual(world.states, [
    'Pending',
    'Requested',
    'Issued',
    'Pending',
    'Requested',
    'Issued',
    'Finished',
  ])
  assert.deepEqual(world.evicted, all)
})

test('whoever may not look at pods says so after a while, and the next certificate comes in time', async () => {
  requirement('issued.restart-undoes-nothing')
  const world = openBounceWorld()
  world.addPods('search')
  world.cluster.fail(({ path }) => path.endsWith('/pods'), { kind: 'refuse', status: 403 }, 1000)
  await world.until('Issued')
  for (let turns = 0; turns < 45; turns += 1) {
    const again = await world.turn()
    world.clock.now += (again?.againSeconds ?? 0) * 1000
  }
  assert.match(world.certificate().error ?? '', /^podsToBounce: pods cannot be looked at: .*403/)
  assert.deepEqual(reasonsOf(world), ['NotRestarted'])
  world.clock.now += dueSeconds * 1000
  await world.turn()
  assert.equal(world.certificate().state, 'Requested')
  assert.deepEqual(world.evicted, [])
})

test('an agent that may restart no pods says so, and evicts none', async () => {
  requirement('issued.restart-undoes-nothing')
  const world = openBounceWorld()
  world.addPods('search')
  world.restart({ bouncePods: false })
  await world.until('Issued')
  await world.turn()
  await world.turn()
  assert.match(world.certificate().error ?? '', /^podsToBounce: .*want=bouncePods/)
  const asked = world.cluster.requests.filter(({ path }) => /pods|events$/.test(path))
  assert.deepEqual(
    asked.map(({ path }) => path.replace(/^.*\//, '')),
    ['events'],
  )
})

test('one that waits for the Secret has read nothing, and is not restarted', async () => {
  requirement('issued.restarts-once')
  const world = openBounceWorld()
  world.addPods('search')
  const [pod] = world.pods()
  assert.ok(pod !== undefined)
  const metadata = { ...pod.metadata, name: 'early', uid: 'early' }
  const containerStatuses = [{ state: { waiting: { reason: 'ContainerCreating' } } }]
  world.cluster.put('pods', { metadata, status: { phase: 'Pending', containerStatuses } })
  await world.until('Requested')
  sign(world)
  await world.bounceUntil('Finished')
  assert.deepEqual(world.evicted, all)
})

test('what others have written over the record restarts nothing', async () => {
  requirement('issued.restarts-once')
  for (const bounce of [
    '[]',
    '{',
    'null',
    '[{"pods":"*"}]',
    '[{"controller":{},"pods":["old-search-0"]}]',
  ]) {
    const opened = openBounceWorld()
    opened.addPods('search')
    await opened.until('Requested')
    sign(opened)
    opened.cluster.fail(isEviction, { kind: 'drop' })
    await assert.rejects(opened.turn())
    const secret = opened.cluster.get('secrets', place.secret, place.namespace)
    assert.ok(secret !== undefined)
    const annotations = {
      ...(secret.metadata['annotations'] as object),
      'countersign.dev/bounce': bounce,
    }
    opened.cluster.put('secrets', { ...secret, metadata: { ...secret.metadata, annotations } })
    await opened.bounceUntil('Finished')
    assert.deepEqual(opened.evicted, [], bounce)
  }
})

for (const [title, change] of [
  [
    'is gone',
    (world: BounceWorld) => world.cluster.remove('pods', 'old-search-1', place.namespace),
  ],
  [
    'is another of its name',
    (world: BounceWorld) => {
      const pod = world.pods().find(({ metadata }) => metadata.name === 'old-search-1')
      assert.ok(pod !== undefined)
      world.cluster.put('pods', { ...pod, metadata: { ...pod.metadata, uid: 'new-of-that-name' } })
    },
  ],
] as const) {
  test(`a pod that ${title} by its turn is not evicted`, async () => {
    requirement('issued.restarts-once')
    const world = openBounceWorld()
    world.addPods('search', { replicas: 2 })
    world.cluster.put('replicasets', {
      metadata: { name: 'search', namespace: place.namespace, uid: 'of-search' },
      spec: { replicas: 1 },
    })
    await world.until('Issued')
    await world.turn()
    assert.deepEqual(world.evicted, ['old-search-0'])
    change(world)
    await world.bounceUntil('Finished')
    assert.deepEqual(world.evicted, ['old-search-0'])
  })
}

test('one that is replaced by another of its name while it is evicted stands for no other', async () => {
  requirement('issued.restarts-once')
  const world = openBounceWorld()
  world.addPods('search', { replicas: 1 })
  world.cluster.fail(
    (request) => {
      const [pod] = isEviction(request) ? world.pods() : []
      if (pod?.metadata['uid'] !== 'old-search-0') return false
      world.cluster.put('pods', { ...pod, metadata: { ...pod.metadata, uid: 'new-of-that-name' } })
      return false
    },
    { kind: 'drop' },
  )
  await world.until('Issued')
  await world.bounceUntil('Finished')
  assert.deepEqual(world.evicted, [])
})

test('two resources that mean the same pods evict no second one beside the first', async () => {
  requirement('issued.restarts-one-at-a-time')
  const world = openBounceWorld()
  world.addPods('search')
  await world.until('Requested')
  sign(world)
  world.cluster.fail(isEviction, { kind: 'drop' })
  await assert.rejects(world.turn())
  const [raw] = world.cluster.list('issuedcertificates')
  const certificate = issuedCertificates.parse(raw)
  const secret = world.cluster.get('secrets', place.secret, place.namespace)
  const { bounce } = readKept(secrets.parse(secret)).current ?? {}
  const restart = createRestart({ client: world.cluster, bouncePods: true })
  const { signal } = new AbortController()
  const evict = (uid: string): Promise<unknown> => restart(certificate, { bounce, uid, signal })
  // Both have seen that it is the turn of the same pod.
  const outcomes = await Promise.all([evict('old-search-0'), evict('old-search-0')])
  assert.deepEqual(outcomes, ['evicted', 'changed'])
  assert.deepEqual(world.evicted, ['old-search-0'])
})

test('whatever the owner of a pod calls itself, it is told of once, and in as many words as find room', async () => {
  requirement('issued.restart-undoes-nothing')
  const long = (letters: number): string => `${'J'.repeat(letters)}${'😀'.repeat(100)}`
  for (const kind of ['constructor', 'J'.repeat(3000), long(1900), long(1901)]) {
    const world = openBounceWorld()
    world.addPods('search', { kind, replicas: 1 })
    await world.until('Issued')
    for (let turns = 0; turns < 3; turns += 1) await world.turn()
    const { error = '' } = world.certificate()
    assert.match(error, /^podsToBounce: pod old-search-0 is not restarted: .* got=of /)
    assert.ok(error.length <= 2048 && error.isWellFormed(), `${error.length}`)
    assert.deepEqual(reasonsOf(world), ['NotRestarted'])
  }
})

test('of pods that cannot be recorded none is restarted, and that is told', async () => {
  requirement('issued.restart-undoes-nothing')
  const apps = ['a', 'b', 'c', 'd']
  const world = openBounceWorld({ podsToBounce: apps.map((app) => ({ labels: { app } })) })
  for (const app of apps) world.addPods(app, { kind: 'K'.repeat(60_000), replicas: 1 })
  await world.until('Issued')
  await world.turn()
  assert.equal(
    world.certificate().error,
    'podsToBounce: record of the pods: bytes want<=196608 got=240281',
  )
})

test('neither what is written on a pod nor a neighbour too large to be read keeps one from being restarted', async () => {
  requirement('issued.restart-undoes-nothing')
  const world = openBounceWorld()
  world.addPods('search')
  const [pod] = world.pods()
  assert.ok(pod !== undefined)
  const annotations = { note: 'x'.repeat(100_000) }
  world.cluster.put('pods', { ...pod, metadata: { ...pod.metadata, annotations } })
  const labels = { app: 'x'.repeat(100_000) }
  const metadata = { name: 'large', namespace: place.namespace, uid: 'large', labels }
  world.cluster.put('pods', { metadata, status: {} })
  await world.until('Issued')
  await world.turn()
  assert.deepEqual(world.evicted, ['old-search-0'])
})
