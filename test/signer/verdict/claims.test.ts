import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { before, test } from 'node:test'
import 'reflect-metadata'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import type { RequestedKey } from '../../../src/kubernetes/pod-certificate-request.ts'
import { parseClaims } from '../../../src/signer/verdict/claims.ts'
import { askedOf } from '../asked.ts'
import { requirement } from '../../requirements.ts'

const pod = { name: 'worker-0', uid: 'pod-uid' }
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function proofKey(o: { readonly over?: string; readonly key?: KeyObject } = {}): RequestedKey {
  const spki = (o.key ?? publicKey).export({ type: 'spki', format: 'der' })
  return { kind: 'proof', spki, proof: sign('sha256', Buffer.from(o.over ?? pod.uid), privateKey) }
}

/** Requests as kubelet's crypto makes them, with an empty subject or with names. */
const requests: Record<'empty' | 'named', Buffer> = {
  empty: Buffer.alloc(0),
  named: Buffer.alloc(0),
}

before(async () => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const make = async (name: string): Promise<Buffer> => {
    const options = { name, keys, signingAlgorithm: algorithm }
    return Buffer.from((await Pkcs10CertificateRequestGenerator.create(options)).rawData)
  }
  requests.empty = await make('')
  requests.named = await make('CN=system:masters')
})

test('both forms of a key are read: a request and a proof', () => {
  for (const key of [proofKey(), { kind: 'csr' as const, der: requests.empty }]) {
    const parsed = parseClaims(askedOf({ key }))
    assert.ok('ok' in parsed, JSON.stringify(parsed))
    assert.equal(parsed.ok.key.keyType, 'ECDSAP256')
  }
})

test('a request without annotations asks for nothing beyond its name', () => {
  const parsed = parseClaims(askedOf())
  assert.ok('ok' in parsed)
  const nothing = { role: undefined, tenant: undefined, models: [], toolScopes: [] }
  assert.deepEqual(parsed.ok.attributes, nothing)
})

test('annotations become claims', () => {
  const parsed = parseClaims(
    askedOf({
      annotations: {
        'countersign.dev/role': 'agent',
        'countersign.dev/tenant': 'blue',
        'countersign.dev/models': 'small,large',
        'countersign.dev/tool-scopes': 'github:issues_*',
      },
    }),
  )
  assert.ok('ok' in parsed)
  assert.equal(parsed.ok.attributes.role, 'agent')
  assert.equal(parsed.ok.attributes.tenant, 'blue')
  assert.deepEqual(parsed.ok.attributes.models, ['large', 'small'])
  assert.deepEqual(
    parsed.ok.attributes.toolScopes.map((scope) => scope.text),
    ['github:issues_*'],
  )
})

const annotationRefusals = [
  [
    { 'countersign.dev/Role': 'agent' },
    '"countersign.dev/Role"',
    'not an annotation of this signer',
  ],
  [{ 'example.com/name': 'x' }, '"example.com/name"', 'not an annotation of this signer'],
  [{ 'countersign.dev/role': 'root' }, '"root"', 'role is not known'],
  [{ 'countersign.dev/tenant': 'Blue' }, '"Blue"', 'tenant is not a lower-case label value'],
  [{ 'countersign.dev/models': '' }, '""', 'list of models has an empty member'],
  [{ 'countersign.dev/models': 'a,a' }, '"a,a"', 'list of models has a duplicate'],
  [{ 'countersign.dev/tool-scopes': '*:*' }, '"*:*"', 'server of a tool scope'],
] as const

for (const [annotations, asked, proved] of annotationRefusals) {
  test(`annotations ${JSON.stringify(annotations)} are refused`, () => {
    const parsed = parseClaims(askedOf({ annotations }))
    assert.ok('refused' in parsed)
    assert.equal(parsed.refused.reason, 'InvalidUnverifiedUserAnnotations')
    assert.equal(parsed.refused.fields.length, 1)
    assert.equal(parsed.refused.fields[0]?.asked, asked)
    assert.ok(parsed.refused.fields[0]?.proved.startsWith(proved), parsed.refused.fields[0]?.proved)
  })
}

test('every broken annotation is told, unknown keys in order', () => {
  requirement('signer.unknown-annotation-refused')
  const annotations = { 'b.example/x': '', 'countersign.dev/role': 'root', 'a.example/x': '' }
  const parsed = parseClaims(askedOf({ annotations }))
  assert.ok('refused' in parsed)
  assert.deepEqual(
    parsed.refused.fields.map(({ asked }) => asked),
    ['"a.example/x"', '"b.example/x"', '"root"'],
  )
})

test('a certificate request that asks for names is refused', () => {
  requirement('signer.request-asks-for-nothing')
  const parsed = parseClaims(askedOf({ key: { kind: 'csr', der: requests.named } }))
  assert.ok('refused' in parsed)
  assert.equal(parsed.refused.reason, 'CertificateRequestNotEmpty')
  assert.equal(parsed.refused.fields[0]?.asked, '"a subject"')
})

test('a proof over another pod is refused', () => {
  requirement('pki.proof-of-possession')
  const parsed = parseClaims(askedOf({ key: proofKey({ over: 'other-uid' }) }))
  assert.ok('refused' in parsed)
  assert.equal(parsed.refused.reason, 'ProofOfPossessionInvalid')
})

test('a request that is not signed by its own key is refused', () => {
  requirement('pki.proof-of-possession')
  const der = Buffer.from(requests.empty)
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1
  const parsed = parseClaims(askedOf({ key: { kind: 'csr', der } }))
  assert.ok('refused' in parsed, JSON.stringify(parsed))
  assert.equal(parsed.refused.reason, 'ProofOfPossessionInvalid')
})

test('a key of no supported type is refused', () => {
  requirement('pki.key-types')
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
  const parsed = parseClaims(askedOf({ key: proofKey({ key }) }))
  assert.ok('refused' in parsed)
  assert.equal(parsed.refused.reason, 'UnsupportedKeyType')
})

test('a request that shows no key waits: a v1 reader cannot see the key of an old kubelet', () => {
  assert.deepEqual(parseClaims(askedOf({ key: undefined })), {
    wait: 'request shows no key, want=stubPKCS10Request or pkixPublicKey',
  })
})

test('a key that only we cannot read waits, because a Denied would be for good', () => {
  requirement('signer.denied-only-proven')
  for (const key of [
    { kind: 'csr' as const, der: Buffer.from('3003020100', 'hex') },
    { kind: 'proof' as const, spki: Buffer.from('00', 'hex'), proof: Buffer.alloc(0) },
  ]) {
    const parsed = parseClaims(askedOf({ key }))
    assert.ok('wait' in parsed, JSON.stringify(parsed))
    assert.match(parsed.wait, /^key of the request cannot be read: /)
  }
})
