import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { CountersignError } from '../../src/errors.ts'
import { workloadSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseAuthority, staticAuthoritySource } from '../../src/pki/authority.ts'
import type { AuthoritySource } from '../../src/pki/authority.ts'
import { createIssuer } from '../../src/pki/issue.ts'
import type { IssuanceRequest, Issuer, IssuedCertificate } from '../../src/pki/issue.ts'
import { formatCertificates } from '../../src/pki/pem.ts'
import { createProfile } from '../../src/pki/profile.ts'
import { keyTypes, parseSubjectKey } from '../../src/pki/subject-key.ts'
import { parseX509Svid, verifyX509Svid } from '../../src/pki/x509-svid.ts'
import { craftCa, extension, hex, seededKey } from '../support/craft-certificate.ts'
import {
  createTestAuthority,
  generateTestKey,
  spkiOf,
  testIdentity,
} from '../support/test-authority.ts'
import type { TestWorkload } from '../support/test-authority.ts'
import { requirement } from '../requirements.ts'
import type { Authority } from '../../src/pki/authority.ts'
import { atOnce } from '../support/at-once.ts'

const begin = Date.UTC(2026, 10, 22, 12, 0, 0, 750)
const clock = { now: begin }
const now = (): number => clock.now
const ca = createTestAuthority({
  now: () => begin,
  lifetimeSecondsMax: 86_400,
  lifetimeSeconds: 864_000,
})
const key = parseSubjectKey(spkiOf(generateTestKey('ECDSAP256').publicKey))

for (const keyType of keyTypes) {
  test(`a CA with a key of type ${keyType} signs what verifies`, () => {
    const other = createTestAuthority({ keyType, now: () => begin })
    const { credential, identity, issued } = other.issue({ role: 'agent', toolScopes: 'git:*' })
    verifyX509Svid(credential.svid, { bundle: other.bundle, now: begin })
    assert.deepEqual(credential.svid.identity, identity)
    const anchor = new X509Certificate(other.certificatePem)
    assert.ok(new X509Certificate(issued.der).verify(anchor.publicKey))
  })

  test(`a workload with a key of type ${keyType} gets that very key certified`, () => {
    const subject = parseSubjectKey(spkiOf(generateTestKey(keyType).publicKey))
    const { issued } = issueOnce({ key: subject })
    const certificate = new X509Certificate(issued.der)
    assert.deepEqual(spkiOf(certificate.publicKey), subject.spki)
  })
}

test('a certificate says what was prepared, in whole seconds', () => {
  const { issued, prepared, request } = issueOnce({ lifetimeSeconds: 7200 })
  assert.equal(prepared.notBefore.getTime(), begin - 750 - 90_000)
  assert.equal(prepared.notAfter.getTime() - prepared.notBefore.getTime(), 7_200_000)
  assert.equal(prepared.spkiSha256, key.sha256)
  assert.equal(prepared.issuerSha256, ca.authority.certificate.sha256)
  assert.equal(prepared.profileDigest, ca.profile.digest)
  const svid = parseX509Svid(issued.der)
  assert.equal(svid.serialNumber, prepared.serialNumber)
  assert.deepEqual(svid.notBefore, prepared.notBefore)
  assert.deepEqual(svid.notAfter, prepared.notAfter)
  assert.deepEqual(svid.identity, request.identity)
  assert.equal(issued.sha256, createHash('sha256').update(issued.der).digest('hex'))
  assert.equal(issued.chainSha256, createHash('sha256').update(issued.chainPem).digest('hex'))
  assert.equal(issued.chainPem.match(/BEGIN CERTIFICATE/g)?.length, 1, 'a root is never published')
})

test('a prepared certificate is redeemed once, and only by its own issuer', () => {
  requirement('pki.prepared-once')
  const issuer = issuerOf(ca.source)
  const prepared = issuer.prepare(requestOf())
  assert.throws(() => issuerOf(ca.source).issue(prepared), { code: 'pki/prepared-used' })
  atOnce(issuer.issue(prepared))
  assert.throws(() => issuer.issue(prepared), {
    code: 'pki/prepared-used',
    message: 'prepared certificate was redeemed before',
  })
  assert.throws(() => issuer.issue({ ...issuer.prepare(requestOf()) }), {
    code: 'pki/prepared-used',
  })
})

test('a prepared certificate gets stale after 240 seconds of its own life', () => {
  const issuer = issuerOf(ca.source)
  const [inTime, late] = [issuer.prepare(requestOf()), issuer.prepare(requestOf())]
  clock.now = inTime.notBefore.getTime() + 240_000
  atOnce(issuer.issue(inTime))
  clock.now += 1
  assert.throws(() => issuer.issue(late), {
    code: 'pki/stale',
    message: 'prepared certificate began too long ago, want=..240s got=240.001s',
  })
  clock.now = begin
})

test('a prepared certificate is not signed once its authority was replaced or has gone', () => {
  const successor = createTestAuthority({ now: () => begin })
  let current = (): typeof ca.authority => ca.authority
  const source: AuthoritySource = { ...ca.source, current: () => current() }
  const issuer = issuerOf(source)
  const [first, second] = [issuer.prepare(requestOf()), issuer.prepare(requestOf())]
  current = () => successor.authority
  assert.throws(() => issuer.issue(first), {
    code: 'pki/stale',
    message: 'authority has changed since the certificate was prepared',
  })
  current = () => {
    throw new CountersignError('pki/authority-unavailable', 'gone')
  }
  assert.throws(() => issuer.issue(second), { code: 'pki/authority-unavailable' })
  assert.throws(() => issuer.prepare(requestOf()), { code: 'pki/authority-unavailable' })
  current = () => successor.authority
  const renewed = issuer.prepare(requestOf())
  assert.equal(renewed.issuerSha256, successor.authority.certificate.sha256)
  assert.ok(atOnce(issuer.issue(renewed)).der.includes(successor.authority.certificate.subject))
})

test('a certificate never outlives its issuer, and none of less than an hour is made', () => {
  requirement('pki.leaf-within-issuer')
  const short = createTestAuthority({ now: () => begin, lifetimeSeconds: 7200 })
  const end = short.authority.certificate.notAfter.getTime()
  const issuer = issuerOf(short.source)
  clock.now = end - 3600_000 + 90_000
  assert.deepEqual(issuer.prepare(requestOf()).notAfter.getTime(), end)
  clock.now += 1000
  assert.throws(() => issuer.prepare(requestOf()), {
    code: 'pki/issuer-expiring',
    message: `issuer ends too soon, want=3600s got=3599s notAfter=${new Date(end).toISOString()}`,
  })
  clock.now = begin
})

test('a certificate never outlives the root above its issuer', () => {
  requirement('pki.leaf-within-issuer')
  const { authority } = createTestAuthority({ now: () => begin, lifetimeSeconds: 86_400 })
  const notAfter = new Date(Math.floor(begin / 1000) * 1000 + 7200_000)
  const issuer = issuerOf(staticAuthoritySource({ ...authority, notAfter }))
  clock.now = notAfter.getTime() - 3600_000 + 90_000
  assert.deepEqual(issuer.prepare(requestOf()).notAfter, notAfter)
  clock.now = begin
})

test('times, serial and refresh keep the rules of the API server for every lifetime and draw', () => {
  const lifetimes = fc.integer({ min: 3600, max: 86_400 })
  fc.assert(
    fc.property(
      lifetimes,
      fc.uint8Array({ minLength: 18, maxLength: 18 }),
      (lifetimeSeconds, drawn) => {
        const issuer = createIssuer({
          profile: ca.profile,
          authorities: ca.source,
          now,
          randomBytes: (octets) => Buffer.alloc(octets, Buffer.from(drawn)),
        })
        const prepared = issuer.prepare(requestOf({ lifetimeSeconds }))
        assert.match(prepared.serialNumber, /^[4-7][0-9a-f]{31}$/)
        const refresh = (prepared.beginRefreshAt.getTime() - prepared.notBefore.getTime()) / 1000
        assert.ok(Number.isInteger(refresh))
        assert.ok(refresh >= 600 && refresh <= lifetimeSeconds - 1200, `${refresh}`)
        assert.ok(refresh <= lifetimeSeconds / 2 && refresh >= lifetimeSeconds * 0.4 - 1)
      },
    ),
  )
})

test('serial numbers are drawn anew for every certificate', () => {
  const issuer = issuerOf(ca.source)
  const serials = Array.from({ length: 300 }, () => issuer.prepare(requestOf()).serialNumber)
  assert.equal(new Set(serials).size, 300)
})

const refused: readonly (readonly [
  title: string,
  change: () => Partial<IssuanceRequest>,
  message: string,
])[] = [
  [
    'less than an hour',
    () => ({ lifetimeSeconds: 3599 }),
    'lifetime is out of bounds, want=3600..86400 got=3599',
  ],
  [
    'more than the profile',
    () => ({ lifetimeSeconds: 86_401 }),
    'lifetime is out of bounds, want=3600..86400 got=86401',
  ],
  [
    'half a second',
    () => ({ lifetimeSeconds: 3600.5 }),
    'lifetime is out of bounds, want=3600..86400 got=3600.5',
  ],
  [
    'another cluster',
    () => ({ identity: testIdentity({ cluster: 'other' }) }),
    'cluster is another one, want=test got="other"',
  ],
  [
    'another trust domain',
    () => ({ identity: testIdentity({ trustDomain: 'other.example' }) }),
    'SPIFFE ID is another one, want=spiffe://test.example/ns/shop/sa/agent got="spiffe://other.example/ns/shop/sa/agent"',
  ],
  [
    'the SPIFFE ID of another workload',
    () => ({
      identity: {
        ...testIdentity(),
        spiffeId: workloadSpiffeId({ ...ca, namespace: 'shop', serviceAccount: 'admin' }),
      },
    }),
    'SPIFFE ID is another one, want=spiffe://test.example/ns/shop/sa/agent got="spiffe://test.example/ns/shop/sa/admin"',
  ],
  [
    'a DNS name without a role',
    () => ({ dnsNames: ['a.shop.svc'] }),
    'DNS names are for roles that serve',
  ],
  [
    'a DNS name of an agent',
    () => serving(['a.shop.svc'], 'agent'),
    'DNS names are for roles that serve',
  ],
  ['a malformed DNS name', () => serving(['a..svc']), 'DNS name is malformed, got="a..svc"'],
  ['a wildcard', () => serving(['*.shop.svc']), 'DNS name is malformed, got="*.shop.svc"'],
  ['a DNS name twice', () => serving(['a.svc', 'a.svc']), 'DNS names have a duplicate'],
  [
    'a DNS name outside the CA’s constraints',
    () => serving(['kubernetes.default.svc', 'www.example.com']),
    'CA is not allowed to issue this name, got=DNS name "www.example.com"',
  ],
  [
    '33 DNS names',
    () => serving(Array.from({ length: 33 }, (_, at) => `s${at}.svc`)),
    'DNS names are too many, want=..32 got=33',
  ],
]
for (const [title, change, message] of refused) {
  test(`an issuance that asks for ${title} is refused`, () => {
    assert.throws(() => issuerOf(ca.source).prepare(requestOf(change())), {
      code: 'pki/request',
      message,
    })
  })
}

test('a key type outside the profile is refused', () => {
  const profile = createProfile({
    trustDomain: ca.trustDomain,
    cluster: 'test',
    production: false,
    keyTypes: ['ED25519'],
  })
  const issuer = createIssuer({ profile, authorities: ca.source, now })
  assert.throws(() => issuer.prepare(requestOf()), {
    message: 'key type is not in the profile, want=ED25519 got=ECDSAP256',
  })
})

test('an authority of another trust domain is refused', () => {
  const other = createTestAuthority({ trustDomain: 'other.example', now: () => begin })
  assert.throws(() => issuerOf(other.source).prepare(requestOf()), {
    code: 'pki/request',
    message: 'authority is of another trust domain, want=test.example got=other.example',
  })
})

test('a ceiling that does not fit is refused, and the next issuance is not harmed', () => {
  const scope = (at: number): string =>
    `${'s'.repeat(60)}:${String(at).padStart(2, '0')}${'t'.repeat(120)}`
  const toolScopes = Array.from({ length: 32 }, (_, at) => scope(at)).join()
  const issuer = issuerOf(ca.source)
  assert.throws(() => issuer.prepare(requestOf({ identity: testIdentity({ toolScopes }) })), {
    code: 'pki/ceiling-too-large',
    message: /^identity does not fit into the certificate, want=\.\.16 models/,
  })
  atOnce(issuer.issue(issuer.prepare(requestOf())))
})

test('a signature by another key never leaves the issuer', () => {
  requirement('pki.inspect-before-publish')
  const other = createTestAuthority({ now: () => begin })
  const forged = { ...ca.authority, sign: (octets: Uint8Array) => other.authority.sign(octets) }
  const issuer = issuerOf(staticAuthoritySource(forged))
  assert.throws(() => issuer.issue(issuer.prepare(requestOf())), {
    code: 'pki/inspection',
    message: 'certificate just signed breaks rules: signature is not of the authority',
  })
})

test('a key that is kept elsewhere signs when it answers, and what it gives is inspected', async () => {
  const asked = Promise.withResolvers<Buffer>()
  const elsewhere = { ...ca.authority, sign: () => asked.promise }
  const issuer = issuerOf(staticAuthoritySource(elsewhere))
  const prepared = issuer.prepare(requestOf())
  const issued = issuer.issue(prepared)
  assert.throws(() => issuer.issue(prepared), { code: 'pki/prepared-used' })
  asked.resolve(Buffer.alloc(64))
  await assert.rejects(Promise.resolve(issued), {
    code: 'pki/inspection',
    message: /signature is not of the authority/,
  })
  const own = {
    ...ca.authority,
    sign: (octets: Uint8Array) => Promise.resolve(ca.authority.sign(octets)),
  }
  const good = issuerOf(staticAuthoritySource(own))
  const { der } = await good.issue(good.prepare(requestOf()))
  assert.ok(new X509Certificate(der).verify(new X509Certificate(ca.certificatePem).publicKey))
})

test('a CA that is replaced while its key is asked elsewhere certifies nothing more', async () => {
  requirement('pki.key-elsewhere')
  const asked = Promise.withResolvers<Buffer>()
  let octets: Uint8Array = Buffer.alloc(0)
  const before = {
    ...ca.authority,
    sign: (signed: Uint8Array) => {
      octets = signed
      return asked.promise
    },
  }
  let current: Authority = before
  const issuer = issuerOf({ ...ca.source, current: () => current })
  const issued = issuer.issue(issuer.prepare(requestOf()))
  current = createTestAuthority({ now: () => begin }).authority
  asked.resolve(atOnce(ca.authority.sign(octets)))
  await assert.rejects(Promise.resolve(issued), {
    code: 'pki/stale',
    message: 'authority has changed since the certificate was prepared',
  })
})

test('a chain that the API server would refuse for its size is not published', () => {
  const crowded = { ...ca.authority, chain: [Buffer.alloc(73_000)] }
  const issuer = issuerOf(staticAuthoritySource(crowded))
  assert.throws(() => issuer.issue(issuer.prepare(requestOf())), {
    code: 'pki/inspection',
    message: 'certificate just signed breaks rules: chain is too large for the API server',
  })
  const full = issuerOf(staticAuthoritySource({ ...ca.authority, chain: [Buffer.alloc(70_000)] }))
  const { chainPem } = atOnce(full.issue(full.prepare(requestOf())))
  assert.ok(chainPem.length < 102_400)
})

test('the intermediates of an authority follow the leaf, and its root does not', () => {
  const subjectKeyIdentifier = extension('2.5.29.14', false, hex('0404 01020304'))
  const root = craftCa({ name: 'root', seed: 1 })
  const middle = craftCa({
    name: 'middle',
    seed: 3,
    issuer: { name: 'root', seed: 1 },
    extensions: { subjectKeyIdentifier },
  })
  const authority = parseAuthority({
    certificatePem: formatCertificates([middle]),
    chainPem: formatCertificates([root]),
    privateKeyPem: seededKey(3).export({ format: 'pem', type: 'pkcs8' }).toString(),
    trustDomain: ca.trustDomain,
    now,
  })
  assert.deepEqual(authority.chain, [middle])
  assert.deepEqual(authority.anchors, [root])
  const issuer = issuerOf(staticAuthoritySource(authority))
  const { chainPem, der } = atOnce(issuer.issue(issuer.prepare(requestOf())))
  assert.equal(chainPem, formatCertificates([der, middle]))
})

function requestOf(change: Partial<IssuanceRequest> = {}): IssuanceRequest {
  return { identity: testIdentity(), dnsNames: [], key, lifetimeSeconds: 3600, ...change }
}

function serving(
  dnsNames: readonly string[],
  role: NonNullable<TestWorkload['role']> = 'tool-server',
): Partial<IssuanceRequest> {
  return { dnsNames, identity: testIdentity({ role }) }
}

function issuerOf(authorities: AuthoritySource): Issuer {
  return createIssuer({ profile: ca.profile, authorities, now })
}

function issueOnce(change: Partial<IssuanceRequest>): {
  request: IssuanceRequest
  prepared: ReturnType<Issuer['prepare']>
  issued: IssuedCertificate
} {
  const issuer = issuerOf(ca.source)
  const request = requestOf(change)
  const prepared = issuer.prepare(request)
  return { request, prepared, issued: atOnce(issuer.issue(prepared)) }
}
