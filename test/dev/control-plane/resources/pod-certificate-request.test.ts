import assert from 'node:assert/strict'
import { constants, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { after, before, test } from 'node:test'
import { encodeCertificateRequest } from '../../../../dev/kubelet/certificate-request.ts'
import { startApiWorld, type Answer, type ApiWorld } from '../api-world.ts'

// What only a server of v1beta1 shows; test/vectors/kubernetes holds the rest, for this control plane and the real one.
let world: ApiWorld
before(async () => {
  world = await startApiWorld({ podCertificateVersions: ['v1', 'v1beta1'] })
})
after(() => world[Symbol.asyncDispose]())

const path = (version: string): string =>
  `/apis/certificates.k8s.io/${version}/namespaces/default/podcertificaterequests`

const podUID = '0d9a5a39-1f0c-4f2e-8f0e-8d7f6a1f6c10'

function ask(key: object, version = 'v1beta1'): Promise<Answer> {
  const spec = {
    signerName: 'example.com/s',
    podName: 'p',
    podUID,
    serviceAccountName: 's',
    serviceAccountUID: 's',
    nodeName: 'n',
    nodeUID: 'n',
    ...key,
  }
  return world.admin.send('POST', path(version), { metadata: { generateName: 'req-' }, spec })
}

const keys: Readonly<Record<string, KeyObject>> = {
  RSA3072: generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey,
  ECDSAP256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  ECDSAP384: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
  ECDSAP521: generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey,
  ED25519: generateKeyPairSync('ed25519').privateKey,
}

function prove(key: KeyObject, uid: string): string {
  const message = Buffer.from(uid)
  if (key.asymmetricKeyType === 'ed25519') return sign(null, message, key).toString('base64')
  if (key.asymmetricKeyType === 'ec') return sign('sha256', message, key).toString('base64')
  const padding = constants.RSA_PKCS1_PSS_PADDING
  return sign('sha256', message, { key, padding }).toString('base64')
}

function pair(key: KeyObject, uid = podUID): { pkixPublicKey: string; proofOfPossession: string } {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  return { pkixPublicKey: spki.toString('base64'), proofOfPossession: prove(key, uid) }
}

for (const [keyType, key] of Object.entries(keys)) {
  test(`the old pair of a key and its proof is accepted for ${keyType}, and not for another pod`, async () => {
    assert.equal((await ask(pair(key))).status, 201)
    const { status, body } = await ask(pair(key, 'another'))
    assert.deepEqual([status, body.details.causes[0].field], [422, 'spec.proofOfPossession'])
  })
}

test('a reader of v1 sees no key in a request with the old pair, and one of v1beta1 nulls for what is not there', async () => {
  const key = keys['ED25519'] as KeyObject
  const { metadata } = (await ask(pair(key))).body
  const inV1 = (await world.admin.get(`${path('v1')}/${metadata.name}`)).body
  assert.equal(inV1.apiVersion, 'certificates.k8s.io/v1')
  assert.equal(inV1.spec.stubPKCS10Request, null)
  assert.equal('pkixPublicKey' in inV1.spec, false)
  const inBeta = (await world.admin.get(`${path('v1beta1')}/${metadata.name}`)).body
  assert.equal(inBeta.spec.stubPKCS10Request, null)
  assert.equal(inBeta.spec.pkixPublicKey, pair(key).pkixPublicKey)
  assert.deepEqual(inBeta.status, {})
  assert.equal(inBeta.spec.maxExpirationSeconds, 86_400)
  const stubPKCS10Request = encodeCertificateRequest({ privateKey: key }).toString('base64')
  const made = (await ask({ stubPKCS10Request })).body
  assert.deepEqual([made.spec.pkixPublicKey, made.spec.proofOfPossession], [null, null])
})

const key = keys['ECDSAP256'] as KeyObject
const stubPKCS10Request = encodeCertificateRequest({ privateKey: key }).toString('base64')
const small = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

const refused: readonly (readonly [string, object, string, string])[] = [
  ['both forms at once', { ...pair(key), stubPKCS10Request }, 'v1beta1', 'spec'],
  ['a key without a proof', { ...pair(key), proofOfPossession: null }, 'v1beta1', 'spec'],
  ['neither form', {}, 'v1beta1', 'spec'],
  ['the old pair in v1, where it is unknown', pair(key), 'v1', 'spec'],
  ['an RSA key of 2048 bits', pair(small), 'v1beta1', 'spec.pkixPublicKey'],
  ['a key that is none', { ...pair(key), pkixPublicKey: 'AAAA' }, 'v1beta1', 'spec.pkixPublicKey'],
  [
    'a key of more than 10 KiB',
    { ...pair(key), pkixPublicKey: Buffer.alloc(10_241).toString('base64') },
    'v1beta1',
    'spec.pkixPublicKey',
  ],
]

for (const [what, spec, version, field] of refused) {
  test(`${what} is refused at ${field}`, async () => {
    const { status, body } = await ask(spec, version)
    assert.deepEqual([status, body.details.causes[0].field], [422, field])
  })
}

test('a strict writer of v1 is told that the old pair is unknown', async () => {
  const body = { metadata: { name: 'strict' }, spec: pair(key) }
  const answer = await world.admin.send('POST', `${path('v1')}?fieldValidation=Strict`, body)
  assert.equal(answer.status, 400)
  assert.match(answer.body.message, /unknown field "spec\.pkixPublicKey"/)
})

test('a patch through v1 keeps the key that v1 cannot see', async () => {
  const { metadata } = (await ask(pair(key))).body
  const condition = {
    type: 'Denied',
    status: 'True',
    reason: 'No',
    message: 'no',
    lastTransitionTime: '2026-01-02T03:04:05.600Z',
  }
  const patch = { status: { conditions: [condition] } }
  const denied = await world.admin.send('PATCH', `${path('v1')}/${metadata.name}/status`, patch)
  assert.equal(denied.status, 200)
  assert.equal(denied.body.status.conditions[0].lastTransitionTime, '2026-01-02T03:04:05Z')
  const { spec } = (await world.admin.get(`${path('v1beta1')}/${metadata.name}`)).body
  assert.equal(spec.pkixPublicKey, pair(key).pkixPublicKey)
})
