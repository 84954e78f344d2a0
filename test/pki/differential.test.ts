import 'reflect-metadata'
import * as peculiar from '@peculiar/x509'
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createPublicKey, webcrypto, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseCertificateRequest } from '../../src/pki/certificate-request.ts'
import { keyTypes } from '../../src/pki/subject-key.ts'
import type { KeyType } from '../../src/pki/subject-key.ts'
import { parseX509Svid } from '../../src/pki/x509-svid.ts'
import { createTestAuthority, generateTestKey, spkiOf } from '../support/test-authority.ts'
import type { TestLeaf } from '../support/test-authority.ts'

const openssl = spawnSync('openssl', ['version']).status === 0
if (!openssl) {
  process.stderr.write('NO OPENSSL COMMAND: certificates are not compared with what it reads\n')
}
const skip = openssl ? false : 'no openssl command'

const workload = {
  role: 'tool-server',
  tenant: 'acme',
  models: 'claude',
  toolScopes: 'github:issues_*,files:get',
  dnsNames: ['tools.shop.svc', 'tools.shop.svc.cluster.local'],
} as const

/** One leaf of every key type, from a CA of the same type. */
const leaves = keyTypes.map((keyType) => {
  const ca = createTestAuthority({ keyType })
  return { keyType, ca, leaf: ca.issue({ ...workload, keyType }) }
})

for (const { keyType, ca, leaf } of leaves) {
  test(`Node reads a ${keyType} leaf as it was issued`, () => {
    const certificate = new X509Certificate(leaf.issued.der)
    const anchor = new X509Certificate(ca.certificatePem)
    assert.equal(certificate.ca, false)
    assert.equal(certificate.serialNumber.toLowerCase(), leaf.issued.serialNumber)
    assert.equal(certificate.fingerprint256.replaceAll(':', '').toLowerCase(), leaf.issued.sha256)
    assert.deepEqual(new Date(certificate.validTo), leaf.issued.notAfter)
    assert.deepEqual(new Date(certificate.validFrom), leaf.issued.notBefore)
    assert.ok(certificate.subjectAltName?.includes(`URI:${leaf.identity.spiffeId.uri}`))
    assert.ok(certificate.checkIssued(anchor))
    assert.ok(certificate.verify(anchor.publicKey))
    assert.equal(certificate.raw.length, leaf.issued.der.length)
  })

  test(`@peculiar/x509 reads a ${keyType} leaf as it was issued`, async () => {
    const certificate = new peculiar.X509Certificate(new Uint8Array(leaf.issued.der))
    assert.equal(certificate.serialNumber, leaf.issued.serialNumber)
    assert.equal(certificate.subject, '')
    assert.deepEqual(certificate.notBefore, leaf.issued.notBefore)
    const names = certificate.getExtension(peculiar.SubjectAlternativeNameExtension)
    assert.deepEqual(
      names?.names.items.map((name) => `${name.type}:${name.value}`),
      [`url:${leaf.identity.spiffeId.uri}`, ...workload.dnsNames.map((name) => `dns:${name}`)],
    )
    assert.equal(names.critical, true)
    const usage = certificate.getExtension(peculiar.KeyUsagesExtension)
    const rsa = keyType.startsWith('RSA') ? peculiar.KeyUsageFlags.keyEncipherment : 0
    assert.equal(usage?.usages, peculiar.KeyUsageFlags.digitalSignature | rsa)
    assert.equal(certificate.getExtension(peculiar.BasicConstraintsExtension)?.ca, false)
    const purposes = certificate.getExtension(peculiar.ExtendedKeyUsageExtension)?.usages ?? []
    assert.deepEqual(Array.from(purposes), ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
    assert.deepEqual(certificate.extensions.map((extension) => extension.type).toSorted(), [
      '1.3.6.1.4.1.32473.1',
      '2.5.29.14',
      '2.5.29.15',
      '2.5.29.17',
      '2.5.29.19',
      '2.5.29.35',
      '2.5.29.37',
      '2.5.29.56',
    ])
    const anchor = new peculiar.X509Certificate(ca.certificatePem)
    assert.ok(await certificate.verify({ publicKey: anchor, signatureOnly: true }))
  })

  test(`openssl verifies a ${keyType} leaf strictly, for both sides of TLS`, { skip }, () => {
    inFolder((folder) => {
      const [anchorFile, leafFile] = [join(folder, 'anchor.pem'), join(folder, 'leaf.pem')]
      writeFileSync(anchorFile, ca.bundlePem)
      writeFileSync(leafFile, leaf.issued.chainPem)
      for (const purpose of ['sslserver', 'sslclient']) {
        const options = ['-x509_strict', '-check_ss_sig', '-purpose', purpose]
        const output = run(['verify', ...options, '-CAfile', anchorFile, leafFile])
        assert.match(output, /: OK/)
      }
      const text = run(['x509', '-in', leafFile, '-noout', '-text'])
      assert.match(text, /X509v3 Subject Alternative Name: critical/)
      assert.ok(text.includes(`URI:${leaf.identity.spiffeId.uri}, DNS:tools.shop.svc, DNS:`))
      assert.match(text, /Subject: *\n/)
    })
  })

  test(`openssl's request with a ${keyType} key is read with that key`, { skip }, () => {
    inFolder((folder) => {
      const { publicKey, privateKey } = generateTestKey(keyType)
      const keyFile = join(folder, 'key.pem')
      writeFileSync(keyFile, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
      const digest = digestArguments(keyType)
      const der = runBinary([
        'req',
        '-new',
        '-key',
        keyFile,
        ...digest,
        '-subj',
        '/',
        '-outform',
        'DER',
      ])
      const request = parseCertificateRequest(der)
      assert.deepEqual(request.names, [])
      assert.deepEqual(request.key.spki, spkiOf(publicKey))
      const asks = [
        '-addext',
        'subjectAltName=DNS:admin.svc',
        '-addext',
        'keyUsage=digitalSignature',
      ]
      const named = runBinary(
        ['req', '-new', '-key', keyFile, ...digest, '-subj', '/CN=admin', '-outform', 'DER'].concat(
          asks,
        ),
      )
      assert.deepEqual(parseCertificateRequest(named).names, [
        'a subject',
        'subject alternative names',
        'the extension 2.5.29.15',
      ])
    })
  })
}

test("@peculiar/x509's certificate and request are read as they were made", async () => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const made = await peculiar.X509CertificateGenerator.createSelfSigned({
    serialNumber: '0102030405',
    notBefore: new Date('2026-11-22T00:00:00Z'),
    notAfter: new Date('2026-11-22T01:00:00Z'),
    signingAlgorithm: algorithm,
    keys,
    name: 'CN=peculiar',
    extensions: [
      new peculiar.KeyUsagesExtension(peculiar.KeyUsageFlags.digitalSignature, true),
      new peculiar.SubjectAlternativeNameExtension([
        { type: 'url', value: 'spiffe://test.example/made/elsewhere' },
        { type: 'dns', value: 'a.example' },
      ]),
    ],
  })
  const svid = parseX509Svid(Buffer.from(made.rawData))
  assert.equal(svid.spiffeId.path, '/made/elsewhere')
  assert.equal(svid.serialNumber, '0102030405')
  assert.deepEqual(svid.notAfter, made.notAfter)
  assert.deepEqual(svid.dnsNames, ['a.example'])
  const request = await peculiar.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: algorithm,
  })
  const read = parseCertificateRequest(Buffer.from(request.rawData))
  assert.deepEqual(read.names, [])
  assert.ok(read.key.publicKey.equals(createPublicKey(request.publicKey.toString('pem'))))
})

test('openssl and we refuse a name outside the constraints of the CA alike', { skip }, () => {
  // The authority is constrained to svc; another one with the same key is not, and signs for it.
  const wide = createTestAuthority({ dnsSuffixes: [] })
  const leaf: TestLeaf = wide.issue({ role: 'tool-server', dnsNames: ['www.example.com'] })
  inFolder((folder) => {
    const [anchorFile, leafFile] = [join(folder, 'anchor.pem'), join(folder, 'leaf.pem')]
    writeFileSync(anchorFile, wide.bundlePem)
    writeFileSync(leafFile, leaf.issued.chainPem)
    assert.match(run(['verify', '-CAfile', anchorFile, leafFile]), /: OK/)
  })
  const narrow = createTestAuthority({ dnsSuffixes: ['svc'] })
  assert.throws(() => narrow.issue({ role: 'tool-server', dnsNames: ['www.example.com'] }), {
    code: 'pki/request',
  })
})

function digestArguments(keyType: KeyType): string[] {
  if (keyType === 'ED25519') return []
  if (keyType === 'ECDSAP384') return ['-sha384']
  return keyType === 'ECDSAP521' ? ['-sha512'] : ['-sha256']
}

function run(args: readonly string[]): string {
  return runBinary(args).toString('utf8')
}

function runBinary(args: readonly string[]): Buffer {
  return execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] })
}

function inFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-'))
  try {
    use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
