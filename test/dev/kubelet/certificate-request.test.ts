import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import 'reflect-metadata'
import { Pkcs10CertificateRequest } from '@peculiar/x509'
import { parseCertificateRequest } from '../../../dev/control-plane/certificate-request.ts'
import { encodeCertificateRequest } from '../../../dev/kubelet/certificate-request.ts'
import { generatePrivateKey } from '../../../dev/kubelet/private-key.ts'

for (const keyType of ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519']) {
  test(`a request for an ${keyType} key is empty, signed and readable by others`, async () => {
    const privateKey = await generatePrivateKey(keyType)
    const octets = encodeCertificateRequest({ privateKey })
    const parsed = parseCertificateRequest(octets)
    assert.equal(parsed?.signatureVerifies, true)
    assert.ok(parsed?.publicKey.equals(createPublicKey(privateKey)))
    const theirs = new Pkcs10CertificateRequest(octets)
    assert.equal(await theirs.verify(), true)
    assert.deepEqual([theirs.subject, theirs.attributes.length], ['', 0])
  })
}

test('a common name is in the subject when asked for', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const octets = encodeCertificateRequest({ privateKey, commonName: 'system:masters' })
  assert.equal(new Pkcs10CertificateRequest(octets).subject, 'CN=system:masters')
})

test('a changed octet breaks the signature', async () => {
  const octets = encodeCertificateRequest({ privateKey: await generatePrivateKey('ED25519') })
  const last = octets.length - 1
  octets[last] = (octets[last] ?? 0) ^ 1
  assert.equal(parseCertificateRequest(octets)?.signatureVerifies, false)
})

test('keys of other types are refused', async () => {
  await assert.rejects(generatePrivateKey('RSA2048'), /unknown key type "RSA2048"/)
  await assert.rejects(generatePrivateKey('constructor'), RangeError)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  assert.throws(() => encodeCertificateRequest({ privateKey }), /want=RSA, ECDSA or Ed25519/)
})
