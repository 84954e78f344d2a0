import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { startApiWorld, type Answer, type ApiWorld } from './api-world.ts'

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
  await world.create('/api/v1/nodes', { metadata: { name: 'n1' } })
})
after(() => world[Symbol.asyncDispose]())
beforeEach(() => {
  world.clockOffset = 0
})

const accounts = '/api/v1/namespaces/default/serviceaccounts'
const pods = '/api/v1/namespaces/default/pods'

async function account(name: string): Promise<void> {
  await world.create(accounts, { metadata: { name } })
}

function ask(name: string, spec: object): Promise<Answer> {
  return world.admin.send('POST', `${accounts}/${name}/token`, { spec })
}

async function whoIs(token: string): Promise<string> {
  const { status, body } = await world.bearer(token).get('/api/v1/secrets')
  return status === 403 ? body.message : String(status)
}

test('a token names its service account', async () => {
  await account('named')
  const { status, body } = await ask('named', { expirationSeconds: 900 })
  assert.deepEqual([status, body.kind], [201, 'TokenRequest'])
  const lifetime = Date.parse(body.status.expirationTimestamp) - Date.now()
  assert.ok(lifetime > 890_000 && lifetime <= 900_000)
  assert.match(await whoIs(body.status.token), /User "system:serviceaccount:default:named"/)
})

test('a token ends with its time', async () => {
  await account('timed')
  const { body } = await ask('timed', { expirationSeconds: 600 })
  world.clockOffset = 599_000
  assert.match(await whoIs(body.status.token), /timed/)
  world.clockOffset = 601_000
  assert.equal(await whoIs(body.status.token), '401')
})

test('a token ends with its service account, and the next of that name does not revive it', async () => {
  await account('replaced')
  const { body } = await ask('replaced', {})
  await world.admin.send('DELETE', `${accounts}/replaced`)
  assert.equal(await whoIs(body.status.token), '401')
  await account('replaced')
  assert.equal(await whoIs(body.status.token), '401')
})

test('a bound token ends with its pod', async () => {
  const spec = {
    nodeName: 'n1',
    serviceAccountName: 'default',
    containers: [{ name: 'a', image: 'b' }],
  }
  const { metadata } = await world.create(pods, { metadata: { name: 'bound' }, spec })
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: 'bound', uid: metadata.uid }
  const { body } = await ask('default', { boundObjectRef })
  assert.match(await whoIs(body.status.token), /default:default/)
  await world.admin.send('DELETE', `${pods}/bound?gracePeriodSeconds=0`)
  assert.equal(await whoIs(body.status.token), '401')
})

test('a token is not given for what is not there or does not fit', async () => {
  await account('other')
  const containers = [{ name: 'a', image: 'b' }]
  await world.create(pods, { metadata: { name: 'p' }, spec: { nodeName: 'n1', containers } })
  const bound = (more: object): object => ({ boundObjectRef: { kind: 'Pod', name: 'p', ...more } })
  const cases: readonly (readonly [string, object, number])[] = [
    ['none', {}, 404],
    ['other', { expirationSeconds: 599 }, 422],
    ['other', { expirationSeconds: 'soon' }, 422],
    ['default', bound({ name: 'ghost' }), 404],
    ['default', bound({ uid: 'x' }), 409],
    ['default', bound({ kind: 'Secret' }), 400],
    ['other', bound({}), 403],
  ]
  for (const [name, spec, status] of cases) {
    assert.equal((await ask(name, spec)).status, status, `${name} ${JSON.stringify(spec)}`)
  }
})

test('a node is given tokens for its own pods only', async () => {
  const spec = { serviceAccountName: 'default', containers: [{ name: 'a', image: 'b' }] }
  const own = await world.create(pods, {
    metadata: { name: 'own' },
    spec: { ...spec, nodeName: 'n1' },
  })
  const far = await world.create(pods, {
    metadata: { name: 'far' },
    spec: { ...spec, nodeName: 'n2' },
  })
  const node = world.user('system:node:n1', ['system:nodes'])
  const request = (ref: object | undefined) =>
    node.send('POST', `${accounts}/default/token`, { spec: { boundObjectRef: ref } })
  const refTo = ({ metadata }: Answer['body']): object => ({
    kind: 'Pod',
    name: metadata.name,
    uid: metadata.uid,
  })
  assert.equal((await request(refTo(own))).status, 201)
  assert.equal((await request(refTo(far))).status, 403)
  assert.equal((await request(undefined)).status, 403)
  assert.equal((await request({ kind: 'Pod', name: 'own' })).status, 403)
})
