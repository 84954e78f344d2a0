import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startApiWorld, type ApiUser, type ApiWorld } from './api-world.ts'

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
  await world.create('/api/v1/namespaces', { metadata: { name: 'team' } })
})
after(() => world[Symbol.asyncDispose]())

const rbac = '/apis/rbac.authorization.k8s.io/v1'
let roles = 0

/** A user who holds one rule, everywhere or in one namespace. */
async function holder(rule: object, namespace?: string): Promise<ApiUser> {
  roles += 1
  const name = `holder-${roles}`
  const where = namespace === undefined ? '' : `/namespaces/${namespace}`
  const kind = namespace === undefined ? 'ClusterRole' : 'Role'
  await world.create(`${rbac}${where}/${kind.toLowerCase()}s`, {
    metadata: { name },
    rules: [rule],
  })
  await world.create(`${rbac}${where}/${kind.toLowerCase()}bindings`, {
    metadata: { name },
    roleRef: { kind, name },
    subjects: [{ kind: 'User', name }],
  })
  return world.user(name)
}

const get = (resources: string, more: object = {}): object => ({
  apiGroups: [''],
  resources: [resources],
  verbs: ['get'],
  ...more,
})

const cases: readonly {
  readonly rule: object
  readonly namespace?: string
  readonly allowed: readonly string[]
  readonly refused: readonly string[]
}[] = [
  {
    rule: get('pods'),
    allowed: ['GET /api/v1/namespaces/team/pods/a'],
    refused: [
      'GET /api/v1/namespaces/team/pods',
      'GET /api/v1/namespaces/team/pods?watch=1',
      'GET /api/v1/namespaces/team/pods/a/status',
      'DELETE /api/v1/namespaces/team/pods/a',
      'GET /api/v1/namespaces/team/secrets/a',
      'GET /apis/coordination.k8s.io/v1/namespaces/team/leases/a',
    ],
  },
  {
    rule: get('pods/status'),
    allowed: ['GET /api/v1/namespaces/team/pods/a/status'],
    refused: ['GET /api/v1/namespaces/team/pods/a'],
  },
  {
    rule: get('*/status'),
    allowed: ['GET /api/v1/namespaces/team/pods/a/status', 'GET /api/v1/nodes/a/status'],
    refused: ['GET /api/v1/nodes/a'],
  },
  {
    rule: get('*'),
    allowed: ['GET /api/v1/namespaces/team/secrets/a', 'GET /api/v1/nodes/a/status'],
    refused: ['GET /apis/coordination.k8s.io/v1/namespaces/team/leases/a'],
  },
  {
    rule: get('configmaps', { resourceNames: ['mine'], verbs: ['*'] }),
    allowed: [
      'GET /api/v1/namespaces/team/configmaps/mine',
      'DELETE /api/v1/namespaces/team/configmaps/mine',
      'GET /api/v1/namespaces/team/configmaps?fieldSelector=metadata.name%3Dmine',
    ],
    refused: [
      'GET /api/v1/namespaces/team/configmaps/other',
      'GET /api/v1/namespaces/team/configmaps',
      'POST /api/v1/namespaces/team/configmaps',
      'GET /api/v1/namespaces/team/configmaps?fieldSelector=metadata.name!%3Dmine',
    ],
  },
  {
    rule: get('pods', { verbs: ['list'] }),
    namespace: 'team',
    allowed: ['GET /api/v1/namespaces/team/pods'],
    refused: ['GET /api/v1/pods', 'GET /api/v1/namespaces/default/pods'],
  },
  {
    rule: get('namespaces'),
    namespace: 'team',
    allowed: ['GET /api/v1/namespaces/team'],
    refused: ['GET /api/v1/namespaces/default', 'GET /api/v1/namespaces'],
  },
  {
    rule: { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
    allowed: ['GET /api/v1/secrets', 'GET /apis/example.com/v1/things'],
    refused: ['GET /metrics'],
  },
  {
    rule: { nonResourceURLs: ['/metrics', '/debug/*'], verbs: ['get'] },
    allowed: ['GET /metrics', 'GET /debug/a/b'],
    refused: ['GET /debugger', 'GET /api/v1/pods'],
  },
]

for (const { rule, namespace, allowed, refused } of cases) {
  test(`the rule ${JSON.stringify(rule)} in ${namespace ?? 'the cluster'} allows what it says and no more`, async () => {
    const user = await holder(rule, namespace)
    for (const [requests, isAllowed] of [
      [allowed, true],
      [refused, false],
    ] as const) {
      for (const request of requests) {
        const [method = '', path = ''] = request.split(' ')
        const { status } = await user.send(
          method,
          path,
          method === 'POST' ? { metadata: {} } : undefined,
        )
        assert.equal(status !== 403, isAllowed, `${request}: ${status}`)
      }
    }
  })
}

test('groups and service accounts hold rights too', async () => {
  const subjects = [
    { kind: 'Group', name: 'crew' },
    { kind: 'ServiceAccount', name: 'robot', namespace: 'team' },
  ]
  await world.create(`${rbac}/clusterroles`, {
    metadata: { name: 'crew' },
    rules: [get('nodes', { verbs: ['list'] })],
  })
  await world.create(`${rbac}/clusterrolebindings`, {
    metadata: { name: 'crew' },
    roleRef: { kind: 'ClusterRole', name: 'crew' },
    subjects,
  })
  const holders: readonly (readonly [ApiUser, number])[] = [
    [world.user('ann', ['crew']), 200],
    [world.user('crew'), 403],
    [world.user('system:serviceaccount:team:robot'), 200],
    [world.user('system:serviceaccount:other:robot'), 403],
    [world.user('robot'), 403],
  ]
  for (const [user, status] of holders)
    assert.equal((await user.get('/api/v1/nodes')).status, status)
})

test('a binding whose role has gone gives nothing, and a new role of that name gives its own', async () => {
  const user = await holder(get('pods', { verbs: ['list'] }))
  const name = `holder-${roles}`
  assert.equal((await user.get('/api/v1/pods')).status, 200)
  await world.admin.send('DELETE', `${rbac}/clusterroles/${name}`)
  assert.equal((await user.get('/api/v1/pods')).status, 403)
  await world.create(`${rbac}/clusterroles`, {
    metadata: { name },
    rules: [get('nodes', { verbs: ['list'] })],
  })
  assert.equal((await user.get('/api/v1/pods')).status, 403)
  assert.equal((await user.get('/api/v1/nodes')).status, 200)
})

test('service accounts read trust bundles, others do not', async () => {
  const path = '/apis/certificates.k8s.io/v1/clustertrustbundles'
  const account = world.user('system:serviceaccount:team:any', ['system:serviceaccounts'])
  assert.equal((await account.get(path)).status, 200)
  assert.equal((await world.user('somebody').get(path)).status, 403)
})
