import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import { createCertificateAuthority } from '../../dev/certificate-authority.ts'

const authority = createCertificateAuthority({ commonName: 'test', now: Date.now })
const root = new X509Certificate(authority.certificatePem)

test('the authority signs itself and may sign', () => {
  assert.ok(root.ca && root.verify(root.publicKey))
  assert.equal(root.subject, 'CN=test')
})

test('a server certificate is for loopback and the names of the API server', () => {
  const { certificatePem, privateKeyPem } = authority.issueServer()
  const leaf = new X509Certificate(certificatePem)
  assert.ok(leaf.checkIssued(root) && leaf.verify(root.publicKey) && !leaf.ca)
  assert.ok(leaf.checkPrivateKey(createPrivateKey(privateKeyPem)))
  assert.equal(leaf.checkIP('127.0.0.1'), '127.0.0.1')
  assert.equal(leaf.checkHost('kubernetes.default.svc'), 'kubernetes.default.svc')
  assert.equal(leaf.checkHost('example.com'), undefined)
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1'])
})

test('a client certificate carries the user and every group, and no names', () => {
  const user = { name: 'system:node:é', groups: ['system:nodes', 'a, b'] }
  const leaf = new X509Certificate(authority.issueClient(user).certificatePem)
  assert.ok(leaf.verify(root.publicKey))
  const { subject } = leaf.toLegacyObject()
  assert.deepEqual([subject.CN, subject.O], ['system:node:é', ['system:nodes', 'a, b']])
  assert.equal(leaf.subjectAltName, undefined)
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.2'])
})

test('serial numbers are positive and differ', () => {
  const serials = Array.from({ length: 50 }, () => {
    const { certificatePem } = authority.issueServer()
    return new X509Certificate(certificatePem).serialNumber
  })
  assert.equal(new Set(serials).size, serials.length)
  assert.ok(serials.every((serial) => serial.length === 32 && serial < '8'))
})

test('a certificate of the year 2060 has its times in the long form', () => {
  const late = createCertificateAuthority({ commonName: 'late', now: () => Date.UTC(2060, 0, 2) })
  assert.equal(new X509Certificate(late.certificatePem).validFromDate.getUTCFullYear(), 2060)
})
