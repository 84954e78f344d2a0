import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatCertificates } from '../../src/pki/pem.ts'
import { craftCa, craftCertificate, leafParts } from './craft-certificate.ts'
import { verifyEvery } from './every-certificate.ts'
import { createTestAuthority } from './test-authority.ts'

test('of all certificates those below a published anchor are verified by others, and no other', async () => {
  const [one, other] = [createTestAuthority(), createTestAuthority({ underRoot: 3 })]
  const chains = [one.issue(), one.issue({ keyType: 'ED25519' }), other.issue()].map(
    ({ issued }) => issued.chainPem,
  )
  const anchors = new Set([one.bundlePem, 'no certificate'])
  assert.equal(await verifyEvery(new Set([...chains, 'no chain']), anchors), 2)
  assert.equal(await verifyEvery(new Set(chains), anchors.add(other.bundlePem)), 3)
})

test('a certificate that OpenSSL or Go do not take is found among many', async () => {
  const root = craftCa({ name: 'root', seed: 1 })
  const leaf = craftCertificate(leafParts())
  const good = createTestAuthority()
  const chains = new Set([good.issue().issued.chainPem, formatCertificates([leaf])])
  const anchors = new Set([good.bundlePem, formatCertificates([root])])
  await assert.rejects(verifyEvery(chains, anchors), /Authority Key Identifier/)
})
