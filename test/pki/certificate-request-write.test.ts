import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { parseCertificateRequest } from '../../src/pki/certificate-request.ts'
import { writeCertificateRequest } from '../../src/pki/certificate-request-write.ts'
import { formatPem } from '../../src/pki/pem.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const asked = { trustDomain: parseTrustDomain('agents.example') }

test('a CA is asked for with what makes it one, and with names of its own', () => {
  const request = parseCertificateRequest(writeCertificateRequest(privateKey, asked))
  assert.deepEqual(request.others, ['the extension 2.5.29.19'])
  assert.equal(request.alternativeNames.length, 1)
  assert.equal(
    request.alternativeNames[0]?.toString('latin1').includes('spiffe://agents.example'),
    true,
  )
  const { privateKey: other } = generateKeyPairSync('ed25519')
  const second = parseCertificateRequest(writeCertificateRequest(other, asked))
  assert.equal(second.subject.equals(request.subject), false, 'two CAs never have one name')
})

test('OpenSSL reads what is asked for of a CA', () => {
  const pem = formatPem('CERTIFICATE REQUEST', writeCertificateRequest(privateKey, asked))
  const read = spawnSync('openssl', ['req', '-noout', '-verify', '-text'], {
    input: pem,
    encoding: 'utf8',
  })
  // Where there is no openssl command nothing is compared.
  if (read.error !== undefined) return
  assert.equal(read.status, 0, read.stderr)
  assert.match(read.stdout, /Subject: CN ?= ?countersign [0-9a-f]{16}\n/)
  assert.match(read.stdout, /Basic Constraints: critical\s+CA:TRUE, pathlen:0\n/)
  assert.match(read.stdout, /Subject Alternative Name: ?\s+URI:spiffe:\/\/agents\.example\n/)
})
