import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAuthorities } from '../../src/pki/authorities.ts'
import { formatPem } from '../../src/pki/pem.ts'
import { requirement } from '../requirements.ts'
import { createTestAuthority } from '../support/test-authority.ts'

const { bundlePem } = createTestAuthority()

test('the authorities of an endpoint are certificates, one at least', () => {
  requirement('federation.endpoint-proved')
  assert.equal(parseAuthorities(bundlePem, 'federation/endpoint'), bundlePem)
  for (const [what, text, message] of [
    ['as a file is that is written anew', '', /has no certificate/],
    ['of a line', '\n', /has no certificate/],
    ['of no PEM', 'x', /has no PEM block/],
    ['cut short', bundlePem.slice(0, -10), /edge of a PEM block|without an end/],
    ['of another block', formatPem('PUBLIC KEY', Buffer.from('x')), /has another block/],
    [
      'of a certificate that OpenSSL does not read',
      bundlePem + formatPem('CERTIFICATE', Buffer.from('x')),
      /has a certificate that cannot be read/,
    ],
  ] as const) {
    assert.throws(
      () => parseAuthorities(text, 'federation/endpoint'),
      (error: Error & { code?: string }) =>
        error.code === 'federation/endpoint' && message.test(error.message),
      what,
    )
  }
})
