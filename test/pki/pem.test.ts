import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { createSelfSignedAuthority, parseAuthority } from '../../src/pki/authority.ts'
import { formatPem, parsePem } from '../../src/pki/pem.ts'
import { craftCa } from '../support/craft-certificate.ts'

const der = craftCa({ name: 'root', seed: 1 })
const pem = formatPem('CERTIFICATE', der)
const shape = { code: 'pki/authority', what: 'authority', charactersMax: 128 * 1024 } as const
const openssl = spawnSync('openssl', ['version']).status === 0
if (!openssl) process.stderr.write('NO OPENSSL COMMAND: PEM is not compared with what it reads\n')

const oneLine = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`

/** Files as people have them. */
const files: readonly (readonly [title: string, text: string])[] = [
  ['a blank line at the end', `${pem}\n\n`],
  ['a blank line before', `\n \n${pem}`],
  ['no end of the last line', pem.trimEnd()],
  ['lines that end in CR LF', pem.replaceAll('\n', '\r\n')],
  ['spaces at the ends of lines', pem.replaceAll('\n', ' \t \n')],
  ['what openssl tells of it before', `subject=CN = root\nissuer=CN = root\n\n${pem}`],
  ['what PKCS#12 brings along', `Bag Attributes\n    localKeyID: 01 02\n${pem}\nBag\n`],
  ['the text of openssl -text', `Certificate:\n    Data:\n${pem}`],
  ['one long line of base64', oneLine],
  ['a byte order mark', `\uFEFF${pem}`],
  ['a byte order mark and text', `\uFEFFroot\r\n${pem.replaceAll('\n', '\r\n')}`],
  ['spaces before its base64', pem.replaceAll(/\n(?=[A-Za-z])/g, '\n  ')],
]
for (const [title, text] of files) {
  test(`PEM with ${title} is read, as openssl reads it`, () => {
    assert.deepEqual(parsePem(text, shape), [{ label: 'CERTIFICATE', der }])
    if (!openssl) return
    const read = spawnSync('openssl', ['x509', '-outform', 'DER'], { input: text })
    assert.deepEqual(read.stdout, der, read.stderr.toString())
  })
}

test('text between blocks says nothing', () => {
  const other = craftCa({ name: 'other', seed: 2 })
  const text = `${pem}\n# the root before\n\n${formatPem('CERTIFICATE', other)}`
  assert.deepEqual(
    parsePem(text, shape).map((block) => block.der),
    [der, other],
  )
})

const trustDomain = parseTrustDomain('test.example')
const keys: readonly (readonly [title: string, args: readonly string[]])[] = [
  ['SEC1 after its EC PARAMETERS', ['ecparam', '-name', 'prime256v1', '-genkey']],
  ['SEC1', ['ecparam', '-name', 'secp384r1', '-genkey', '-noout']],
  ['PKCS#1', ['genrsa', '-traditional', '3072']],
  ['PKCS#8', ['genpkey', '-algorithm', 'ed25519']],
]
for (const [title, args] of keys) {
  test(`a CA key that openssl writes as ${title} is read`, { skip: !openssl }, () => {
    const key = spawnSync('openssl', [...args], { encoding: 'utf8' }).stdout
    // The key is another one than the certificate's: it was read when that is said.
    const { certificatePem } = createSelfSignedAuthority({
      trustDomain,
      lifetimeSeconds: 7200,
      now: Date.now,
    })
    for (const privateKeyPem of [key, key.replaceAll('\n', '\r\n'), `\uFEFF# mine\n${key}\n`]) {
      const make = (): unknown =>
        parseAuthority({ certificatePem, privateKeyPem, trustDomain, now: Date.now })
      assert.throws(make, {
        message: 'authority has a key that does not belong to its certificate',
      })
    }
  })
}
