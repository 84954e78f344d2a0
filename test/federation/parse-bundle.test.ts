import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assert as hold, property, string, jsonValue } from 'fast-check'
import { CountersignError } from '../../src/errors.ts'
import { formatBundleDocument } from '../../src/federation/format-bundle.ts'
import { parseBundleDocument } from '../../src/federation/parse-bundle.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { requirement } from '../requirements.ts'
import { craftOddCa } from '../support/craft-certificate.ts'
import { createTestAuthority } from '../support/test-authority.ts'

const trustDomain = parseTrustDomain('b.example')
const authority = createTestAuthority({ trustDomain })
const rsa = createTestAuthority({ trustDomain, keyType: 'RSA3072' })
const other = createTestAuthority({ trustDomain: 'c.example' })
const underRoot = createTestAuthority({ underRoot: 7 })
const anchors = [...authority.bundle.anchors, ...rsa.bundle.anchors]

const jwkOf = (der: Buffer | undefined): object => ({
  use: 'x509-svid',
  kty: 'EC',
  x5c: [der?.toString('base64')],
})
const good = jwkOf(authority.authority.anchors[0])
const read = (document: unknown): readonly string[] =>
  parseBundleDocument(JSON.stringify(document), trustDomain).bundle.anchors.map(
    ({ sha256 }) => sha256,
  )
const oddAnchor = craftOddCa()
const wanted = authority.bundle.anchors.map(({ sha256 }) => sha256)

test('a document of anchors is a JWK Set with sequence and refresh hint, and is read back', () => {
  const text = formatBundleDocument({ anchors, sequence: 2n ** 63n + 1n, refreshHintSeconds: 60 })
  const { spiffe_refresh_hint: hint, keys } = JSON.parse(text) as {
    spiffe_refresh_hint: number
    keys: readonly Record<string, unknown>[]
  }
  assert.equal(hint, 60)
  assert.deepEqual(
    keys.map((key) => Object.keys(key).toSorted()),
    [
      ['crv', 'kty', 'use', 'x', 'x5c', 'y'],
      ['e', 'kty', 'n', 'use', 'x5c'],
    ],
  )
  const document = parseBundleDocument(text, trustDomain)
  // As a number of JavaScript it would be another one.
  assert.equal(document.sequence, 2n ** 63n + 1n)
  assert.equal(document.refreshHintSeconds, 60)
  assert.deepEqual(
    document.bundle.anchors.map(({ sha256 }) => sha256).toSorted(),
    anchors.map(({ sha256 }) => sha256).toSorted(),
  )
  assert.equal(document.bundle.trustDomain, trustDomain)
})

test('what is no X.509 anchor of the trust domain is skipped, and an anchor counts once', () => {
  requirement('federation.own-anchors-only')
  const skipped: readonly unknown[] = [
    null,
    'text',
    [],
    {},
    { ...good, use: undefined },
    { ...good, use: 'wit-svid', kid: '1' },
    { ...good, x5c: undefined },
    { ...good, x5c: [] },
    { ...good, x5c: ['no certificate'] },
    { ...good, x5c: ['A'.repeat(30_000)] },
    // A leaf, and an anchor of another trust domain.
    jwkOf(authority.issue().credential.svid.der),
    jwkOf(other.authority.anchors[0]),
    // A name that OpenSSL does not read.
    jwkOf(oddAnchor),
  ]
  for (const key of skipped) assert.deepEqual(read({ keys: [key, good, good] }), wanted)
  assert.deepEqual(read({ keys: [] }), [])
  assert.deepEqual(read({ keys: skipped }), [])
  const intermediate = JSON.stringify({ keys: [jwkOf(underRoot.authority.certificate.der)] })
  assert.equal(parseBundleDocument(intermediate, underRoot.trustDomain).bundle.anchors.length, 0)
  // Only the first certificate of a key says something.
  const [first] = (good as { x5c: readonly string[] }).x5c
  assert.deepEqual(read({ keys: [{ ...good, x5c: [first, 'more'] }] }), wanted)
  assert.deepEqual(read({ keys: [{ ...good, x5c: ['more', first] }] }), [])
})

test('a document without sequence and hint says so; one that cannot be meant is refused', () => {
  const document = parseBundleDocument('{"keys":[]}', trustDomain)
  assert.equal(document.sequence, undefined)
  assert.equal(document.refreshHintSeconds, undefined)
  for (const [text, message] of [
    ['', 'is not JSON'],
    ['{', 'is not JSON'],
    ['[]', 'is not an object'],
    ['null', 'is not an object'],
    ['{}', 'has no list of keys'],
    ['{"keys":{}}', 'has no list of keys'],
    [`{"keys":[${'0,'.repeat(256)}0]}`, 'has too many keys, want=..256 got=257'],
    ['{"keys":[],"spiffe_sequence":-1}', 'has a sequence that is no whole number of 64 bits'],
    ['{"keys":[],"spiffe_sequence":1.5}', 'has a sequence that is no whole number of 64 bits'],
    ['{"keys":[],"spiffe_sequence":1e3}', 'has a sequence that is no whole number of 64 bits'],
    ['{"keys":[],"spiffe_sequence":null}', 'has a sequence that is no whole number of 64 bits'],
    [
      '{"keys":[],"spiffe_sequence":18446744073709551616}',
      'has a sequence that is no whole number of 64 bits',
    ],
    ['{"keys":[],"spiffe_refresh_hint":-1}', 'has a refresh hint that is no whole number'],
    ['{"keys":[],"spiffe_refresh_hint":"5"}', 'has a refresh hint that is no whole number'],
    [
      '{"keys":[],"spiffe_sequence":1,"spiffe_sequence":2}',
      'has a sequence that is no whole number of 64 bits',
    ],
    ['{"keys":[],"spiffe_sequence":"1"}', 'has a sequence that is no whole number of 64 bits'],
    [JSON.stringify({ keys: Array(33).fill(good) }), 'has too many anchors, want=..32 got=33'],
    [' '.repeat(512 * 1024 + 1), 'is too long, want=..524288 got=524289'],
  ] as const) {
    assert.throws(
      () => parseBundleDocument(text, trustDomain),
      ({ code, message: got }: CountersignError) =>
        code === 'federation/bundle' && got.startsWith(`bundle document ${message}`),
      text.slice(0, 60),
    )
  }
})

test('what is written beside the keys, in strings and members, is not taken for the sequence', () => {
  const beside = '"text":"\\"spiffe_sequence\\":7,","more":[{"spiffe_sequence":true}]'
  const { sequence } = parseBundleDocument(
    `{"keys":[],${beside},"spiffe_sequence" : 18446744073709551615 }`,
    trustDomain,
  )
  assert.equal(sequence, 2n ** 64n - 1n)
})

test('no reviver is asked of each value that somebody else has written', (t) => {
  requirement('federation.own-anchors-only')
  const parse = t.mock.method(JSON, 'parse')
  parseBundleDocument(`{"keys":[],"x":[${'0,'.repeat(200_000)}0]}`, trustDomain)
  assert.deepEqual(
    parse.mock.calls.map((each) => each.arguments.length),
    [1],
  )
})

test('whatever stands there is read or refused by one error', () => {
  const reads = (text: string): void => {
    try {
      parseBundleDocument(text, trustDomain)
    } catch (error) {
      assert.ok(error instanceof CountersignError && error.code === 'federation/bundle')
    }
  }
  hold(property(string(), reads), { numRuns: 300 })
  hold(
    property(jsonValue(), jsonValue(), (keys, sequence) =>
      reads(JSON.stringify({ keys: [keys], spiffe_sequence: sequence, ...good })),
    ),
    { numRuns: 300 },
  )
})
