import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startApiWorld, type ApiWorld } from './api-world.ts'

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
})
after(() => world[Symbol.asyncDispose]())

const maps = '/api/v1/namespaces/default/configmaps'
const jsonPatch = 'application/json-patch+json'

test('what only the server may say is said by the server', async () => {
  const forged = {
    name: 'forged',
    uid: 'mine',
    creationTimestamp: '2001-01-01T00:00:00Z',
    deletionTimestamp: '2001-01-01T00:00:00Z',
    generation: 7,
    managedFields: [{ manager: 'me' }],
  }
  const { metadata } = await world.create(maps, { metadata: forged })
  assert.match(metadata.uid, /^[0-9a-f-]{36}$/)
  assert.match(metadata.creationTimestamp, /^20[2-9]\d-.*Z$/)
  assert.equal(metadata.namespace, 'default')
  for (const member of ['deletionTimestamp', 'generation', 'managedFields']) {
    assert.equal(metadata[member], undefined, member)
  }
})

test('generateName makes a new name each time', async () => {
  const names = new Set<string>()
  for (let index = 0; index < 20; index += 1) {
    const { metadata } = await world.create(maps, { metadata: { generateName: 'made-' } })
    assert.match(metadata.name, /^made-[bcdfghjklmnpqrstvwxz2-9]{5}$/)
    names.add(metadata.name)
  }
  assert.equal(names.size, 20)
})

const creations: readonly (readonly [string, object, number, RegExp])[] = [
  ['without a name', { metadata: {} }, 422, /metadata\.name: Required value/],
  [
    'with capitals in its name',
    { metadata: { name: 'A' } },
    422,
    /metadata\.name: Invalid value: "A"/,
  ],
  ['with a name of 254 characters', { metadata: { name: 'a'.repeat(254) } }, 422, /253 bytes/],
  [
    'with a bad prefix for a name',
    { metadata: { generateName: 'A-' } },
    422,
    /metadata\.generateName/,
  ],
  [
    'with a resource version',
    { metadata: { name: 'a', resourceVersion: '1' } },
    500,
    /resourceVersion should not be set/,
  ],
  [
    'of another namespace',
    { metadata: { name: 'a', namespace: 'other' } },
    400,
    /namespace of the provided object/,
  ],
  ['of another kind', { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'a' } }, 400, /Secret/],
  [
    'of another version',
    { kind: 'ConfigMap', apiVersion: 'v2', metadata: { name: 'a' } },
    400,
    /v2/,
  ],
  [
    'with a number for a label',
    { metadata: { name: 'a', labels: { a: 1 } } },
    400,
    /metadata\.labels/,
  ],
  [
    'with a bad label key',
    { metadata: { name: 'a', labels: { 'a b': 'c' } } },
    422,
    /metadata\.labels/,
  ],
  [
    'with a bad label value',
    { metadata: { name: 'a', labels: { a: '-' } } },
    422,
    /metadata\.labels/,
  ],
  [
    'with a bad annotation key',
    { metadata: { name: 'a', annotations: { 'a/b/c': '' } } },
    422,
    /metadata\.annotations/,
  ],
  [
    'with too many annotations',
    { metadata: { name: 'a', annotations: { a: 'x'.repeat(262_145) } } },
    422,
    /metadata\.annotations: Too long/,
  ],
  [
    'with an owner without a UID',
    {
      metadata: {
        name: 'a',
        ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: '' }],
      },
    },
    422,
    /ownerReferences\[0\]\.uid/,
  ],
]

for (const [what, body, status, message] of creations) {
  test(`a config map ${what} is refused with ${status}`, async () => {
    const answer = await world.admin.send('POST', maps, body)
    assert.equal(answer.status, status)
    assert.match(answer.body.message, message)
  })
}

test('a second object of a name is a 409, and nothing is created in a namespace that is not there', async () => {
  await world.create(maps, { metadata: { name: 'twice' } })
  const again = await world.admin.send('POST', maps, { metadata: { name: 'twice' } })
  assert.deepEqual([again.status, again.body.reason], [409, 'AlreadyExists'])
  const nowhere = await world.admin.send('POST', maps.replace('default', 'nowhere'), {
    metadata: { name: 'a' },
  })
  assert.equal(nowhere.body.message, 'namespaces "nowhere" not found')
})

test('a dry run answers like the real thing and changes nothing', async () => {
  const created = await world.admin.send('POST', `${maps}?dryRun=All`, {
    metadata: { name: 'dry' },
  })
  assert.equal(created.status, 201)
  assert.equal((await world.admin.get(`${maps}/dry`)).status, 404)
  await world.create(maps, { metadata: { name: 'wet' }, data: { a: '1' } })
  const patched = await world.admin.send('PATCH', `${maps}/wet?dryRun=All`, { data: { a: '2' } })
  assert.equal(patched.body.data.a, '2')
  assert.equal((await world.admin.send('DELETE', `${maps}/wet?dryRun=All`)).status, 200)
  assert.equal((await world.admin.get(`${maps}/wet`)).body.data.a, '1')
  assert.equal(
    (await world.admin.send('POST', `${maps}?dryRun=Some`, { metadata: { name: 'x' } })).status,
    422,
  )
})

test('an update of what has changed since is a 409, and one that changes nothing keeps its version', async () => {
  const { metadata } = await world.create(maps, { metadata: { name: 'busy' }, data: { a: '1' } })
  const path = `${maps}/busy`
  const put = (version: string | undefined, a: string) =>
    world.admin.send('PUT', path, {
      metadata: { name: 'busy', ...(version === undefined ? {} : { resourceVersion: version }) },
      data: { a },
    })
  const first = await put(metadata.resourceVersion, '2')
  assert.equal(first.status, 200)
  assert.ok(Number(first.body.metadata.resourceVersion) > Number(metadata.resourceVersion))
  const stale = await put(metadata.resourceVersion, '3')
  assert.deepEqual([stale.status, stale.body.reason], [409, 'Conflict'])
  const same = await put(first.body.metadata.resourceVersion, '2')
  assert.equal(same.body.metadata.resourceVersion, first.body.metadata.resourceVersion)
  // Config maps may be overwritten unconditionally; leases may not.
  assert.equal((await put(undefined, '4')).status, 200)
  const stalePatch = { metadata: { resourceVersion: metadata.resourceVersion }, data: { a: '5' } }
  assert.equal((await world.admin.send('PATCH', path, stalePatch)).status, 409)
})

test('a lease is never overwritten unconditionally', async () => {
  const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases'
  const { metadata } = await world.create(leases, {
    metadata: { name: 'held' },
    spec: { leaseDurationSeconds: 5 },
  })
  const blind = await world.admin.send('PUT', `${leases}/held`, {
    metadata: { name: 'held' },
    spec: {},
  })
  assert.deepEqual(
    [blind.status, blind.body.details.causes[0].field],
    [422, 'metadata.resourceVersion'],
  )
  const { resourceVersion } = metadata
  const seen = await world.admin.send('PUT', `${leases}/held`, {
    metadata: { name: 'held', resourceVersion },
    spec: {},
  })
  assert.equal(seen.status, 200)
})

test('names, namespaces and UIDs do not change, and a UID of another is a conflict', async () => {
  await world.create(maps, { metadata: { name: 'fixed' } })
  const path = `${maps}/fixed`
  const renamed = await world.admin.send('PUT', path, { metadata: { name: 'other' } })
  assert.equal(renamed.status, 400)
  const stranger = await world.admin.send('PUT', path, {
    metadata: { name: 'fixed', uid: 'other' },
  })
  assert.equal(stranger.status, 409)
  const patched = await world.admin.send('PATCH', path, { metadata: { uid: 'other' } })
  assert.deepEqual([patched.status, patched.body.details.causes[0].field], [422, 'metadata.uid'])
  assert.equal((await world.admin.send('PATCH', `${maps}/none`, {})).status, 404)
})

test('every kind of patch that we send is understood, and no other', async () => {
  await world.create(maps, { metadata: { name: 'patched' }, data: { a: '1', b: '2' } })
  const path = `${maps}/patched`
  const merge = await world.admin.send('PATCH', path, { data: { a: null, c: '' } })
  assert.deepEqual(merge.body.data, { b: '2', c: '' })
  const operations = [
    { op: 'test', path: '/data/b', value: '2' },
    { op: 'replace', path: '/data/b', value: '3' },
  ]
  const json = await world.admin.send('PATCH', path, operations, jsonPatch)
  assert.deepEqual(json.body.data, { b: '3', c: '' })
  const strategic = 'application/strategic-merge-patch+json'
  const merged = await world.admin.send('PATCH', path, { data: { d: '4' } }, strategic)
  assert.deepEqual(merged.body.data, { b: '3', c: '', d: '4' })
  assert.equal((await world.admin.send('PATCH', path, operations, jsonPatch)).status, 422)
  assert.equal((await world.admin.send('PATCH', path, {}, 'application/json')).status, 415)
  assert.equal((await world.admin.send('PATCH', path, [])).status, 400)
})

test('of many concurrent patches at one version exactly one wins', async () => {
  const { metadata } = await world.create(maps, {
    metadata: { name: 'contested' },
    data: { n: '' },
  })
  const { resourceVersion } = metadata
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      world.admin.send('PATCH', `${maps}/contested`, {
        metadata: { resourceVersion },
        data: { n: String(index) },
      }),
    ),
  )
  const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b)
  assert.deepEqual(statuses, [200, ...Array.from({ length: 19 }, () => 409)])
})

test('the status of a pod is written through /status alone', async () => {
  const pods = '/api/v1/namespaces/default/pods'
  const spec = { containers: [{ name: 'a', image: 'b' }] }
  const created = await world.create(pods, {
    metadata: { name: 'p' },
    spec,
    status: { phase: 'Running' },
  })
  assert.equal(created.status.phase, 'Pending')
  const main = await world.admin.send('PATCH', `${pods}/p`, { status: { phase: 'Running' } })
  assert.deepEqual([main.status, main.body.status.phase], [200, 'Pending'])
  const status = {
    metadata: { labels: { a: 'b' } },
    spec: { nodeName: 'x' },
    status: { phase: 'Running' },
  }
  const own = await world.admin.send('PATCH', `${pods}/p/status`, status)
  assert.deepEqual(own.body.status, { phase: 'Running' })
  assert.equal(own.body.spec.nodeName, undefined)
  assert.equal(own.body.metadata.labels, undefined)
  assert.equal((await world.admin.get(`${pods}/p/status`)).body.status.phase, 'Running')
})

test('the generation of a pod counts changes of its spec', async () => {
  const pods = '/api/v1/namespaces/default/pods'
  const spec = { containers: [{ name: 'a', image: 'b' }] }
  const { metadata } = await world.create(pods, { metadata: { name: 'counted' }, spec })
  assert.equal(metadata.generation, 1)
  const labelled = await world.admin.send('PATCH', `${pods}/counted`, {
    metadata: { labels: { a: 'b' } },
  })
  assert.equal(labelled.body.metadata.generation, 1)
  const image = await world.admin.send('PATCH', `${pods}/counted`, {
    spec: { containers: [{ name: 'a', image: 'c' }] },
  })
  assert.equal(image.body.metadata.generation, 2)
  const moved = await world.admin.send('PATCH', `${pods}/counted`, { spec: { nodeName: 'n' } })
  assert.deepEqual([moved.status, moved.body.details.causes[0].field], [422, 'spec'])
})
