import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, test } from 'node:test'
import { encodeCertificateRequest } from '../../../dev/kubelet/certificate-request.ts'
import { startApiWorld, type ApiUser, type ApiWorld } from './api-world.ts'

const pods = '/api/v1/namespaces/default/pods'
const requests = '/apis/certificates.k8s.io/v1/namespaces/default/podcertificaterequests'
const signerName = 'example.com/signer'
const mirror = 'kubernetes.io/config.mirror'

const { privateKey } = generateKeyPairSync('ed25519')
const stubPKCS10Request = encodeCertificateRequest({ privateKey }).toString('base64')

let world: ApiWorld
let node: ApiUser
let good: Readonly<Record<string, string>>

before(async () => {
  world = await startApiWorld()
  node = world.user('system:node:n1', ['system:nodes'])
  const n1 = await world.create('/api/v1/nodes', { metadata: { name: 'n1' } })
  await world.create('/api/v1/nodes', { metadata: { name: 'n2' } })
  const account = (await world.admin.get('/api/v1/namespaces/default/serviceaccounts/default')).body
  const podCertificate = { signerName, keyType: 'ED25519', keyPath: 'key' }
  const volumes = [{ name: 'v', projected: { sources: [{ podCertificate }] } }]
  const containers = [{ name: 'a', image: 'b' }]
  const here = { nodeName: 'n1', containers, volumes }
  const pod = await world.create(pods, { metadata: { name: 'here' }, spec: here })
  await world.create(pods, { metadata: { name: 'there' }, spec: { ...here, nodeName: 'n2' } })
  await world.create(pods, { metadata: { name: 'bare' }, spec: { nodeName: 'n1', containers } })
  await world.create(pods, {
    metadata: { name: 'mirror', annotations: { [mirror]: '' } },
    spec: here,
  })
  await world.create(pods, { metadata: { name: 'leaving' }, spec: here })
  await world.admin.send('DELETE', `${pods}/leaving`)
  good = {
    signerName,
    podName: 'here',
    podUID: pod.metadata.uid,
    serviceAccountName: 'default',
    serviceAccountUID: account.metadata.uid,
    nodeName: 'n1',
    nodeUID: n1.metadata.uid,
    stubPKCS10Request,
  }
})
after(() => world[Symbol.asyncDispose]())

async function podUid(name: string): Promise<string> {
  return (await world.admin.get(`${pods}/${name}`)).body.metadata.uid
}

const cases: readonly (readonly [string, () => Promise<object>, number])[] = [
  ['for a pod that runs here', async () => ({}), 201],
  [
    'for a pod that is terminating',
    async () => ({ podName: 'leaving', podUID: await podUid('leaving') }),
    201,
  ],
  ['in the name of another node', async () => ({ nodeName: 'n2' }), 403],
  ['with another service account', async () => ({ serviceAccountName: 'other' }), 403],
  [
    'for a pod that is bound elsewhere',
    async () => ({ podName: 'there', podUID: await podUid('there') }),
    403,
  ],
  ['for a mirror pod', async () => ({ podName: 'mirror', podUID: await podUid('mirror') }), 403],
  [
    'for a pod that declares no such certificate',
    async () => ({ podName: 'bare', podUID: await podUid('bare') }),
    403,
  ],
  [
    'for a signer that the pod does not name',
    async () => ({ signerName: 'example.com/other' }),
    403,
  ],
  // May be lag, so kubelet may try again.
  ['with another node UID', async () => ({ nodeUID: 'other' }), 500],
  ['with another pod UID', async () => ({ podUID: 'other' }), 500],
  ['with another service account UID', async () => ({ serviceAccountUID: 'other' }), 500],
  ['for a pod that is not there', async () => ({ podName: 'ghost' }), 500],
]

for (const [what, change, status] of cases) {
  test(`a node that asks ${what} is answered with ${status}`, async () => {
    const spec = { ...good, ...(await change()) }
    const answer = await node.send('POST', requests, { metadata: { generateName: 'req-' }, spec })
    assert.equal(answer.status, status, JSON.stringify(answer.body))
  })
}

test('others who may create requests are not compared with anything', async () => {
  const spec = {
    ...good,
    podName: 'ghost',
    podUID: 'ghost',
    nodeName: 'nowhere',
    nodeUID: 'nowhere',
  }
  const answer = await world.admin.send('POST', requests, {
    metadata: { generateName: 'req-' },
    spec,
  })
  assert.equal(answer.status, 201)
})

test('a node deletes its own pods only, and creates mirror pods only', async () => {
  assert.equal((await node.send('DELETE', `${pods}/there`)).status, 403)
  assert.equal((await node.send('DELETE', `${pods}/bare?gracePeriodSeconds=0`)).status, 200)
  const spec = { nodeName: 'n1', containers: [{ name: 'a', image: 'b' }] }
  const plain = await node.send('POST', pods, { metadata: { name: 'made' }, spec })
  assert.match(plain.body.message, /can only create mirror pods/)
  const metadata = { name: 'made', annotations: { [mirror]: '' } }
  const elsewhere = await node.send('POST', pods, { metadata, spec: { ...spec, nodeName: 'n2' } })
  assert.equal(elsewhere.status, 403)
  const referring = { ...spec, volumes: [{ name: 's', secret: { secretName: 'x' } }] }
  assert.equal((await node.send('POST', pods, { metadata, spec: referring })).status, 403)
  assert.equal((await node.send('POST', pods, { metadata, spec })).status, 201)
})

test('a node writes no other node, and not its own taints', async () => {
  const taints = [{ key: 'a', effect: 'NoSchedule' }]
  assert.equal((await node.send('PATCH', '/api/v1/nodes/n2', {})).status, 403)
  const own = await node.send('PATCH', '/api/v1/nodes/n1', { spec: { taints } })
  assert.match(own.body.message, /is not allowed to modify taints/)
  assert.equal((await node.send('POST', '/api/v1/nodes', { metadata: { name: 'n3' } })).status, 403)
})

test('a node renews the lease of its own name only', async () => {
  const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
  assert.equal((await node.send('POST', leases, { metadata: { name: 'n2' } })).status, 403)
  assert.equal((await node.send('POST', leases, { metadata: { name: 'n1' } })).status, 201)
})
