import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { definitions } from '../../../support/table-cases.ts'
import { startApiWorld, type ApiWorld } from '../api-world.ts'

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  for (const definition of definitions) await world.create(path, definition)
})
after(() => world[Symbol.asyncDispose]())

test('the index names a document for each group and version, for every authenticated user', async () => {
  const { body } = await world.user('reader').get('/openapi/v3')
  assert.deepEqual(Object.keys(body.paths).toSorted(), [
    'api/v1',
    'apis/admissionregistration.k8s.io/v1',
    'apis/apiextensions.k8s.io/v1',
    'apis/apps/v1',
    'apis/batch/v1',
    'apis/certificates.k8s.io/v1',
    'apis/coordination.k8s.io/v1',
    'apis/rbac.authorization.k8s.io/v1',
    'apis/tables.countersign.dev/v1',
  ])
  for (const { serverRelativeURL } of Object.values<{ serverRelativeURL: string }>(body.paths)) {
    assert.equal((await world.admin.get(serverRelativeURL)).status, 200, serverRelativeURL)
  }
  assert.equal((await world.admin.get('/openapi/v3/apis/nothing/v1')).status, 404)
})

test('a document changes its hash with its content', async () => {
  const url = async (): Promise<string> =>
    (await world.admin.get('/openapi/v3')).body.paths['apis/tables.countersign.dev/v1']
      .serverRelativeURL
  const before = await url()
  const name = 'plainer.tables.countersign.dev'
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`
  assert.equal((await world.admin.send('DELETE', path)).status, 200)
  assert.notEqual(await url(), before)
})

test('every reference of a document is in it', async () => {
  const { body } = await world.admin.get('/openapi/v3/api/v1')
  const names = new Set(Object.keys(body.components.schemas))
  const references = [...JSON.stringify(body).matchAll(/"#\/components\/schemas\/([^"]+)"/g)]
  assert.ok(references.length > 100)
  assert.deepEqual(
    references.map(([, name]) => name).filter((name) => !names.has(name ?? '')),
    [],
  )
})

test('a built-in kind takes a strategic merge and checks its fields here; a custom one has no strategy', async () => {
  const patchOf = async (
    place: string,
    path: string,
  ): Promise<{ media: string[]; parameters: string[] }> => {
    const { body } = await world.admin.get(`/openapi/v3/${place}`)
    const { patch } = body.paths[`/${place}/namespaces/{namespace}/${path}/{name}`]
    return {
      media: Object.keys(patch.requestBody.content),
      parameters: patch.parameters.map(({ name }: { name: string }) => name),
    }
  }
  const builtIn = await patchOf('api/v1', 'pods')
  assert.ok(builtIn.media.includes('application/strategic-merge-patch+json'))
  assert.ok(builtIn.parameters.includes('fieldValidation'))
  const custom = await patchOf('apis/tables.countersign.dev/v1', 'shown')
  assert.equal(custom.media.includes('application/strategic-merge-patch+json'), false)
})

test('discovery comes as one document for who takes it so, and in parts for others', async () => {
  const accept =
    'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
  const { body } = await world.admin.get('/apis', accept)
  assert.equal(body.kind, 'APIGroupDiscoveryList')
  const group = body.items.find(
    ({ metadata }: { metadata: { name: string } }) => metadata.name === 'certificates.k8s.io',
  )
  const [requests] = group.versions[0].resources
  assert.deepEqual(requests, {
    resource: 'podcertificaterequests',
    responseKind: { group: 'certificates.k8s.io', version: 'v1', kind: 'PodCertificateRequest' },
    scope: 'Namespaced',
    singularResource: 'podcertificaterequest',
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    subresources: [
      {
        subresource: 'status',
        responseKind: {
          group: 'certificates.k8s.io',
          version: 'v1',
          kind: 'PodCertificateRequest',
        },
        verbs: ['get', 'patch', 'update'],
      },
    ],
  })
  assert.equal((await world.admin.get('/api', accept)).body.items.length, 1)
  assert.equal((await world.admin.get('/apis', 'application/json')).body.kind, 'APIGroupList')
})

test('unknown members are named when validation is strict, and dropped when it is not', async () => {
  const path = '/api/v1/namespaces/default/services'
  const service = {
    metadata: { name: 'strict', labls: {} },
    spec: { ports: [{ port: 80, name: 'a', prt: 1 }], selectr: {} },
  }
  const strict = await world.admin.send('POST', `${path}?fieldValidation=Strict`, service)
  assert.equal(strict.status, 400)
  for (const field of ['metadata.labls', 'spec.ports[0].prt', 'spec.selectr']) {
    assert.ok(strict.body.message.includes(`unknown field "${field}"`), strict.body.message)
  }
  const lenient = await world.admin.send('POST', path, service)
  assert.equal(lenient.status, 201)
  assert.equal('selectr' in lenient.body.spec, false)
})

test('a member of a wrong type is a 400 that names it', async () => {
  const pod = { metadata: { name: 'typed' }, spec: { containers: [{ name: 'a', image: 7 }] } }
  const { status, body } = await world.admin.send('POST', '/api/v1/namespaces/default/pods', pod)
  assert.equal(status, 400)
  assert.match(body.message, /spec\.containers\[0\]\.image/)
})
