import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startApiWorld, type ApiUser, type ApiWorld } from './api-world.ts'

let world: ApiWorld
let node: ApiUser
let other: ApiUser
before(async () => {
  world = await startApiWorld()
  node = world.user('system:node:n1', ['system:nodes'])
  other = world.user('system:node:n2', ['system:nodes'])
  for (const name of ['n1', 'n2']) await world.create('/api/v1/nodes', { metadata: { name } })
  await world.create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'worker' } })
  await world.create('/api/v1/namespaces/default/pods', {
    metadata: { name: 'p' },
    spec: {
      nodeName: 'n1',
      serviceAccountName: 'worker',
      containers: [{ name: 'a', image: 'b' }],
      volumes: [
        { name: 's', secret: { secretName: 'used' } },
        { name: 'c', projected: { sources: [{ configMap: { name: 'used' } }] } },
      ],
    },
  })
})
after(() => world[Symbol.asyncDispose]())

const inDefault = '/api/v1/namespaces/default'
const requests = '/apis/certificates.k8s.io/v1/namespaces/default/podcertificaterequests'
const leases = '/apis/coordination.k8s.io/v1/namespaces'

/** What n1, which runs the pod, and n2, which does not, are answered. */
const table: readonly (readonly [method: string, path: string, n1: number, n2: number])[] = [
  ['GET', '/api/v1/nodes/n1', 200, 403],
  ['GET', '/api/v1/nodes', 403, 403],
  ['GET', '/api/v1/nodes?fieldSelector=metadata.name%3Dn1', 200, 403],
  ['DELETE', '/api/v1/nodes/n1', 403, 403],
  ['PATCH', '/api/v1/nodes/n1', 200, 403],
  ['PATCH', '/api/v1/nodes/n1/status', 200, 403],
  ['GET', `${inDefault}/pods/p`, 200, 403],
  ['GET', '/api/v1/pods', 403, 403],
  ['GET', '/api/v1/pods?fieldSelector=spec.nodeName%3Dn1', 200, 403],
  ['GET', '/api/v1/pods?fieldSelector=spec.nodeName!%3Dn2', 403, 403],
  ['GET', `${inDefault}/pods?fieldSelector=metadata.name%3Dp`, 200, 403],
  ['PATCH', `${inDefault}/pods/p`, 403, 403],
  ['PATCH', `${inDefault}/pods/p/status`, 200, 403],
  ['GET', `${inDefault}/serviceaccounts/worker`, 200, 403],
  ['GET', `${inDefault}/serviceaccounts/default`, 403, 403],
  ['GET', `${inDefault}/serviceaccounts`, 403, 403],
  ['GET', `${inDefault}/secrets/used`, 404, 403],
  ['GET', `${inDefault}/secrets/unused`, 403, 403],
  ['GET', `${inDefault}/secrets`, 403, 403],
  ['GET', `${inDefault}/configmaps/used`, 404, 403],
  ['GET', `${inDefault}/configmaps/unused`, 403, 403],
  ['GET', requests, 403, 403],
  ['GET', `${requests}?fieldSelector=spec.nodeName%3Dn1`, 200, 403],
  ['GET', `${requests}/none`, 403, 403],
  ['PATCH', `${requests}/none/status`, 403, 403],
  ['DELETE', `${requests}/none`, 403, 403],
  ['GET', `${leases}/kube-node-lease/leases/n1`, 404, 403],
  ['GET', `${leases}/default/leases/n1`, 403, 403],
  ['GET', '/api/v1/services', 200, 200],
  ['GET', '/apis/certificates.k8s.io/v1/clustertrustbundles', 200, 200],
  ['GET', '/api/v1/namespaces', 403, 403],
  ['GET', `${inDefault}/events`, 403, 403],
  ['GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles', 403, 403],
]

for (const [method, path, forOwn, forOther] of table) {
  test(`${method} ${path}: ${forOwn} for the pod’s node, ${forOther} for another`, async () => {
    const body = method === 'PATCH' ? {} : undefined
    assert.equal((await node.send(method, path, body)).status, forOwn)
    assert.equal((await other.send(method, path, body)).status, forOther)
  })
}

test('a refusal says that the Node authorizer found no relationship', async () => {
  const { body } = await other.get(`${inDefault}/pods/p`)
  const who =
    'User "system:node:n2" cannot get resource "pods" in API group "" in the namespace "default"'
  const why = "node: no relationship found between node 'n2' and this object"
  assert.equal(body.message, `pods "p" is forbidden: ${who}: ${why}`)
})

test('a node’s name without the group, and the group without the name, are nobody', async () => {
  for (const user of [world.user('system:node:n1'), world.user('n1', ['system:nodes'])]) {
    assert.equal((await user.get('/api/v1/nodes/n1')).status, 403)
  }
})
