import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import { parseBundle } from '../../../src/pki/bundle.ts'
import type { CaCertificate } from '../../../src/pki/ca-certificate.ts'
import { writeCertificateRequest } from '../../../src/pki/certificate-request-write.ts'
import { formatPem } from '../../../src/pki/pem.ts'
import { judgeRequested } from '../../../src/signer/anchors/requested-chain.ts'
import { requirement } from '../../requirements.ts'
import { extension, generalNames, hex, oid, sequence } from '../../support/craft-certificate.ts'
import { createParentCa, type AnswerOptions, type ParentCa } from '../../support/parent-ca.ts'

requirement('signer.requested-ca-below-a-configured-anchor')

const trustDomain = parseTrustDomain('agents.example')
const now = Date.parse('2026-11-30T06:00:00Z')
const day = 86_400
const good: AnswerOptions = { notBefore: now, lifetimeSeconds: 90 * day }
const parent = createParentCa({ seed: 1, trustDomain, now })
const stranger = createParentCa({ seed: 2, trustDomain, now })

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const privateKeyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
const request = formatPem(
  'CERTIFICATE REQUEST',
  writeCertificateRequest(privateKey, { trustDomain }),
)
const anchorsOf = (...parents: readonly ParentCa[]): readonly CaCertificate[] =>
  parseBundle(parents.map(({ rootPem }) => rootPem).join(''), trustDomain).anchors
const answer = (told: Partial<AnswerOptions> = {}): string =>
  parent.answer(request, { ...good, ...told })

const options = {
  privateKeyPem,
  anchors: anchorsOf(parent),
  trustDomain,
  dnsSuffixes: ['svc'],
  place: { state: 'active', since: now },
  now: () => now,
} as const
const judge = (chainPem: string, more: object = {}): ReturnType<typeof judgeRequested> =>
  judgeRequested({ ...options, chainPem, ...more })

test('what was issued is taken with the anchor that is configured, which is no part of the answer', () => {
  const entry = judge(answer())
  assert.equal(entry.certificate.selfSigned, false)
  assert.equal(entry.anchor.selfSigned, true)
  assert.equal(entry.certificatePem.endsWith(parent.rootPem), true)
})

test('a root that comes with an answer vouches for nothing', () => {
  const chainPem = stranger.answer(request, good) + stranger.rootPem
  assert.throws(() => judge(chainPem), {
    code: 'pki/authority',
    message: 'authority is not self-signed and has no chain to a root',
  })
  const both = anchorsOf(stranger, parent)
  assert.equal(judge(chainPem, { anchors: both }).certificatePem.endsWith(stranger.rootPem), true)
})

test('of many anchors that are configured the one above it is found', () => {
  const others = Array.from({ length: 12 }, (_, index) =>
    createParentCa({ seed: 10 + index, trustDomain, now }),
  )
  assert.equal(
    judge(answer(), { anchors: anchorsOf(...others, parent) }).anchor.sha256,
    judge(answer()).anchor.sha256,
  )
})

const usages = (...each: readonly string[]): Buffer =>
  extension('2.5.29.37', false, sequence(...each.map((name) => oid(name))))
const permitted = (host: string): Buffer =>
  extension(
    '2.5.29.30',
    true,
    sequence(
      Buffer.concat([
        hex('a0'),
        Buffer.of(host.length + 4),
        sequence(Buffer.concat([hex('86'), Buffer.of(host.length), Buffer.from(host)])),
      ]),
    ),
  )
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

for (const [what, chainPem, message, more] of [
  ['nothing', '', /has no certificate/],
  [
    'a leaf',
    answer({ extensions: { basicConstraints: extension('2.5.29.19', true, sequence()) } }),
    /is no CA/,
  ],
  [
    'a CA that may not sign certificates',
    answer({ extensions: { keyUsage: extension('2.5.29.15', true, hex('03020780')) } }),
    /may not sign certificates/,
  ],
  [
    'a CA for servers alone',
    answer({ extensions: { extKeyUsage: usages('1.3.6.1.5.5.7.3.1') } }),
    /extended key usages that do not fit/,
  ],
  [
    'a CA of another trust domain',
    answer({
      extensions: {
        subjectAltName: extension('2.5.29.17', false, generalNames(['spiffe://other.example'])),
      },
    }),
    /is of another trust domain/,
  ],
  [
    'a CA that may sign for another trust domain alone',
    answer({ extensions: { nameConstraints: permitted('other.example') } }),
    /constrained to other trust domains/,
  ],
  [
    'a CA that ends within a day',
    answer({ lifetimeSeconds: day - 1 }),
    /ends too soon, want=86400s got=86399s/,
  ],
  ['a CA that has ended', answer({ notBefore: now - 91 * day * 1000 }), /has ended/],
  ['a CA that begins in an hour', answer({ notBefore: now + 3_600_000 }), /has not begun/],
  [
    'a CA of another key',
    answer(),
    /key that does not belong/,
    { privateKeyPem: other.export({ format: 'pem', type: 'pkcs8' }) },
  ],
  ['a key beside it', `${answer()}${privateKeyPem}`, /another block/],
  ['too long a chain', answer().repeat(60), /is too large/],
  [
    'one that ends no later than the one before',
    answer(),
    /ends no later than the one/,
    { before: judge(answer()) },
  ],
] as const) {
  test(`${what} is not taken`, () => {
    assert.throws(() => judge(chainPem, more), { code: 'pki/authority', message })
  })
}

test('one that begins in a moment is waited for', () => {
  const chainPem = answer({ notBefore: now + 60_000 })
  assert.throws(() => judge(chainPem), {
    code: 'pki/authority-unavailable',
    message: /has not begun/,
  })
  assert.equal(judge(chainPem, { now: () => now + 60_000 }).state, 'active')
})
