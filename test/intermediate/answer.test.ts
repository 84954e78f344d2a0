import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../requirements.ts'
import { createHubCa, dnsSuffixes, trustDomain } from '../support/hub-authority.ts'
import {
  extra,
  intermediateWorld,
  newKey,
  noon,
  plural,
  podName,
  putPod,
  requester,
  storedRequest,
  username,
} from './intermediate-world.ts'

const day = 86_400_000

test('the signer of another cluster has a CA: recorded, approved, signed, and recorded again', async () => {
  requirement('intermediate.recorded-before-signed')
  const world = intermediateWorld()
  world.cluster.put(plural, storedRequest())
  assert.equal((await world.answer()).kind, 'issued')
  assert.deepEqual(world.conditions(), ['Approved RequesterProved'])
  assert.deepEqual(world.records(), ['issued unknown', 'issued published'])
  const ca = world.issued() ?? assert.fail()
  const [intent, end] = world.verdicts()
  assert.equal(ca.certificate.serialNumber.toString('hex'), intent?.issuanceId)
  assert.deepEqual(intent?.authority, {
    trustDomain,
    dnsSuffixes,
    notBefore: ca.notBefore.toISOString(),
    notAfter: ca.notAfter.toISOString(),
    issuerSha256: world.hub.authority.certificate.sha256,
  })
  assert.deepEqual(intent.requester, {
    username,
    uid: 'uid-of-account',
    pod: { name: podName, uid: 'uid-of-pod' },
  })
  assert.equal(end?.certificateSha256, ca.sha256)
  assert.equal((await world.answer()).kind, 'over')
  assert.equal(world.records().length, 2)
})

test('a record that is not durable leaves the key unused', async () => {
  requirement('intermediate.recorded-before-signed')
  const world = intermediateWorld()
  world.cluster.put(plural, storedRequest())
  world.ledger.breakNext()
  await assert.rejects(world.answer(), { code: 'ledger/unavailable' })
  assert.deepEqual(world.conditions(), [])
  assert.equal(world.issued(), undefined)
})

test('a CA lives as long as it is asked to, as is registered at most, and no longer than the one above it', async () => {
  requirement('intermediate.within-the-life-above')
  const until = async (expirationSeconds?: number, notAfter?: Date): Promise<number> => {
    const world = intermediateWorld()
    if (notAfter !== undefined) world.hub = createHubCa({ now: noon, notAfter })
    world.cluster.put(plural, storedRequest({ spec: { expirationSeconds } }))
    await world.answer()
    return ((world.issued()?.notAfter.getTime() ?? 0) - noon) / day
  }
  assert.equal(await until(30 * 86_400), 30)
  assert.equal(await until(3650 * 86_400), 90)
  assert.equal(await until(), 90)
  assert.equal(await until(30 * 86_400, new Date(noon + 7 * day)), 7)
})

const others = { organizations: [], commonName: 'x', dnsNames: ['a.example'], ipAddresses: [] }

/** Denied, and why. */
const denials: readonly {
  readonly title: string
  readonly spec?: object
  readonly names?: Parameters<typeof storedRequest>[0]
  readonly message: RegExp
  readonly claim: 'intermediate.nothing-chosen' | 'intermediate.requester-proved'
}[] = [
  {
    title: 'another trust domain',
    names: { names: { trustDomain: 'hub.example' as typeof trustDomain } },
    message: /^NamesNotAllowed: request asks for other names/,
    claim: 'intermediate.nothing-chosen',
  },
  {
    title: 'other names',
    names: { names: others },
    message: /^NamesNotAllowed/,
    claim: 'intermediate.nothing-chosen',
  },
  {
    title: 'the usages of a leaf',
    spec: { usages: ['cert sign', 'crl sign', 'client auth'] },
    message: /^UsagesNotAllowed: usages: want=cert sign,crl sign/,
    claim: 'intermediate.nothing-chosen',
  },
  {
    title: 'less than a day',
    spec: { expirationSeconds: 86_399 },
    message: /^LifetimeNotAllowed: expirationSeconds: want=86400..7776000 got=86399$/,
    claim: 'intermediate.nothing-chosen',
  },
  {
    title: 'nothing that can be read',
    spec: { request: Buffer.from('x').toString('base64') },
    message: /^RequestMalformed/,
    claim: 'intermediate.nothing-chosen',
  },
  {
    title: 'by a token that is bound to no pod',
    spec: { extra: {} },
    message: /^RequesterNotProved: the token of the service account is not bound to a pod$/,
    claim: 'intermediate.requester-proved',
  },
  {
    title: 'by two pods',
    spec: { extra: { ...extra, 'authentication.kubernetes.io/pod-name': [podName, 'other'] } },
    message: /^RequesterNotProved: the token/,
    claim: 'intermediate.requester-proved',
  },
  {
    title: 'by an account that is another one by now',
    spec: { uid: 'uid-of-before' },
    message: /^RequesterNotProved: service account .* is another one: want=uid-of-account/,
    claim: 'intermediate.requester-proved',
  },
  {
    title: 'by a pod that is another one by now',
    spec: { extra: { ...extra, 'authentication.kubernetes.io/pod-uid': ['uid-of-before'] } },
    message: /^RequesterNotProved: pod .* is another one by now$/,
    claim: 'intermediate.requester-proved',
  },
]

for (const { title, spec = {}, names = {}, message, claim } of denials) {
  test(`what asks for ${title} is denied, and that is recorded`, async () => {
    requirement(claim)
    const world = intermediateWorld()
    world.cluster.put(plural, storedRequest({ ...names, spec }))
    const answered = await world.answer()
    assert.match(answered.why, message)
    assert.equal(answered.kind, 'denied')
    assert.deepEqual(world.conditions(), [`Denied ${/^\w+/.exec(answered.why)?.[0]}`])
    assert.deepEqual(world.records(), ['denied unknown', 'denied published'])
    assert.equal(world.issued(), undefined)
  })
}

/** What the cluster says of who has asked. */
const unproved: readonly {
  readonly title: string
  readonly change: (world: ReturnType<typeof intermediateWorld>) => void
  readonly message: RegExp
}[] = [
  {
    title: 'the account is gone',
    change: ({ cluster }) =>
      cluster.remove('serviceaccounts', requester.serviceAccount, requester.namespace),
    message: /there is no service account/,
  },
  {
    title: 'the pod is gone',
    change: ({ cluster }) => cluster.remove('pods', podName, requester.namespace),
    message: /there is no pod .* any more/,
  },
  {
    title: 'the pod is ending',
    change: ({ cluster }) => putPod(cluster, { deletionTimestamp: '2026-11-30T11:00:00Z' }),
    message: /is over/,
  },
  {
    title: 'the pod runs as another account',
    change: ({ cluster }) => putPod(cluster, {}, { serviceAccountName: 'default' }),
    message: /runs as another service account/,
  },
]

for (const { title, change, message } of unproved) {
  test(`a request is denied where ${title}`, async () => {
    requirement('intermediate.requester-proved')
    const world = intermediateWorld()
    world.cluster.put(plural, storedRequest())
    change(world)
    const answered = await world.answer()
    assert.equal(answered.kind, 'denied')
    assert.match(answered.why, message)
  })

  test(`nothing is signed where ${title} when the record is there`, async () => {
    requirement('intermediate.requester-proved')
    const world = intermediateWorld()
    world.cluster.put(plural, storedRequest())
    world.recorded = () => {
      world.recorded = () => {}
      change(world)
    }
    assert.deepEqual(await world.answer(), {
      kind: 'waits',
      why: 'what proves it has changed meanwhile',
    })
    assert.deepEqual(world.records(), ['issued unknown', 'issued unpublished'])
    assert.deepEqual(world.conditions(), [])
    assert.equal((await world.answer()).kind, 'denied')
  })
}

test('whoever else asks for a CA is left without an answer and without a record', async () => {
  requirement('intermediate.requester-proved')
  for (const other of [
    'system:serviceaccount:tenant:countersign-signer',
    'system:serviceaccount:countersign-system:default',
    'system:admin',
  ]) {
    const world = intermediateWorld()
    world.cluster.put(plural, storedRequest({ spec: { username: other } }))
    assert.deepEqual(await world.answer(), { kind: 'over', why: 'somebody else has asked' })
    assert.deepEqual([world.records(), world.conditions()], [[], []])
  }
})

test('a request of another signer name is not answered', async () => {
  requirement('intermediate.requester-proved')
  const world = intermediateWorld()
  world.cluster.put(plural, storedRequest({ spec: { signerName: 'countersign.dev/identity' } }))
  assert.deepEqual(await world.answer(), { kind: 'over', why: 'it is of another signer' })
})

test('a key is good for one request, after a restart too', async () => {
  requirement('intermediate.nothing-chosen')
  const world = intermediateWorld()
  const key = newKey()
  world.cluster.put(plural, storedRequest({ key }))
  world.cluster.put(plural, storedRequest({ key, name: 'csr-2' }))
  await world.answer()
  await world.restart()
  const answered = await world.answer('csr-2')
  assert.match(
    answered.why,
    /^KeyAlreadyIssued: a CA for the key [0-9a-f]{64} was issued to another/,
  )
  assert.equal(world.issued('csr-2'), undefined)
})

test('a key of a type that is not allowed is denied', async () => {
  requirement('intermediate.nothing-chosen')
  const world = intermediateWorld({ keyTypes: ['ECDSAP384'] })
  world.cluster.put(plural, storedRequest())
  assert.match((await world.answer()).why, /^KeyTypeNotAllowed: key: want=ECDSAP384 got=ECDSAP256$/)
})

test('nothing is signed by a clock that is wrong, nor beyond those of an hour, nor without a CA that may', async () => {
  requirement('intermediate.within-the-life-above')
  const world = intermediateWorld()
  world.cluster.put(plural, storedRequest())
  world.unfit = 'the clock here is not that of the API server'
  assert.deepEqual(await world.answer(), { kind: 'waits', why: world.unfit })
  world.unfit = undefined
  world.pace = 60
  const why = 'its cluster has had as many CAs as it may within an hour'
  assert.deepEqual(await world.answer(), { kind: 'waits', why, seconds: 60 })
  world.pace = undefined
  world.hub = createHubCa({ now: noon, notAfter: new Date(noon + 3_600_000) })
  await assert.rejects(world.answer(), { code: 'pki/authority-unavailable' })
  assert.deepEqual([world.records(), world.conditions()], [[], []])
  world.hub = createHubCa({ now: noon })
  assert.equal((await world.answer()).kind, 'issued')
})

test('one that somebody has approved before is signed as any other, and one that is not proved is not', async () => {
  requirement('intermediate.requester-proved')
  const approved = { conditions: [{ type: 'Approved', status: 'True', reason: 'x', message: '' }] }
  const world = intermediateWorld()
  world.cluster.put(plural, { ...storedRequest(), status: approved })
  assert.equal((await world.answer()).kind, 'issued')
  const spec = { extra: {} }
  world.cluster.put(plural, { ...storedRequest({ name: 'csr-2', spec }), status: approved })
  assert.match((await world.answer('csr-2')).why, /it is approved, and is not signed$/)
  assert.equal(world.issued('csr-2'), undefined)
})
