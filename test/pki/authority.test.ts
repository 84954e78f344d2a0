import assert from 'node:assert/strict'
import { createPrivateKey as createKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { createSelfSignedAuthority, parseAuthority } from '../../src/pki/authority.ts'
import type { Authority } from '../../src/pki/authority.ts'
import { formatCertificates } from '../../src/pki/pem.ts'
import {
  ascii,
  commonName,
  craftCa,
  extension,
  generalNames,
  hex,
  seededKey,
  sequence,
  tlv,
  utcTime,
} from '../support/craft-certificate.ts'
import type { CertificateParts } from '../support/craft-certificate.ts'
import { atOnce } from '../support/at-once.ts'

const trustDomain = parseTrustDomain('test.example')
const now = Date.UTC(2026, 10, 22)
const keyPem = (seed: number): string =>
  seededKey(seed).export({ format: 'pem', type: 'pkcs8' }).toString()

function parse(
  ders: readonly Buffer[],
  options: { readonly seed?: number; readonly keyPem?: string; readonly now?: number } = {},
): Authority {
  return parseAuthority({
    certificatePem: formatCertificates(ders),
    privateKeyPem: options.keyPem ?? keyPem(options.seed ?? 1),
    trustDomain,
    now: () => options.now ?? now,
  })
}

test('a self-signed authority signs and is its own anchor', () => {
  const root = craftCa({ name: 'root', seed: 1 })
  const authority = parse([root])
  assert.deepEqual(authority.anchors, [root])
  assert.deepEqual(authority.chain, [])
  assert.equal(atOnce(authority.sign(Buffer.from('x'))).length, 64)
  assert.equal(JSON.stringify(authority).includes('PRIVATE'), false)
})

test('an authority in the middle finds its way to the root whatever the order', () => {
  const root = craftCa({ name: 'root', seed: 1 })
  const upper = craftCa({ name: 'upper', seed: 2, issuer: { name: 'root', seed: 1 } })
  const lower = craftCa({ name: 'lower', seed: 3, issuer: { name: 'upper', seed: 2 } })
  const unrelated = craftCa({ name: 'root', seed: 7 })
  const authority = parse([lower, unrelated, root, upper], { seed: 3 })
  assert.deepEqual(authority.chain, [lower, upper])
  assert.deepEqual(authority.anchors, [root])
})

test('what an authority signs ends with whichever of its path ends first', () => {
  const validity = sequence(utcTime('261101000000Z'), utcTime('270301000000Z'))
  const root = craftCa({ name: 'root', seed: 1, parts: { validity } })
  const lower = craftCa({ name: 'lower', seed: 3, issuer: { name: 'root', seed: 1 } })
  const authority = parse([lower, root], { seed: 3 })
  assert.equal(authority.notAfter.toISOString(), '2027-03-01T00:00:00.000Z')
  assert.ok(authority.certificate.notAfter > authority.notAfter)
})

const name = (dns: string): Partial<CertificateParts> => ({ subject: commonName(dns) })
const refused: readonly (readonly [title: string, make: () => Authority, message: string])[] = [
  ['no certificate', () => parse([]), 'authority has no certificate'],
  [
    'nine certificates',
    () => parse(Array.from({ length: 9 }, () => craftCa({ name: 'root', seed: 1 }))),
    'authority has too many certificates, want=..8 got=9',
  ],
  [
    'another key than its certificate',
    () => parse([craftCa({ name: 'root', seed: 1 })], { seed: 2 }),
    'authority has a key that does not belong to its certificate',
  ],
  [
    'no way to a root',
    () =>
      parse([craftCa({ name: 'middle', seed: 3, issuer: { name: 'root', seed: 1 } })], { seed: 3 }),
    'authority is not self-signed and has no chain to a root',
  ],
  [
    'an issuer of the right name and another key',
    () =>
      parse(
        [
          craftCa({ name: 'middle', seed: 3, issuer: { name: 'root', seed: 1 } }),
          craftCa({ name: 'root', seed: 9 }),
        ],
        { seed: 3 },
      ),
    'authority is not self-signed and has no chain to a root',
  ],
  [
    'a root that allows no CA below',
    () =>
      parse(
        [
          craftCa({ name: 'middle', seed: 3, issuer: { name: 'root', seed: 1 } }),
          craftCa({
            name: 'root',
            seed: 1,
            extensions: { basicConstraints: extension('2.5.29.19', true, hex('30060101ff020100')) },
          }),
        ],
        { seed: 3 },
      ),
    'CA 1 above the authority has a path that is too long, want=..0 got=1',
  ],
  [
    'another trust domain',
    () =>
      parse([
        craftCa({
          name: 'root',
          seed: 1,
          extensions: {
            subjectAltName: extension('2.5.29.17', false, generalNames(['spiffe://other.example'])),
          },
        }),
      ]),
    'authority is of another trust domain, want=spiffe://test.example got="spiffe://other.example"',
  ],
  [
    'constraints to another trust domain',
    () =>
      parse([
        craftCa({
          name: 'root',
          seed: 1,
          extensions: {
            nameConstraints: extension(
              '2.5.29.30',
              true,
              sequence(tlv(0xa0, sequence(ascii(0x86, '.test.example')))),
            ),
          },
        }),
      ]),
    'authority is constrained to other trust domains, want=test.example',
  ],
  [
    'a life that has ended',
    () => parse([craftCa({ name: 'root', seed: 1 })], { now: Date.UTC(2036, 10, 1, 0, 0, 1) }),
    'authority has ended, notAfter=2036-11-01T00:00:00.000Z',
  ],
  [
    'a life that has not begun',
    () => parse([craftCa({ name: 'root', seed: 1 })], { now: Date.UTC(2026, 9, 1) }),
    'authority has not begun, notBefore=2026-11-01T00:00:00.000Z',
  ],
  [
    'a root that has ended',
    () =>
      parse(
        [
          craftCa({ name: 'middle', seed: 3, issuer: { name: 'root', seed: 1 } }),
          craftCa({
            name: 'root',
            seed: 1,
            parts: { validity: sequence(utcTime('251101000000Z'), utcTime('251102000000Z')) },
          }),
        ],
        { seed: 3 },
      ),
    'CA 1 above the authority has ended, notAfter=2025-11-02T00:00:00.000Z',
  ],
  [
    'a leaf for its certificate',
    () =>
      parse([
        craftCa({
          name: 'x',
          seed: 1,
          parts: name('x'),
          extensions: { basicConstraints: hex('') },
        }),
      ]),
    'CA certificate is no CA, want=cA TRUE',
  ],
  [
    'a certificate for its key',
    () =>
      parse([craftCa({ name: 'root', seed: 1 })], {
        keyPem: formatCertificates([Buffer.alloc(9)]),
      }),
    'authority key is another block, want=PRIVATE KEY|EC PRIVATE KEY|RSA PRIVATE KEY got="CERTIFICATE"',
  ],
  [
    'two keys',
    () => parse([craftCa({ name: 'root', seed: 1 })], { keyPem: keyPem(1) + keyPem(1) }),
    'authority key is not one block, want=PRIVATE KEY|EC PRIVATE KEY|RSA PRIVATE KEY got=2',
  ],
  [
    'no key',
    () => parse([craftCa({ name: 'root', seed: 1 })], { keyPem: '' }),
    'authority key is not one block, want=PRIVATE KEY|EC PRIVATE KEY|RSA PRIVATE KEY got=0',
  ],
  [
    'an encrypted key',
    () =>
      parse([craftCa({ name: 'root', seed: 1 })], {
        keyPem: keyPem(1).replaceAll('PRIVATE KEY', 'ENCRYPTED PRIVATE KEY'),
      }),
    'authority key is encrypted, and nobody is asked',
  ],
  [
    'a key that is none',
    () =>
      parse([craftCa({ name: 'root', seed: 1 })], {
        keyPem: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
      }),
    'authority key cannot be read',
  ],
]
for (const [title, make, message] of refused) {
  test(`an authority with ${title} is refused`, () => {
    assert.throws(make, { code: 'pki/authority', message })
  })
}

test('an authority takes the keys that cert-manager writes by default', () => {
  const { certificatePem, privateKeyPem } = createSelfSignedAuthority({
    trustDomain,
    lifetimeSeconds: 7200,
    now: () => now,
    keyType: 'RSA3072',
  })
  const key = { key: privateKeyPem, format: 'pem' } as const
  const pkcs1 = createKey(key).export({ format: 'pem', type: 'pkcs1' }).toString()
  assert.match(pkcs1, /^-----BEGIN RSA PRIVATE KEY-----/)
  parseAuthority({ certificatePem, privateKeyPem: pkcs1, trustDomain, now: () => now })
})

test('the URIs of a self-signed authority are constrained only where that is asked for', () => {
  const options = { trustDomain, now: () => now, lifetimeSeconds: 7200 }
  const constraintsOf = (more: object): unknown => {
    const pems = createSelfSignedAuthority({ ...options, ...more })
    return parseAuthority({ ...pems, ...options }).certificate.nameConstraints?.permitted
  }
  const permitted = { dnsNames: ['svc', 'svc.cluster.local'], uris: [], otherTags: [] }
  // rustls-webpki 0.103.17 takes no certificate at all of a CA whose URIs are constrained.
  assert.deepEqual(constraintsOf({}), permitted)
  const uris = ['test.example']
  assert.deepEqual(constraintsOf({ constrainUris: true }), { ...permitted, uris })
  assert.equal(constraintsOf({ dnsSuffixes: [] }), undefined)
})

test('a self-signed authority lives as long as asked, two hours at least', () => {
  const options = { trustDomain, now: () => now + 750 }
  const pems = createSelfSignedAuthority({ ...options, lifetimeSeconds: 7200 })
  const { certificate } = parseAuthority({ ...pems, ...options })
  assert.equal(certificate.notBefore.getTime(), now - 120_000)
  assert.equal(certificate.notAfter.getTime(), now - 120_000 + 7_200_000)
  assert.equal(certificate.pathLength, 0)
  assert.deepEqual(certificate.nameConstraints?.permitted.dnsNames, ['svc', 'svc.cluster.local'])
  for (const lifetimeSeconds of [7199, Number.NaN]) {
    assert.throws(() => createSelfSignedAuthority({ ...options, lifetimeSeconds }), {
      code: 'pki/authority',
      message: `authority has too short a life, want=7200.. got=${lifetimeSeconds}`,
    })
  }
})

test('two self-signed authorities never have one name', () => {
  const make = (): string => {
    const pems = createSelfSignedAuthority({ trustDomain, lifetimeSeconds: 7200, now: () => now })
    return parseAuthority({ ...pems, trustDomain, now: () => now }).certificate.subject.toString(
      'hex',
    )
  }
  assert.notEqual(make(), make())
})

test('a CA of a weak or unusual key is refused', () => {
  for (const namedCurve of ['secp224r1', 'secp256k1']) {
    const spki = generateKeyPairSync('ec', { namedCurve }).publicKey.export({
      format: 'der',
      type: 'spki',
    })
    assert.throws(() => parse([craftCa({ name: 'root', seed: 1, parts: { spki } })]), {
      message:
        'CA certificate has a key of another type, want=P-256|P-384|P-521|Ed25519|RSA of 2048..8192 bits',
    })
  }
})
