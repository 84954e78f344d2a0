import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { createSelfSignedAuthority } from '../../src/pki/authority.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { certificateBlocks } from '../../src/pki/pem.ts'
import { publishedLeaf } from '../../src/pki/published-leaf.ts'

const { certificatePem } = createSelfSignedAuthority({
  trustDomain: parseTrustDomain('example.org'),
  lifetimeSeconds: 864_000,
  now: Date.now,
})

test('what was published is known by its serial number and its digests', () => {
  const [der = Buffer.alloc(0)] = certificateBlocks(certificatePem)
  const leaf = publishedLeaf(certificatePem)
  assert.equal(leaf?.certificateSha256, hash('sha256', der, 'hex'))
  assert.equal(leaf.chainSha256, hash('sha256', certificatePem, 'hex'))
  assert.match(leaf.serialNumber, /^[0-9a-f]+$/)
})

test('what is no certificate answers no intent', () => {
  for (const text of ['', 'x', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
    assert.equal(publishedLeaf(text), undefined)
  }
})

test('blocks of certificates are found wherever they stand, and nothing else is', () => {
  const text = `hello\n${certificatePem}-----BEGIN OTHER-----\nAAAA\n-----END OTHER-----\n${certificatePem}bye`
  const blocks = certificateBlocks(text)
  assert.equal(blocks.length, 2)
  assert.deepEqual(blocks[0], blocks[1])
  assert.deepEqual(certificateBlocks('-----BEGIN CERTIFICATE-----'), [])
})
