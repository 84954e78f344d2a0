import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import {
  entryOf,
  formatJournal,
  isTrusted,
  parseJournal,
  type JournalEntry,
} from '../../src/pki/authority-journal.ts'
import {
  activate,
  prepare,
  shortName,
  taint,
  trustedSecondsAfter,
  withdrawn,
} from '../../src/pki/authority-steps.ts'
import { createSelfSignedAuthority } from '../../src/pki/authority.ts'
import { writeCertificateRequest } from '../../src/pki/certificate-request-write.ts'
import { formatPem } from '../../src/pki/pem.ts'
import { createParentCa, type ParentCa } from '../support/parent-ca.ts'

const trustDomain = parseTrustDomain('agents.example')
const now = Date.parse('2026-11-30T06:00:00Z')
const day = 86_400

/** What a CA above ours has made of a new key, without its own certificate. */
function answer(parent: ParentCa, lifetimeSeconds = 90 * day): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const request = writeCertificateRequest(privateKey, { trustDomain })
  return parent.answer(formatPem('CERTIFICATE REQUEST', request), {
    notBefore: now,
    lifetimeSeconds,
  })
}

const parentCa = createParentCa({ seed: 1, trustDomain, now })
const another = createParentCa({ seed: 2, trustDomain, now, lifetimeSeconds: 60 * day })

const entry = (state: JournalEntry['state'], of = parentCa): JournalEntry =>
  entryOf(`${answer(of)}${of.rootPem}`, { state, since: now }, 'requested')

test('a requested CA stands in the journal with those above it, and ends with the first of them', () => {
  const active = entry('active', another)
  const [read] = parseJournal(formatJournal([active]), trustDomain, 'requested')
  assert.equal(read?.certificate.sha256, active.certificate.sha256)
  assert.equal(read.certificate.selfSigned, false)
  assert.equal(read.anchor.selfSigned, true)
  assert.equal(read.notAfter.getTime(), now - 3_600_000 + 60 * day * 1000)
  assert.equal(isTrusted(read, read.notAfter.getTime()), true)
  assert.equal(isTrusted(read, read.notAfter.getTime() + 1), false)
})

test('an anchor is withdrawn with the last CA below it that is trusted', () => {
  const first = entry('active')
  const renewed = activate(prepare([first], entry('prepared'), now), now)
  const over = now + trustedSecondsAfter * 1000 + 1
  assert.deepEqual(withdrawn(renewed, over), [], 'the one that signs is below the same anchor')
  const moved = activate(prepare([first], entry('prepared', another), now), now)
  assert.deepEqual(withdrawn(moved, over - 1), [])
  assert.deepEqual(withdrawn(moved, over), [first.anchor.sha256])
  const tainted = taint(moved, shortName(first.certificate.sha256))
  assert.equal(tainted[0]?.anchor.sha256, first.anchor.sha256, 'it keeps its path in every state')
})

const selfSigned = createSelfSignedAuthority({
  trustDomain,
  lifetimeSeconds: day,
  now: () => now,
}).certificatePem

for (const [what, pem, kind, message] of [
  ['a path without its root', answer(parentCa), 'requested', /no root/],
  ['a root', selfSigned, 'requested', /has a root, want=a CA that one above it has issued/],
  ['nothing', '', 'requested', /not one certificate/],
  ['more than a path', parentCa.rootPem.repeat(6), 'requested', /no path, want=\.\.5/],
  ['a key', selfSigned.replaceAll('CERTIFICATE', 'PRIVATE KEY'), 'requested', /no path/],
  [
    'a path of which one root is expected',
    `${answer(parentCa)}${parentCa.rootPem}`,
    'selfSigned',
    /not one certificate/,
  ],
] as const) {
  test(`${what} is no entry of a journal`, () => {
    const place = { state: 'active', since: now } as const
    assert.throws(() => entryOf(pem, place, kind), { code: 'pki/authority', message })
  })
}
