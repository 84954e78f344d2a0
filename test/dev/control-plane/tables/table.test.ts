import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { readTableVectors, shownAs, tableMedia } from '../../../support/table-vectors.ts'
import { startApiWorld, type ApiWorld } from '../api-world.ts'

const vectors = readTableVectors()

test('the vectors of tables are of every resource that has columns of its own', () => {
  assert.ok(vectors.length >= 40, String(vectors.length))
})

for (const { case: title, columns, cells, ...vector } of vectors) {
  test(`a table shows ${title} as a real API server does`, () => {
    assert.deepEqual(shownAs(vector), { columns, cells })
  })
}

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
})
after(() => world[Symbol.asyncDispose]())

const maps = '/api/v1/namespaces/default/configmaps'

test('a list is a table for who asks for one, with the metadata of each object beside its row', async () => {
  await world.create(maps, { metadata: { name: 'listed' }, data: { a: '1' } })
  const { body } = await world.admin.get(`${maps}?fieldSelector=metadata.name%3Dlisted`, tableMedia)
  assert.equal(body.kind, 'Table')
  assert.equal(body.apiVersion, 'meta.k8s.io/v1')
  assert.match(body.metadata.resourceVersion, /^\d+$/)
  assert.deepEqual(
    body.columnDefinitions.map(({ name }: { name: string }) => name),
    ['Name', 'Data', 'Age'],
  )
  const [row] = body.rows
  assert.deepEqual(row.cells.slice(0, 2), ['listed', 1])
  assert.equal(row.object.kind, 'PartialObjectMetadata')
  assert.equal(row.object.metadata.name, 'listed')
  assert.equal('data' in row.object, false)
})

test('a row comes with nothing, or with all of its object, when that is asked for', async () => {
  await world.create(maps, { metadata: { name: 'rows' }, data: { a: '1' } })
  const row = async (included: string): Promise<{ object: object | null }> =>
    (await world.admin.get(`${maps}/rows?includeObject=${included}`, tableMedia)).body.rows[0]
  assert.equal((await row('None')).object, null)
  assert.deepEqual({ data: { a: '1' }, ...(await row('Object')).object }.data, { a: '1' })
  const { status, body } = await world.admin.get(`${maps}/rows?includeObject=Some`, tableMedia)
  assert.equal(status, 422)
  assert.match(body.message, /includeObject: Unsupported value: "Some"/)
})

test('of a watched table only the first event has headers', async () => {
  await using watch = await world.admin.watch(`${maps}?watch=1`, tableMedia)
  await world.create(maps, { metadata: { name: 'first' } })
  await world.create(maps, { metadata: { name: 'second' } })
  const named = async (name: string): Promise<{ columnDefinitions: object[] | null }> => {
    for (;;) {
      const { object } = await watch.next()
      if (object.rows[0].cells[0] === name) return object
    }
  }
  const all = [await watch.next()]
  assert.ok(all[0]?.object.columnDefinitions.length === 3)
  assert.equal((await named('second')).columnDefinitions, null)
})

test('metadata alone is what a client gets that asks for it, of one object and of a list', async () => {
  await world.create(maps, { metadata: { name: 'partial' }, data: { a: '1' } })
  const one = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'
  const { body } = await world.admin.get(`${maps}/partial`, one)
  assert.deepEqual(
    [body.kind, body.metadata.name, body.data],
    ['PartialObjectMetadata', 'partial', undefined],
  )
  const many = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'
  const list = (await world.admin.get(maps, many)).body
  assert.equal(list.kind, 'PartialObjectMetadataList')
  assert.ok(list.items.every((item: object) => !('data' in item)))
})

test('the first representation that the server makes is taken', async () => {
  const kinds: Readonly<Record<string, string>> = {
    'application/vnd.kubernetes.protobuf,application/json': 'ConfigMapList',
    'application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json': 'ConfigMapList',
    [`application/json;as=Table;v=v9;g=meta.k8s.io,${tableMedia},application/json`]: 'Table',
    'application/json;as=Something;v=v1;g=meta.k8s.io': 'ConfigMapList',
    'text/html': 'ConfigMapList',
    '*/*': 'ConfigMapList',
  }
  for (const [accept, kind] of Object.entries(kinds)) {
    assert.equal((await world.admin.get(maps, accept)).body.kind, kind, accept)
  }
})
