import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import { entryOf, type JournalEntry } from '../../../src/pki/authority-journal.ts'
import { shortName } from '../../../src/pki/authority-steps.ts'
import { writeCertificateRequest } from '../../../src/pki/certificate-request-write.ts'
import { formatPem } from '../../../src/pki/pem.ts'
import {
  readAuthority,
  writeAuthority,
  type AuthoritySecretOptions,
} from '../../../src/signer/anchors/authority-secret.ts'
import { rotateAuthority } from '../../../src/signer/anchors/rotate-authority.ts'
import { requirement } from '../../requirements.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'
import { createParentCa, type ParentCa } from '../../support/parent-ca.ts'

requirement('signer.requested-ca-below-a-configured-anchor')

const trustDomain = parseTrustDomain('agents.example')
const now = Date.parse('2026-11-30T06:00:00Z')
const hour = 3_600_000
const place = { namespace: 'countersign-system', name: 'countersign-intermediate' }
const leaked = createParentCa({ seed: 1, trustDomain, now })
const other = createParentCa({ seed: 2, trustDomain, now })
const pending = { name: 'countersign-1', privateKeyPem: 'a key', asked: 'a CA' }

function entry(
  parent: ParentCa,
  where: Pick<JournalEntry, 'state' | 'since' | 'until'>,
): JournalEntry {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const request = writeCertificateRequest(privateKey, { trustDomain })
  const answer = parent.answer(formatPem('CERTIFICATE REQUEST', request))
  return entryOf(`${answer}${parent.rootPem}`, where, 'requested')
}

/** A Secret with such CAs, while the next one is asked for. */
async function secretOf(journal: readonly JournalEntry[]): Promise<AuthoritySecretOptions> {
  const client = new FakeCluster()
  client.put('secrets', { metadata: place })
  const asked = { lifetimeSeconds: 86_400, dnsSuffixes: ['svc'] }
  const secret = {
    client,
    ...place,
    trustDomain,
    kind: 'requested',
    ...asked,
    now: () => now,
  } as const
  const { metadata } = await readAuthority(secret)
  await writeAuthority({ metadata, journal, activeKeyPem: 'a key', pending }, secret)
  return secret
}

const revoke = (of: JournalEntry): { readonly kind: 'revoke'; readonly name: string } => ({
  kind: 'revoke',
  name: shortName(of.certificate.sha256),
})
const old = (since: number): Pick<JournalEntry, 'state' | 'since' | 'until'> => ({
  state: 'old',
  since,
  until: since + 25 * hour,
})

test('with what is revoked goes whatever has signed below the same anchor, and nothing else', async () => {
  const over = entry(leaked, old(now - 48 * hour))
  const before = entry(leaked, old(now - 2 * hour))
  const last = entry(leaked, old(now - hour))
  const elsewhere = entry(other, old(now - hour))
  const secret = await secretOf([
    over,
    before,
    last,
    elsewhere,
    entry(other, { state: 'active', since: now }),
  ])
  const { journal } = await rotateAuthority(revoke(last), secret)
  assert.deepEqual(
    journal.map(({ state }) => state),
    ['revoked', 'revoked', 'revoked', 'old', 'active'],
  )
  const found = await readAuthority(secret)
  assert.deepEqual(found.pending, pending, 'what is asked for meanwhile is waited for still')
})

test('nothing is revoked whose anchor is that of the CA that signs', async () => {
  const before = entry(leaked, old(now - hour))
  const secret = await secretOf([before, entry(leaked, { state: 'active', since: now })])
  await assert.rejects(rotateAuthority(revoke(before), secret), {
    code: 'pki/authority-step',
    message: /has the anchor of another CA here/,
  })
})
