import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { parseCertificateRequest } from '../../src/pki/certificate-request.ts'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import { formatCertificates, formatPem } from '../../src/pki/pem.ts'
import {
  craftCa,
  craftOddCa,
  craftCertificate,
  leafParts,
  seededKey,
} from '../support/craft-certificate.ts'
import { createTestAuthority } from '../support/test-authority.ts'
import { requestCases } from '../vectors/pki/request-cases.ts'

const trustDomain = parseTrustDomain('test.example')
const root = formatCertificates([craftCa({ name: 'root', seed: 1 })])
const key = seededKey(2).export({ format: 'pem', type: 'pkcs8' }).toString()
const leaf = formatCertificates([craftCertificate(leafParts())])
const middle = formatCertificates([
  craftCa({ name: 'middle', seed: 3, issuer: { name: 'root', seed: 1 } }),
])

test('a credential is the key, the leaf and the intermediates, in this order', () => {
  const credential = parseCredentialBundle(key + leaf + middle)
  assert.equal(credential.privateKeyPem, key)
  assert.equal(credential.chainPem, leaf + middle)
  assert.equal(credential.svid.spiffeId.uri, 'spiffe://test.example/ns/shop/sa/agent')
  assert.equal(parseCredentialBundle(key + leaf).chainPem, leaf)
})

const credentials: readonly (readonly [title: string, pem: string, message: string])[] = [
  ['nothing', '', 'credential does not begin with its key, want="PRIVATE KEY" got=""'],
  ['no key', leaf, 'credential does not begin with its key, want="PRIVATE KEY" got="CERTIFICATE"'],
  [
    'the key last',
    leaf + key,
    'credential does not begin with its key, want="PRIVATE KEY" got="CERTIFICATE"',
  ],
  ['no certificate', key, 'credential has no certificate'],
  [
    'two keys',
    key + key + leaf,
    'credential has another block, want="CERTIFICATE" got="PRIVATE KEY"',
  ],
  [
    'a key at the end',
    key + leaf + key,
    'credential has another block, want="CERTIFICATE" got="PRIVATE KEY"',
  ],
  ['the CA for the leaf', key + root, 'certificate is a CA, want=cA FALSE'],
  ['a leaf for an intermediate', key + leaf + leaf, 'CA certificate is no CA, want=cA TRUE'],
  [
    'the key of another leaf',
    seededKey(9).export({ format: 'pem', type: 'pkcs8' }).toString() + leaf,
    'credential has a key that does not belong to its certificate',
  ],
  [
    'a key that is none',
    formatPem('PRIVATE KEY', Buffer.alloc(40, 7)) + leaf,
    'credential has a key that is not PKCS#8',
  ],
  [
    'nine intermediates',
    key + leaf + middle.repeat(9),
    'credential has too many intermediates, want=..8 got=9',
  ],
  [
    'too much',
    key + leaf.repeat(400),
    `credential is too large, want=..131072 got=${key.length + 400 * leaf.length}`,
  ],
]
for (const [title, pem, message] of credentials) {
  test(`a credential of ${title} is refused`, () => {
    assert.throws(() => parseCredentialBundle(pem), { code: 'pki/credential', message })
  })
}

test('no refusal of a credential repeats its key', () => {
  const secret = key.split('\n')[1] ?? assert.fail()
  for (const [, pem] of credentials) {
    try {
      parseCredentialBundle(pem)
    } catch (error) {
      assert.equal(String((error as Error).stack).includes(secret), false)
      assert.equal(JSON.stringify(error, Object.getOwnPropertyNames(error)).includes(secret), false)
    }
  }
})

const bundles: readonly (readonly [title: string, pem: string, message: string])[] = [
  ['nothing', '', 'trust bundle has no anchor'],
  ['a key', key, 'trust bundle has another block, want="CERTIFICATE" got="PRIVATE KEY"'],
  ['a leaf', leaf, 'CA certificate is no CA, want=cA TRUE'],
  ['an intermediate', root + middle, 'trust bundle has an anchor that is not self-signed'],
  [
    'an anchor that hides those behind it from TLS',
    root + formatCertificates([craftOddCa()]),
    'trust bundle has an anchor that OpenSSL does not read',
  ],
  [
    'an anchor in which OpenSSL reads another',
    root + formatCertificates([craftOddCa(`\n${root}`)]),
    'trust bundle has an anchor that OpenSSL does not read',
  ],
  [
    'too much',
    root.repeat(2500),
    `trust bundle is too large, want=..1048576 got=${2500 * root.length}`,
  ],
]
for (const [title, pem, message] of bundles) {
  test(`a trust bundle of ${title} is refused`, () => {
    assert.throws(() => parseBundle(pem, trustDomain), { code: 'pki/bundle', message })
  })
}

test('a trust bundle has each anchor once, and its text is made anew', () => {
  const other = formatCertificates([craftCa({ name: 'other', seed: 4 })])
  const bundle = parseBundle((root + other + root).replaceAll('\n', '\r\n'), trustDomain)
  assert.equal(bundle.anchors.length, 2)
  assert.equal(bundle.pem, root + other)
  assert.equal(bundle.trustDomain, 'test.example')
})

test('a trust bundle has 256 anchors at most', () => {
  const anchors = Array.from({ length: 257 }, (_, at) => craftCa({ name: `root ${at}`, seed: 1 }))
  assert.equal(parseBundle(formatCertificates(anchors.slice(1)), trustDomain).anchors.length, 256)
  assert.throws(() => parseBundle(formatCertificates(anchors), trustDomain), {
    message: 'trust bundle has too many anchors, want=..256 got=257',
  })
})

const names: readonly (readonly [vector: string, names: readonly string[]])[] = [
  ['good', []],
  ['good-with-subject', ['a subject']],
  ['good-with-names', ['subject alternative names']],
  ['good-with-challenge-password', ['the attribute 1.2.840.113549.1.9.7']],
]
for (const [name, asked] of names) {
  test(`the request ${name} asks for ${asked.length === 0 ? 'nothing but its key' : asked.join(', ')}`, () => {
    const vector = requestCases().find((one) => one.name === name)
    assert.ok(vector)
    const request = parseCertificateRequest(vector.der)
    assert.deepEqual(request.names, asked)
    assert.equal(request.key.keyType, 'ED25519')
  })
}

test('a test authority issues what its own bundle vouches for', () => {
  const ca = createTestAuthority({ trustDomain: 'dev.example', cluster: 'dev' })
  const { credential, identity } = ca.issue({ tenant: 'acme', models: 'b,a', role: 'agent' })
  assert.equal(credential.svid.identity?.tenant, 'acme')
  assert.deepEqual(identity.ceiling.models, ['a', 'b'])
  assert.equal(identity.spiffeId.uri, 'spiffe://dev.example/ns/shop/sa/agent')
})
