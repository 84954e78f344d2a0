import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startApiWorld, type ApiUser, type ApiWorld } from './api-world.ts'

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
})
after(() => world[Symbol.asyncDispose]())

const maps = '/api/v1/namespaces/default/configmaps'

test('nobody is anonymous: no certificate, a foreign one and an unknown token are 401', async () => {
  const strangers: Readonly<Record<string, ApiUser>> = {
    'no credential': world.anonymous(),
    'a certificate of another authority': world.foreigner('admin', ['system:masters']),
    'a token that was never given': world.bearer('x'.repeat(43)),
    'a token that is none': world.bearer('a b'),
  }
  for (const [who, user] of Object.entries(strangers)) {
    for (const path of ['/healthz', '/version', '/api/v1/pods', '/nope']) {
      const { status, body } = await user.get(path)
      assert.deepEqual(
        [status, body.kind, body.reason],
        [401, 'Status', 'Unauthorized'],
        `${who} ${path}`,
      )
    }
  }
})

test('a user is the CN of its certificate and its groups are the Os, whatever characters they hold', async () => {
  const name = 'eve, "the" CN=admin/O=system:masters'
  const user = world.user(name, ['first', 'system:masters, really'])
  const { body } = await user.get('/api/v1/pods')
  const message = `pods is forbidden: User ${JSON.stringify(name)} cannot list resource "pods" in API group "" at the cluster scope`
  assert.equal(body.message, message)
  assert.equal(body.code, 403)
})

test('discovery, health and version are for every authenticated user', async () => {
  const user = world.user('reader')
  assert.equal((await user.get('/healthz')).body, 'ok')
  assert.equal((await user.get('/readyz')).body, 'ok')
  assert.equal((await user.get('/livez')).body, 'ok')
  assert.equal((await user.get('/version')).body.gitVersion, 'v1.37.0+countersign')
  assert.deepEqual((await user.get('/api')).body.versions, ['v1'])
  const groups = (await user.get('/apis')).body.groups.map((group: { name: string }) => group.name)
  assert.deepEqual(groups.toSorted(), [
    'admissionregistration.k8s.io',
    'apiextensions.k8s.io',
    'apps',
    'batch',
    'certificates.k8s.io',
    'coordination.k8s.io',
    'rbac.authorization.k8s.io',
  ])
  const { resources } = (await user.get('/apis/certificates.k8s.io/v1')).body
  const names = resources.map((resource: { name: string }) => resource.name)
  assert.deepEqual(names, [
    'podcertificaterequests',
    'podcertificaterequests/status',
    'clustertrustbundles',
  ])
  assert.equal((await world.admin.get('/apis/certificates.k8s.io/v1beta1')).status, 404)
})

test('what is not there is a 404 for those who may see it and a 403 for the others', async () => {
  const user = world.user('reader')
  const cases: readonly (readonly [string, number, number])[] = [
    ['/nope', 404, 403],
    ['/apis/example.com/v1/things', 404, 403],
    ['/api/v1/namespaces/default/pods/none', 404, 403],
    ['/api/v1/pods/none', 404, 403],
    ['/api/v1/namespaces/default/nodes', 404, 403],
    ['/api/v1/namespaces/default/configmaps/a/status', 404, 403],
    ['/api/v1/namespaces/default/pods/none/log', 404, 403],
    ['/api/v1/namespaces/default/pods//status', 404, 404],
    ['/api/v1/namespaces/default/pods/%zz', 404, 404],
  ]
  for (const [path, forAdmin, forOthers] of cases) {
    assert.equal((await world.admin.get(path)).status, forAdmin, path)
    assert.equal((await user.get(path)).status, forOthers, path)
  }
})

test('a body of more than 3 MiB is a 413, whatever its declared length', async () => {
  const data = { big: 'x'.repeat(3 * 1024 * 1024) }
  const { status, body } = await world.admin.send('POST', maps, { metadata: { name: 'big' }, data })
  assert.deepEqual([status, body.reason], [413, 'RequestEntityTooLarge'])
})

test('a body that is no JSON object is a 400', async () => {
  const bodies: Readonly<Record<string, Buffer>> = {
    'half an object': Buffer.from('{"metadata":'),
    'an array': Buffer.from('[]'),
    null: Buffer.from('null'),
    nothing: Buffer.from(''),
    'five hundred and one levels': Buffer.from(`${'['.repeat(501)}${']'.repeat(501)}`),
    'a million levels': Buffer.from(`${'['.repeat(1e6)}${']'.repeat(1e6)}`),
  }
  for (const [what, octets] of Object.entries(bodies)) {
    const { status, body } = await world.admin.send('POST', maps, octets)
    assert.deepEqual([status, body.reason], [400, 'BadRequest'], what)
  }
})

test('a body that is not said to be JSON is a 415, whatever the path', async () => {
  const mediaType = 'application/vnd.kubernetes.protobuf'
  const reviews = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
  for (const path of [maps, reviews]) {
    const { status, body } = await world.admin.send('POST', path, Buffer.from('k8s'), mediaType)
    assert.equal(status, 415, path)
    assert.match(body.message, /accepted media types include: application\/json$/)
  }
})

test('a method that a resource does not take is a 405', async () => {
  const cases: readonly (readonly [string, string])[] = [
    ['POST', `${maps}/a`],
    ['PUT', maps],
    ['PATCH', maps],
    ['POST', '/api/v1/configmaps'],
  ]
  for (const [method, path] of cases) {
    const { status } = await world.admin.send(method, path, { metadata: { name: 'a' } })
    assert.equal(status, 405, `${method} ${path}`)
  }
})

test('v1beta1 is served over the same storage when asked for, and v1 hides the old key pair', async () => {
  await using both = await startApiWorld({ podCertificateVersions: ['v1', 'v1beta1'] })
  const { body } = await both.admin.get('/apis/certificates.k8s.io')
  assert.deepEqual(
    body.versions.map(({ version }: { version: string }) => version),
    ['v1', 'v1beta1'],
  )
  const { groupVersion } = (await both.admin.get('/apis/certificates.k8s.io/v1beta1')).body
  assert.equal(groupVersion, 'certificates.k8s.io/v1beta1')
})

test('a review of one’s own access says what a write would meet', async () => {
  const user = world.user('asker')
  const role = { name: 'asker' }
  await world.create('/apis/rbac.authorization.k8s.io/v1/clusterroles', {
    metadata: role,
    rules: [
      {
        apiGroups: ['certificates.k8s.io'],
        resources: ['signers'],
        resourceNames: ['example.com/*'],
        verbs: ['sign'],
      },
    ],
  })
  await world.create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: role,
    roleRef: { kind: 'ClusterRole', name: 'asker' },
    subjects: [{ kind: 'User', name: 'asker' }],
  })
  const ask = async (spec: object): Promise<boolean> => {
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
    const { status, body } = await user.send('POST', path, { spec })
    assert.equal(status, 201)
    return body.status.allowed
  }
  const sign = { group: 'certificates.k8s.io', resource: 'signers', verb: 'sign' }
  assert.equal(await ask({ resourceAttributes: { ...sign, name: 'example.com/*' } }), true)
  // The trap: a right on the whole domain does not show for one of its names.
  assert.equal(await ask({ resourceAttributes: { ...sign, name: 'example.com/a' } }), false)
  assert.equal(await ask({ nonResourceAttributes: { verb: 'get', path: '/healthz' } }), true)
  assert.equal(await ask({ nonResourceAttributes: { verb: 'get', path: '/metrics' } }), false)
})
