import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { formatCertificates } from '../../src/pki/pem.ts'
import { parseX509Svid, verifyX509Svid } from '../../src/pki/x509-svid.ts'
import {
  craftCa,
  craftCertificate,
  extension,
  hex,
  leafParts,
  seededKey,
} from '../support/craft-certificate.ts'
import { createTestAuthority } from '../support/test-authority.ts'
import { requirement } from '../requirements.ts'

const trustDomain = parseTrustDomain('test.example')
const now = Date.UTC(2026, 10, 22)
const root = craftCa({ name: 'root', seed: 1 })

test('what is wrong with an SVID shows in the code', () => {
  const svid = parseX509Svid(craftCertificate(leafParts()))
  const bundle = parseBundle(formatCertificates([root]), trustDomain)
  const end = svid.notAfter.getTime()
  verifyX509Svid(svid, { bundle, now: end })
  assert.throws(() => verifyX509Svid(svid, { bundle, now: end + 1 }), { code: 'pki/svid-expired' })
  const before = svid.notBefore.getTime() - 1
  assert.throws(() => verifyX509Svid(svid, { bundle, now: before }), {
    code: 'pki/svid-not-yet-valid',
  })
  const stranger = parseX509Svid(craftCertificate({ ...leafParts(), signer: seededKey(9) }))
  assert.throws(() => verifyX509Svid(stranger, { bundle, now }), { code: 'pki/svid-untrusted' })
})

test('a bundle vouches for its own trust domain only, whoever signed', () => {
  requirement('pki.anchors-of-own-domain')
  const ca = createTestAuthority()
  const other = parseTrustDomain('other.example')
  // A root without a URI may be an anchor of any trust domain: only the SPIFFE ID tells them apart.
  const plain = craftCa({ name: 'root', seed: 1, extensions: { subjectAltName: hex('') } })
  const bundle = parseBundle(formatCertificates([plain]), other)
  const svid = parseX509Svid(craftCertificate(leafParts()))
  assert.throws(() => verifyX509Svid(svid, { bundle, now }), {
    code: 'pki/svid-untrusted',
    message: 'SVID is of another trust domain, want=other.example got=test.example',
  })
  assert.throws(() => verifyX509Svid(ca.issue().credential.svid, { bundle, now: Date.now() }), {
    code: 'pki/svid-untrusted',
  })
})

test('an SVID is a copy of what it was parsed from', () => {
  const der = craftCertificate(leafParts())
  const view = new Uint8Array(Buffer.concat([hex('ff'), der, hex('ff')])).subarray(
    1,
    der.length + 1,
  )
  const svid = parseX509Svid(view)
  view.fill(0)
  assert.deepEqual(svid.der, der)
  assert.equal(svid.spiffeId.uri, 'spiffe://test.example/ns/shop/sa/agent')
  assert.equal(svid.serialNumber, `40${'00'.repeat(14)}01`)
  assert.equal(svid.identity, undefined)
})

test('the identity extension must be of the workload that the SPIFFE ID names', () => {
  const ca = createTestAuthority()
  const { identity } = ca.issue({ serviceAccount: 'admin' })
  const { value } = extensionOf(ca.issue({ serviceAccount: 'admin' }).issued.der)
  assert.equal(identity.serviceAccount.name, 'admin')
  const good = leafParts()
  const der = craftCertificate({
    ...good,
    extensions: { ...good.extensions, identity: extension('1.3.6.1.4.1.32473.1', false, value) },
  })
  assert.throws(() => parseX509Svid(der), {
    code: 'pki/svid',
    message: 'certificate has an identity extension of another workload than its SPIFFE ID',
  })
  // Under another arc it is an extension like any other, and says nothing.
  assert.equal(parseX509Svid(der, { identityExtensionOid: '1.3.6.1.4.1.1.1' }).identity, undefined)
})

test('an identity extension that is critical or malformed makes the certificate no SVID', () => {
  requirement('pki.extension-fails-closed')
  const good = leafParts()
  const leafWith = (critical: boolean, value: Buffer): Buffer =>
    craftCertificate({
      ...good,
      extensions: {
        ...good.extensions,
        identity: extension('1.3.6.1.4.1.32473.1', critical, value),
      },
    })
  const { value } = extensionOf(createTestAuthority().issue().issued.der)
  assert.notEqual(parseX509Svid(leafWith(false, value)).identity, undefined)
  assert.throws(() => parseX509Svid(leafWith(true, value)), {
    message: 'certificate has an unknown critical extension, got="1.3.6.1.4.1.32473.1"',
  })
  assert.throws(() => parseX509Svid(leafWith(false, hex('0500'))), {
    code: 'pki/svid',
    message: 'WorkloadBinding has the wrong tag, want=30 got=05',
  })
})

function extensionOf(der: Buffer): { readonly value: Buffer } {
  const found = parseX509Svid(der).certificate.extensions.get('2b0601040181fd5901')
  assert.ok(found)
  return found
}

test('a key that has signed a handshake is made an object once, and when it is asked for', () => {
  const der = craftCertificate(leafParts())
  const svid = parseX509Svid(der, { isKeyProven: true })
  assert.ok(svid.publicKey.equals(parseX509Svid(der).publicKey))
  assert.equal(svid.publicKey, svid.publicKey)
})
