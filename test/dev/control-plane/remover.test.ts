import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startApiWorld, type ApiWorld } from './api-world.ts'

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
})
after(() => world[Symbol.asyncDispose]())

const maps = '/api/v1/namespaces/default/configmaps'
const pods = '/api/v1/namespaces/default/pods'
const spec = { nodeName: 'n', containers: [{ name: 'a', image: 'b' }] }

test('a deletion checks the UID and the version that it was given', async () => {
  const { metadata } = await world.create(maps, { metadata: { name: 'kept' } })
  const path = `${maps}/kept`
  const wrong = [{ uid: 'other' }, { resourceVersion: '1' }]
  for (const preconditions of wrong) {
    const { status, body } = await world.admin.send('DELETE', path, { preconditions })
    assert.deepEqual([status, body.reason], [409, 'Conflict'], JSON.stringify(preconditions))
  }
  const { uid, resourceVersion } = metadata
  const gone = await world.admin.send('DELETE', path, { preconditions: { uid, resourceVersion } })
  assert.deepEqual([gone.status, gone.body.status, gone.body.details.uid], [200, 'Success', uid])
  assert.equal((await world.admin.send('DELETE', path)).status, 404)
})

test('a bound pod is given its time, which can be shortened and not lengthened', async () => {
  await world.create(pods, { metadata: { name: 'slow' }, spec })
  const path = `${pods}/slow`
  const marked = await world.admin.send('DELETE', path)
  assert.equal(marked.body.metadata.deletionGracePeriodSeconds, 30)
  assert.ok(Date.parse(marked.body.metadata.deletionTimestamp) > Date.now() + 25_000)
  const longer = await world.admin.send('DELETE', path, { gracePeriodSeconds: 60 })
  assert.equal(longer.body.metadata.deletionGracePeriodSeconds, 30)
  const shorter = await world.admin.send('DELETE', path, { gracePeriodSeconds: 5 })
  assert.equal(shorter.body.metadata.deletionGracePeriodSeconds, 5)
  assert.equal((await world.admin.send('DELETE', `${path}?gracePeriodSeconds=0`)).status, 200)
  assert.equal((await world.admin.get(path)).status, 404)
})

test('a pod that nobody runs goes at once', async () => {
  await world.create(pods, { metadata: { name: 'unbound' }, spec: { containers: spec.containers } })
  await world.admin.send('DELETE', `${pods}/unbound`)
  assert.equal((await world.admin.get(`${pods}/unbound`)).status, 404)
})

test('a finalizer holds an object until its owner takes it away', async () => {
  await world.create(maps, { metadata: { name: 'held', finalizers: ['example.com/hold'] } })
  const path = `${maps}/held`
  const marked = await world.admin.send('DELETE', path)
  assert.ok(marked.body.metadata.deletionTimestamp)
  const added = await world.admin.send('PATCH', path, {
    metadata: { finalizers: ['example.com/hold', 'example.com/more'] },
  })
  assert.deepEqual(
    [added.status, added.body.details.causes[0].reason],
    [422, 'FieldValueForbidden'],
  )
  assert.equal((await world.admin.get(path)).status, 200)
  assert.equal(
    (await world.admin.send('PATCH', path, { metadata: { finalizers: null } })).status,
    200,
  )
  assert.equal((await world.admin.get(path)).status, 404)
})

test('a collection is deleted as far as its selector goes', async () => {
  for (const [name, kind] of [
    ['c1', 'x'],
    ['c2', 'x'],
    ['c3', 'y'],
  ] as const) {
    await world.create(maps, { metadata: { name, labels: { kind } } })
  }
  const { status, body } = await world.admin.send('DELETE', `${maps}?labelSelector=kind%3Dx`)
  assert.deepEqual([status, body.items.length], [200, 2])
  const left = (await world.admin.get(`${maps}?labelSelector=kind`)).body.items
  assert.deepEqual(
    left.map(({ metadata }: { metadata: { name: string } }) => metadata.name),
    ['c3'],
  )
})
