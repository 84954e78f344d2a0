import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, test } from 'node:test'
import { encodeCertificateRequest } from '../../../dev/kubelet/certificate-request.ts'
import { eventually } from '../../support/eventually.ts'
import { startControllers } from '../../../dev/control-plane/controllers.ts'
import { ObjectStore } from '../../../dev/control-plane/object-store.ts'
import type { Remover } from '../../../dev/control-plane/remover.ts'
import { ResourceTable } from '../../../dev/control-plane/resource-table.ts'
import { configMaps, namespaces } from '../../../dev/control-plane/resources/plain.ts'
import { silentLog } from '../../../src/log.ts'
import { startApiWorld, type ApiWorld } from './api-world.ts'

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
})
after(() => world[Symbol.asyncDispose]())

const requests = '/apis/certificates.k8s.io/v1/namespaces/default/podcertificaterequests'
const pods = '/api/v1/namespaces/default/pods'
const minute = 60_000

const { privateKey } = generateKeyPairSync('ed25519')
const stubPKCS10Request = encodeCertificateRequest({ privateKey }).toString('base64')

function request(metadata: object): object {
  return {
    metadata: { generateName: 'req-', ...metadata },
    spec: {
      signerName: 'example.com/signer',
      podName: 'p',
      podUID: 'p',
      serviceAccountName: 's',
      serviceAccountUID: 's',
      nodeName: 'n',
      nodeUID: 'n',
      stubPKCS10Request,
    },
  }
}

test('requests older than fifteen minutes are cleaned away, whatever their state', async () => {
  const pending = await world.create(requests, request({}))
  const denied = await world.create(requests, request({}))
  const condition = {
    type: 'Denied',
    status: 'True',
    reason: 'No',
    message: '',
    lastTransitionTime: new Date().toISOString(),
  }
  const status = { status: { conditions: [condition] } }
  const answer = await world.admin.send(
    'PATCH',
    `${requests}/${denied.metadata.name}/status`,
    status,
  )
  assert.equal(answer.status, 200)
  const count = async (): Promise<number> => (await world.admin.get(requests)).body.items.length
  world.clockOffset = 14 * minute
  world.api.controllers.cleanRequests()
  assert.equal(await count(), 2)
  const young = await world.create(requests, request({}))
  world.clockOffset = 16 * minute
  world.api.controllers.cleanRequests()
  const left = (await world.admin.get(requests)).body.items
  assert.deepEqual(
    left.map((item: typeof young) => item.metadata.uid),
    [young.metadata.uid],
  )
  assert.notEqual(pending.metadata.uid, young.metadata.uid)
  world.clockOffset = 0
})

test('an object goes with the last of its owners', async () => {
  const spec = { containers: [{ name: 'a', image: 'b' }] }
  const owners = await Promise.all(
    ['one', 'two'].map((name) => world.create(pods, { metadata: { name }, spec })),
  )
  const ownerReferences = owners.map(({ metadata: { name, uid } }) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    name,
    uid,
  }))
  const { metadata } = await world.create(requests, request({ ownerReferences }))
  const path = `${requests}/${metadata.name}`
  await world.admin.send('DELETE', `${pods}/one`)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal((await world.admin.get(path)).status, 200)
  await world.admin.send('DELETE', `${pods}/two`)
  await eventually(
    'the request is collected',
    async () => (await world.admin.get(path)).status === 404,
  )
})

test('a namespace is born with its default service account and takes its content along', async () => {
  await world.create('/api/v1/namespaces', { metadata: { name: 'brief' } })
  const accounts = '/api/v1/namespaces/brief/serviceaccounts'
  await eventually(
    'the default account',
    async () => (await world.admin.get(`${accounts}/default`)).status === 200,
  )
  await world.create('/api/v1/namespaces/brief/pods', {
    metadata: { name: 'bound' },
    spec: { nodeName: 'n', containers: [{ name: 'a', image: 'b' }] },
  })
  const deleted = await world.admin.send('DELETE', '/api/v1/namespaces/brief')
  assert.equal(deleted.body.status.phase, 'Terminating')
  await eventually(
    'the account is gone',
    async () => (await world.admin.get(`${accounts}/default`)).status === 404,
  )
  // Its kubelet has not let go of the pod.
  assert.equal((await world.admin.get('/api/v1/namespaces/brief')).status, 200)
  const late = await world.admin.send('POST', accounts, { metadata: { name: 'late' } })
  assert.equal(late.status, 403)
  assert.match(late.body.message, /because it is being terminated/)
  await world.admin.send('DELETE', '/api/v1/namespaces/brief/pods/bound?gracePeriodSeconds=0')
  await eventually(
    'the namespace is gone',
    async () => (await world.admin.get('/api/v1/namespaces/brief')).status === 404,
  )
})

test('the content of a namespace that goes stays for the grace that its controller gives', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const store = new ObjectStore({ historyLength: 16 })
  const removed: string[] = []
  const namespace = {
    metadata: { name: 'blue', uid: 'u', resourceVersion: '', creationTimestamp: '' },
  }
  const controllers = startControllers({
    store,
    table: new ResourceTable({ podCertificateVersions: ['v1'] }),
    remover: { remove: ({ name }: { name: string }) => removed.push(name) } as unknown as Remover,
    now: Date.now,
    log: silentLog,
    namespaceGraceMilliseconds: 5000,
  })
  store.put(configMaps, { metadata: { ...namespace.metadata, name: 'map', namespace: 'blue' } })
  const metadata = { ...namespace.metadata, deletionTimestamp: '2026-11-20T10:00:00Z' }
  store.put(namespaces, { metadata })
  await new Promise((resolve) => setImmediate(resolve))
  t.mock.timers.tick(4999)
  assert.deepEqual(removed, [])
  t.mock.timers.tick(1)
  assert.deepEqual(removed, ['map'])
  controllers.close()
})
