import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { after, before, test } from 'node:test'
import { createEncoder } from '../../../dev/control-plane/encoder.ts'
import { ObjectStore } from '../../../dev/control-plane/object-store.ts'
import type { ResourceRequest } from '../../../dev/control-plane/request.ts'
import { configMaps } from '../../../dev/control-plane/resources/plain.ts'
import { Watcher } from '../../../dev/control-plane/watcher.ts'
import { startApiWorld, type ApiWorld, type WatchEvent } from './api-world.ts'

let world: ApiWorld
before(async () => {
  world = await startApiWorld({ historyLength: 100 })
})
after(() => world[Symbol.asyncDispose]())

const maps = '/api/v1/namespaces/default/configmaps'
const initial =
  'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'

async function currentVersion(): Promise<string> {
  return (await world.admin.get(maps)).body.metadata.resourceVersion
}

function shown({ type, object }: WatchEvent): string {
  return `${type} ${object.metadata.name}`
}

test('a watch from a version tells everything after it, once and in order, under concurrent writers', async () => {
  const since = await currentVersion()
  await using early = await world.admin.watch(`${maps}?watch=true&resourceVersion=${since}`)
  const writers = 8
  const rounds = 10
  const write = async (writer: number): Promise<void> => {
    const path = `${maps}/w${writer}`
    await world.create(maps, { metadata: { name: `w${writer}` }, data: { n: '0' } })
    for (let round = 1; round < rounds; round += 1) {
      await world.admin.send('PATCH', path, { data: { n: String(round) } })
    }
    await world.admin.send('DELETE', path)
  }
  const writing = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)))
  // One joins in the middle, from the same version.
  await using late = await world.admin.watch(`${maps}?watch=true&resourceVersion=${since}`)
  await writing
  const total = writers * (rounds + 1)
  for (const watch of [early, late]) {
    const events: WatchEvent[] = []
    while (events.length < total) events.push(await watch.next())
    const versions = events.map(({ object }) => Number(object.metadata.resourceVersion))
    assert.deepEqual(
      versions,
      versions.toSorted((a, b) => a - b),
    )
    assert.equal(new Set(versions).size, total)
    for (let writer = 0; writer < writers; writer += 1) {
      const own = events.filter(({ object }) => object.metadata.name === `w${writer}`)
      const states = own.map(({ type, object }) => `${type} ${object.data.n}`)
      const changes = Array.from({ length: rounds - 1 }, (_, index) => `MODIFIED ${index + 1}`)
      assert.deepEqual(states, ['ADDED 0', ...changes, `DELETED ${rounds - 1}`])
    }
    assert.deepEqual(watch.pending, [])
  }
})

test('a watch without a version begins with what is there', async () => {
  await world.create(maps, { metadata: { name: 'there' } })
  for (const query of ['watch=1', 'watch=1&resourceVersion=0']) {
    await using watch = await world.admin.watch(
      `${maps}?${query}&fieldSelector=metadata.name%3Dthere`,
    )
    const event = await watch.next()
    assert.equal(shown(event), 'ADDED there')
    assert.deepEqual([event.object.kind, event.object.apiVersion], ['ConfigMap', 'v1'])
  }
})

test('a WatchList ends its initial events with a bookmark, and goes on from there', async () => {
  await using watch = await world.admin.watch(`${maps}?${initial}&labelSelector=list%3Dyes`)
  const end = await watch.next()
  assert.equal(end.type, 'BOOKMARK')
  assert.equal(end.object.metadata.annotations['k8s.io/initial-events-end'], 'true')
  assert.equal(end.object.kind, 'ConfigMap')
  await world.create(maps, { metadata: { name: 'listed', labels: { list: 'yes' } } })
  const added = await watch.next()
  assert.equal(shown(added), 'ADDED listed')
  assert.ok(
    Number(added.object.metadata.resourceVersion) > Number(end.object.metadata.resourceVersion),
  )
})

test('an object that enters the selection is added, and one that leaves it is deleted', async () => {
  await world.create(maps, { metadata: { name: 'moving', labels: { side: 'left' } } })
  const since = await currentVersion()
  await using watch = await world.admin.watch(
    `${maps}?watch=1&resourceVersion=${since}&labelSelector=side%3Dright`,
  )
  const move = (side: string | null) =>
    world.admin.send('PATCH', `${maps}/moving`, { metadata: { labels: { side } } })
  await move('right')
  await world.admin.send('PATCH', `${maps}/moving`, { data: { a: 'b' } })
  await move(null)
  await move('left')
  await move('right')
  await world.admin.send('DELETE', `${maps}/moving`)
  const events: string[] = []
  while (events.length < 5) events.push(shown(await watch.next()))
  assert.deepEqual(events, [
    'ADDED moving',
    'MODIFIED moving',
    'DELETED moving',
    'ADDED moving',
    'DELETED moving',
  ])
})

test('a watch of one namespace sees nothing of the others', async () => {
  await world.create('/api/v1/namespaces', { metadata: { name: 'other' } })
  const since = await currentVersion()
  await using own = await world.admin.watch(`${maps}?watch=1&resourceVersion=${since}`)
  await using all = await world.admin.watch(`/api/v1/configmaps?watch=1&resourceVersion=${since}`)
  await world.create('/api/v1/namespaces/other/configmaps', { metadata: { name: 'theirs' } })
  await world.create(maps, { metadata: { name: 'ours' } })
  assert.equal(shown(await own.next()), 'ADDED ours')
  assert.deepEqual(
    [shown(await all.next()), shown(await all.next())],
    ['ADDED theirs', 'ADDED ours'],
  )
})

test('a version that the history has forgotten is an ERROR event with a 410, then the end', async () => {
  await world.create(maps, { metadata: { name: 'churn' } })
  const old = await currentVersion()
  for (let round = 0; round < 220; round += 1) {
    await world.admin.send('PATCH', `${maps}/churn`, { data: { n: String(round) } })
  }
  await using watch = await world.admin.watch(`${maps}?watch=1&resourceVersion=${old}`)
  const { type, object } = await watch.next()
  assert.deepEqual(
    [type, object.kind, object.code, object.reason],
    ['ERROR', 'Status', 410, 'Expired'],
  )
  assert.match(object.message, /^too old resource version: /)
  await watch.ended
})

test('a watch ends when its time is over', async () => {
  const since = await currentVersion()
  await using watch = await world.admin.watch(
    `${maps}?watch=1&resourceVersion=${since}&timeoutSeconds=1`,
  )
  await watch.ended
  assert.deepEqual(watch.pending, [])
})

const refusals: readonly (readonly [string, number, RegExp])[] = [
  ['resourceVersion=x', 400, /resourceVersion/],
  ['fieldSelector=data.a%3Db', 400, /field label not supported: data\.a/],
  ['labelSelector=a%20in%20b', 400, /unable to parse requirement/],
  ['sendInitialEvents=true', 422, /requires setting resourceVersionMatch to NotOlderThan/],
  ['resourceVersionMatch=NotOlderThan', 422, /forbidden for watch unless sendInitialEvents/],
  ['sendInitialEvents=true&resourceVersionMatch=Exact', 422, /Unsupported value: "Exact"/],
]

for (const [query, status, message] of refusals) {
  test(`a watch with ${query} is refused with ${status}`, async () => {
    const answer = await world.admin.get(`${maps}?watch=1&${query}`)
    assert.equal(answer.status, status)
    assert.match(answer.body.message, message)
  })
}

test('a watch whose time is over sends nothing more, though its bookmark is due in the same moment', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const store = new ObjectStore({ historyLength: 1 })
  const watcher = new Watcher({ store, encode: createEncoder(), now: Date.now })
  let ended = false
  const response = Object.assign(new EventEmitter(), {
    writableLength: 0,
    writeHead: () => {},
    flushHeaders: () => {},
    write: () => assert.equal(ended, false, 'written after the end'),
    end: () => {
      ended = true
    },
  })
  const query = new URLSearchParams('watch=1&allowWatchBookmarks=true&timeoutSeconds=60')
  const target: ResourceRequest = {
    type: configMaps,
    group: '',
    version: 'v1',
    plural: 'configmaps',
    subresource: '',
    verb: 'watch',
    namespace: '',
    name: '',
    fieldRequirements: [],
    isCollection: true,
    representation: 'object',
    query,
  }
  watcher.watch(target, response as unknown as ServerResponse)
  t.mock.timers.tick(60_000)
  assert.equal(ended, true)
  t.mock.timers.tick(600_000)
})

test('the end of the server ends its watches', async () => {
  const brief = await startApiWorld()
  const watch = await brief.admin.watch(`${maps}?watch=1`)
  await brief.api[Symbol.asyncDispose]()
  await watch.ended
  await brief[Symbol.asyncDispose]()
})
