import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { workloadSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { verifyServing } from '../../src/pki/node-serving.ts'
import { addressOctets } from '../../src/pki/requested-names.ts'
import { writeSelfSigned } from '../../src/pki/self-signed.ts'
import { keyTypes } from '../../src/pki/subject-key.ts'
import { verifyCredential } from '../../src/renewal/verify-credential.ts'

const trustDomain = parseTrustDomain('dev.example')
const spiffeId = workloadSpiffeId({ trustDomain, namespace: 'a', serviceAccount: 'b' })
const now = Date.parse('2026-11-30T12:00:00Z')
const common = { lifetimeSeconds: 3600, now: () => now }

for (const keyType of keyTypes.filter((each) => !each.startsWith('RSA4'))) {
  test(`a workload with a key of ${keyType} is vouched for by its own anchor alone, for an hour`, () => {
    const made = writeSelfSigned({ names: { spiffeId }, keyType, ...common })
    const checks = { trustDomain, trustBundle: made.trustBundle, now }
    const { subject, notAfter } = verifyCredential(made.credentialBundle, checks)
    assert.equal(subject, spiffeId.uri)
    assert.equal(notAfter.getTime(), now + 3_600_000)
    const later = { ...checks, now: now + 3_600_001 }
    assert.throws(() => verifyCredential(made.credentialBundle, later), {
      code: 'pki/svid-expired',
    })
    const { trustBundle } = writeSelfSigned({
      names: { spiffeId },
      keyType: 'ECDSAP256',
      ...common,
    })
    assert.throws(() => verifyCredential(made.credentialBundle, { ...checks, trustBundle }), {
      code: 'pki/svid-untrusted',
    })
  })
}

test('a node’s certificate is for its names and for servers, as a kubelet’s is', () => {
  const names = {
    commonName: 'system:node:a',
    organizations: ['system:nodes'],
    dnsNames: ['a.example'],
    ipAddresses: [addressOctets('10.0.0.1')],
  }
  const { credentialBundle, trustBundle } = writeSelfSigned({
    names,
    keyType: 'ECDSAP256',
    ...common,
  })
  const asked = { nodeName: 'a', dnsNames: ['a.example'], addresses: ['10.0.0.1'] }
  verifyServing(credentialBundle, { names: asked, trustBundle, now })
  const leaf = new X509Certificate(
    credentialBundle.slice(credentialBundle.indexOf('-----BEGIN CERT')),
  )
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  assert.equal(leaf.ca, false)
})
