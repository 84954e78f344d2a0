import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiRequest } from '../../src/kubernetes/api-client.ts'
import { requirement } from '../requirements.ts'
import { newAuthority } from '../signer/signer-world.ts'
import { publish } from '../renewal/keeper-world.ts'
import { deny, openIssuedWorld, place, sign, uri, type IssuedWorld } from './issued-world.ts'

const plural = 'issuedcertificates'

/** When another certificate is due for sure, by which the one before, of an hour, is still good. */
const dueSeconds = 2400

function change(world: IssuedWorld, spec: object): void {
  const found = world.cluster.get(plural, place.name, place.namespace)
  assert.ok(found !== undefined)
  const generation = Number(found.metadata['generation']) + 1
  const before = found['spec'] as object
  world.cluster.put(plural, {
    ...found,
    metadata: { ...found.metadata, generation },
    spec: { ...before, ...spec },
  })
}

test('what is asked for is asked once, kept in the Secret, and every state is told on the way', async () => {
  requirement('issued.state-is-true')
  const world = openIssuedWorld({
    org: 'acme',
    annotations: { 'countersign.dev/tool-scopes': 'search:*' },
  })
  await world.until('Finished')
  assert.deepEqual(world.states, ['Pending', 'Requested', 'Issued', 'Finished'])
  const [request, ...others] = world.requests()
  assert.equal(others.length, 0)
  assert.deepEqual(request?.metadata['annotations'], {
    'countersign.dev/tenant': 'acme',
    'countersign.dev/tool-scopes': 'search:*',
    'countersign.dev/issued-certificate': `${place.namespace}/search/issued-uid/${place.account}/account-uid`,
  })
  const { observedGeneration, notAfter, error } = world.certificate()
  assert.equal(observedGeneration, 1)
  assert.match(notAfter ?? '', /^\d{4}-.*Z$/)
  assert.equal(error, undefined)
  const owned = world.cluster.get('secrets', place.secret, place.namespace)?.metadata
  assert.deepEqual(owned?.['ownerReferences'], [
    {
      apiVersion: 'countersign.dev/v1alpha1',
      kind: 'IssuedCertificate',
      name: 'search',
      uid: 'issued-uid',
      controller: true,
    },
  ])
})

test('an answer that is faster than the next look is told of after the request', async () => {
  requirement('issued.state-is-true')
  const world = openIssuedWorld()
  const { cluster } = world
  const request = cluster.request.bind(cluster)
  cluster.request = async <T>(asked: ApiRequest): Promise<T> => {
    const answer = await request<T>(asked)
    if (asked.method === 'POST') sign(world)
    return answer
  }
  await world.turn()
  assert.deepEqual(world.states, ['Pending', 'Requested', 'Issued', 'Finished'])
})

test('what was taken before a kill is told of after it, and before another one is asked for', async () => {
  requirement('issued.state-is-true')
  const world = openIssuedWorld()
  await world.until('Requested')
  sign(world)
  const isStatus = ({ method, path }: ApiRequest): boolean =>
    method === 'PATCH' && path.endsWith('/status')
  world.cluster.fail(isStatus, { kind: 'drop' })
  await assert.rejects(world.turn(), { code: 'kubernetes/unreachable' })
  world.restart()
  world.clock.now += dueSeconds * 1000
  await world.turn()
  const { states } = world
  assert.deepEqual(states.slice(0, 5), ['Pending', 'Requested', 'Issued', 'Finished', 'Pending'])
})

test('it stays requested, and asks no second time, for as long as nobody answers', async () => {
  requirement('issued.state-is-true')
  const world = openIssuedWorld()
  await world.until('Requested')
  for (let turns = 0; turns < 20; turns += 1) {
    if (turns === 10) world.restart()
    const again = await world.turn()
    world.clock.now += (again?.againSeconds ?? 0) * 1000
  }
  assert.equal(world.certificate().state, 'Requested')
  assert.equal(world.requests().length, 1)
})

test('before its end another one is asked for with another key, and the one before is in force meanwhile', async () => {
  requirement('issued.state-is-true')
  const world = openIssuedWorld()
  await world.until('Finished')
  const first = world.secret()?.['tls.crt']
  const firstKey = world.secret()?.['tls.key']
  world.clock.now += dueSeconds * 1000
  await world.until('Requested')
  assert.equal(world.secret()?.['tls.crt'], first)
  await world.until('Finished')
  assert.deepEqual(world.states.slice(4), ['Pending', 'Requested', 'Issued', 'Finished'])
  assert.notEqual(world.secret()?.['tls.key'], firstKey)
  assert.equal(world.requests().length, 2)
})

test('what is refused says why, is asked again later with another key, and what the Secret has stays', async () => {
  requirement('issued.state-is-true')
  const world = openIssuedWorld()
  await world.until('Finished')
  const first = world.secret()?.['tls.crt']
  world.clock.now += dueSeconds * 1000
  await world.until('Requested')
  deny(world.cluster)
  await world.turn()
  assert.equal(world.certificate().state, 'Failed')
  assert.equal(world.certificate().error, 'denied: "TenantNotProved": "no"')
  assert.equal(world.secret()?.['tls.crt'], first)
  const asked = world.requests().length
  const again = await world.turn()
  assert.ok((again?.againSeconds ?? 0) >= 5, JSON.stringify(again))
  assert.equal(world.requests().length, asked)
  await world.until('Finished')
  assert.equal(world.requests().length, asked + 1)
})

test('another generation is asked for at once, whatever became of the one before', async () => {
  const world = openIssuedWorld({ org: 'other' })
  await world.until('Requested')
  deny(world.cluster)
  await world.turn()
  assert.equal(world.certificate().state, 'Failed')
  change(world, { org: 'acme' })
  await world.turn()
  assert.equal(world.certificate().state, 'Requested')
  assert.equal(world.certificate().observedGeneration, 2)
  await world.until('Finished')
  change(world, { annotations: { 'countersign.dev/models': 'small' } })
  await world.turn()
  assert.equal(world.certificate().state, 'Requested')
  assert.equal(world.requests().length, 3)
})

test('a request that vanished is asked anew, under another name', async () => {
  const world = openIssuedWorld()
  await world.until('Requested')
  const { request = '' } = world.certificate()
  world.cluster.remove('certificatesigningrequests', request)
  await world.until('Finished')
  assert.deepEqual(
    world.requests().map(({ metadata }) => metadata.name === request),
    [false],
  )
})

for (const [title, spec, error] of [
  [
    'another namespace',
    { hosts: ['spiffe://example.org/ns/kube-system/sa/worker'] },
    /^hosts: want=spiffe:\/\/example\.org\/ns\/\S+\/sa\/<service account> got="spiffe:.*kube-system/,
  ],
  [
    'another trust domain',
    { hosts: [uri.replace('example.org', 'other.example')] },
    /^hosts: want=spiffe:\/\/example\.org/,
  ],
  ['a DNS name', { hosts: ['search.example'] }, /^hosts: want=spiffe:/],
  ['two names', { hosts: [uri, uri] }, /^hosts: want=spiffe:/],
  [
    'a service account that is not there',
    { hosts: [`${uri}-2`] },
    /^hosts: there is no service account \S+-2$/,
  ],
  [
    'what no signer of ours looks at',
    { annotations: { 'example.com/approve-me': 'true' } },
    /^annotations: want=countersign\.dev\/role\|\S+ got="example\.com\/approve-me"$/,
  ],
  [
    'what the request says by itself',
    { annotations: { 'countersign.dev/issued-certificate': 'kube-system/other' } },
    /^annotations: want=\S+ got="countersign\.dev\/issued-certificate"$/,
  ],
  [
    'a tenant under another name',
    { annotations: { 'countersign.dev/tenant': 'acme' } },
    /^annotations: want=\S+ got="countersign\.dev\/tenant"$/,
  ],
] as const) {
  test(`nothing is asked for ${title}`, async () => {
    requirement('issued.asks-only-what-it-may')
    const world = openIssuedWorld(spec)
    await world.turn()
    assert.equal(world.certificate().state, 'Failed')
    assert.match(world.certificate().error ?? '', error)
    assert.equal(world.requests().length, 0)
    assert.equal(world.secret(), undefined)
  })
}

test('a Secret that was not made for it is never written', async () => {
  requirement('issued.own-secret')
  const world = openIssuedWorld()
  const data = { 'tls.key': Buffer.from('theirs').toString('base64') }
  world.cluster.put('secrets', {
    metadata: { name: place.secret, namespace: place.namespace },
    data,
  })
  await world.turn()
  await world.turn()
  assert.equal(world.certificate().state, 'Failed')
  assert.match(world.certificate().error ?? '', /^issuedCertificateSecret: Secret search-identity/)
  assert.deepEqual(world.secret(), { 'tls.key': 'theirs' })
  assert.equal(world.requests().length, 0)
})

test('what a signer answers to nobody’s benefit is not taken: a chain of other anchors', async () => {
  requirement('issued.verified-before-kept')
  const world = openIssuedWorld()
  await world.until('Requested')
  sign(world)
  publish(world.cluster, newAuthority())
  await world.turn()
  assert.equal(world.certificate().state, 'Failed')
  assert.match(world.certificate().error ?? '', /^the certificate that was issued is not taken: /)
  assert.equal(world.secret()?.['tls.crt'], undefined)
})

test('a certificate of another name is not taken, though its key and its anchors are right', async () => {
  requirement('issued.verified-before-kept')
  const world = openIssuedWorld({ hosts: [`${uri}-2`] })
  const metadata = { name: `${place.account}-2`, namespace: place.namespace, uid: 'second-uid' }
  world.cluster.put('serviceaccounts', { metadata })
  await world.until('Requested')
  sign(world)
  await world.turn()
  assert.equal(world.certificate().state, 'Failed')
  assert.match(world.certificate().error ?? '', /certificate is of another, want=\S+-2 got=/)
  assert.equal(world.secret()?.['tls.crt'], undefined)
})

test('while the anchors are not published nothing is taken, and nothing has failed', async () => {
  requirement('issued.verified-before-kept')
  const world = openIssuedWorld()
  await world.until('Requested')
  sign(world)
  const [bundle] = world.cluster.list('clustertrustbundles')
  assert.ok(bundle !== undefined)
  world.cluster.remove('clustertrustbundles', bundle.metadata.name)
  await assert.rejects(world.turn(), { code: 'renewal/trust-bundle' })
  assert.equal(world.certificate().state, 'Requested')
  world.cluster.put('clustertrustbundles', bundle)
  await world.until('Finished')
})

test('one that is nearly over when it comes is told of, and no reason to ask again at once', async () => {
  requirement('issued.state-is-true')
  const world = openIssuedWorld()
  await world.until('Requested')
  sign(world)
  // Of a signer that is behind, or of a CA that ends.
  world.clock.now += 3000 * 1000
  const again = await world.turn()
  assert.deepEqual(world.states, ['Pending', 'Requested', 'Issued', 'Finished'])
  assert.ok((again?.againSeconds ?? 0) > 20, JSON.stringify(again))
  await world.turn()
  assert.equal(world.requests().length, 1)
})

test('other anchors are written beside the same credential', async () => {
  const world = openIssuedWorld()
  await world.until('Finished')
  const before = world.secret()
  const [bundle] = world.cluster.list('clustertrustbundles')
  const { trustBundle } = (bundle?.['spec'] ?? {}) as { trustBundle: string }
  const other = newAuthority()
  publish(world.cluster, other)
  const [added] = world.cluster.list('clustertrustbundles')
  const { trustBundle: more } = (added?.['spec'] ?? {}) as { trustBundle: string }
  assert.ok(bundle !== undefined)
  const spec = { ...(bundle['spec'] as object), trustBundle: `${trustBundle}${more}` }
  world.cluster.put('clustertrustbundles', { ...bundle, spec })
  await world.turn()
  const { 'trust-bundle.pem': anchors, ...rest } = world.secret() ?? {}
  assert.notEqual(anchors, before?.['trust-bundle.pem'])
  assert.equal(rest['tls.key'], before?.['tls.key'])
  assert.equal(world.certificate().state, 'Finished')
})
