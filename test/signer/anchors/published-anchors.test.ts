import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import { anchorsMax, parseBundle } from '../../../src/pki/bundle.ts'
import type { CaCertificate } from '../../../src/pki/ca-certificate.ts'
import { formatCertificates, formatPem } from '../../../src/pki/pem.ts'
import {
  formatAnchors,
  mergeAnchors,
  readPublishedAnchors,
} from '../../../src/signer/anchors/published-anchors.ts'
import { createTestAuthority } from '../../support/test-authority.ts'

const trustDomain = parseTrustDomain('example.org')
const day = 86_400_000
const [one, two] = [createTestAuthority({ trustDomain }), createTestAuthority({ trustDomain })]
const foreign = createTestAuthority({ trustDomain: 'other.example' })
const leafPem = formatPem('CERTIFICATE', one.issue().issued.der)
/** Damaged within the signature: its form is right and it is not signed by itself. */
const damaged = Buffer.from(one.authority.certificate.der)
damaged.writeUInt8(damaged.readUInt8(damaged.length - 1) ^ 1, damaged.length - 1)

const subjects = (anchors: readonly CaCertificate[]): readonly string[] =>
  anchors.map(({ sha256 }) => sha256)
const hashOf = ({ authority }: typeof one): string => authority.certificate.sha256

const texts: readonly [string, string, readonly string[]][] = [
  ['an empty text', '', []],
  ['two anchors', one.bundlePem + two.bundlePem, [hashOf(one), hashOf(two)]],
  [
    'text around them',
    `# one\n${one.bundlePem}\n\n# two\n${two.bundlePem}`,
    [hashOf(one), hashOf(two)],
  ],
  ['lines that end as on Windows', one.bundlePem.replaceAll('\n', '\r\n'), [hashOf(one)]],
  ['a block without an end', `${one.bundlePem}-----BEGIN CERTIFICATE-----\nAAAA`, [hashOf(one)]],
  [
    'a block that is no certificate',
    formatPem('CERTIFICATE', Buffer.from('none')) + one.bundlePem,
    [hashOf(one)],
  ],
  ['a block that is empty', `-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n`, []],
  ['a block of another kind', formatPem('PUBLIC KEY', one.authority.certificate.der), []],
  ['a leaf', leafPem + one.bundlePem, [hashOf(one)]],
  [
    'a CA that is not signed by itself',
    formatPem('CERTIFICATE', damaged) + two.bundlePem,
    [hashOf(two)],
  ],
  ['an anchor of another trust domain', foreign.bundlePem + one.bundlePem, [hashOf(one)]],
]

for (const [what, text, expected] of texts) {
  test(`of a published bundle with ${what} the anchors that readers can use are read`, () => {
    assert.deepEqual(subjects(readPublishedAnchors(text, trustDomain)), expected)
  })
}

test('more anchors than readers take are not read', () => {
  const text = one.bundlePem.repeat(anchorsMax + 1)
  assert.equal(readPublishedAnchors(text, trustDomain).length, anchorsMax)
})

interface Merge {
  readonly title: string
  readonly published: string
  readonly own: readonly (typeof one)[]
  readonly days: number
  readonly expected: readonly (typeof one)[]
}

const long = createTestAuthority({ trustDomain, lifetimeSeconds: 864_000 })
const merges: readonly Merge[] = [
  { title: 'our own come to none', published: '', own: [one], days: 0, expected: [one] },
  {
    title: 'our own come to another’s',
    published: two.bundlePem,
    own: [one],
    days: 0,
    expected: [one, two],
  },
  {
    title: 'our own are there already',
    published: one.bundlePem,
    own: [one],
    days: 0,
    expected: [one],
  },
  {
    title: 'one stands there twice',
    published: two.bundlePem.repeat(2),
    own: [one],
    days: 0,
    expected: [one, two],
  },
  {
    title: 'a published one has ended',
    published: two.bundlePem,
    own: [long],
    days: 2,
    expected: [long],
  },
  { title: 'our own have ended', published: long.bundlePem, own: [one], days: 2, expected: [long] },
  { title: 'all have ended', published: two.bundlePem, own: [one], days: 2, expected: [] },
]

for (const { title, published, own, days, expected } of merges) {
  test(`anchors are merged where ${title}`, () => {
    const merged = mergeAnchors({
      published: readPublishedAnchors(published, trustDomain),
      own: own.flatMap(({ authority }) => authority.anchors),
      now: Date.now() + days * day,
    })
    assert.deepEqual(subjects(merged), expected.map(hashOf))
  })
}

test('an anchor is valid up to its very end', () => {
  const published = readPublishedAnchors(one.bundlePem, trustDomain)
  const end = one.authority.certificate.notAfter.getTime()
  assert.equal(mergeAnchors({ published, own: [], now: end }).length, 1)
  assert.equal(mergeAnchors({ published, own: [], now: end + 1 }).length, 0)
})

test('our own anchors stay where there are more than readers take', () => {
  const [known] = readPublishedAnchors(two.bundlePem, trustDomain) as [CaCertificate]
  const published = Array.from({ length: anchorsMax }, (_, at) => ({ ...known, sha256: `${at}` }))
  const merged = mergeAnchors({ published, own: one.authority.anchors, now: Date.now() })
  assert.equal(merged.length, anchorsMax)
  assert.equal(merged[0]?.sha256, hashOf(one))
})

test('the text is the same whatever the order, and our readers read it', () => {
  const anchors = readPublishedAnchors(one.bundlePem + two.bundlePem, trustDomain)
  const text = formatAnchors(anchors)
  assert.equal(formatAnchors(anchors.toReversed()), text)
  assert.equal(parseBundle(text, trustDomain).anchors.length, 2)
  assert.equal(text.length, formatCertificates(anchors.map(({ der }) => der)).length)
})
