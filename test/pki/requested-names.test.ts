import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { parseCertificateRequest } from '../../src/pki/certificate-request.ts'
import { writeCertificateRequest } from '../../src/pki/certificate-request-write.ts'
import { asciiElement, element } from '../../src/pki/der-write.ts'
import { oids } from '../../src/pki/oid.ts'
import { addressOctets, readRequestedNames } from '../../src/pki/requested-names.ts'
import { requirement } from '../requirements.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const asked = {
  commonName: 'system:node:a',
  organizations: ['system:nodes', 'b'],
  dnsNames: ['a', 'a.example'],
  ipAddresses: [Buffer.from([10, 0, 0, 1]), Buffer.alloc(16, 1)],
}

test('what is asked for is what was written, and the names in words say so', () => {
  const request = parseCertificateRequest(writeCertificateRequest(privateKey, asked))
  assert.deepEqual(readRequestedNames(request), asked)
  assert.deepEqual(request.names, ['a subject', 'subject alternative names'])
  assert.deepEqual(request.others, [])
})

test('a request of a subject alone has no alternative names', () => {
  const bare = { ...asked, dnsNames: [], ipAddresses: [] }
  const request = parseCertificateRequest(writeCertificateRequest(privateKey, bare))
  assert.deepEqual(readRequestedNames(request), bare)
  assert.deepEqual(request.names, ['a subject'])
})

/** One attribute of a Name, in a set of its own. */
function attribute(oid: string, tag: number, text: string): Buffer {
  const type = element(0x06, Buffer.from(oid, 'hex'))
  return element(0x31, element(0x30, type, asciiElement(tag, text)))
}

const utf8 = 0x0c
const commonName = attribute(oids.commonName, utf8, 'a')
const dnsName = asciiElement(0x82, 'a')
const none = { subject: commonName, alternativeNames: [], others: [] }
const names = (...each: readonly Buffer[]): Buffer => element(0x30, ...each)
const many = Array.from({ length: 65 }, () => dnsName)

const refused = {
  'another extension': [{ ...none, others: ['the extension 2.5.29.19'] }, /asks for the extension/],
  'alternative names twice': [
    { ...none, alternativeNames: [names(dnsName), names(dnsName)] },
    /its alternative names twice/,
  ],
  'no common name': [{ ...none, subject: Buffer.alloc(0) }, /not one common name/],
  'two common names': [
    { ...none, subject: Buffer.concat([commonName, commonName]) },
    /not one common name/,
  ],
  'another attribute': [
    { ...none, subject: Buffer.concat([commonName, attribute('55040b', utf8, 'x')]) },
    /more in its subject/,
  ],
  'a string type of other times': [
    { ...none, subject: attribute(oids.commonName, 0x14, 'a') },
    /string type of other times/,
  ],
  'letters beyond ASCII': [
    { ...none, subject: attribute(oids.commonName, utf8, '\u00e9') },
    /not ASCII/,
  ],
  'an address of e-mail': [
    { ...none, alternativeNames: [names(asciiElement(0x81, 'a@b'))] },
    /neither a DNS name nor an address/,
  ],
  'a URI': [
    { ...none, alternativeNames: [names(asciiElement(0x86, 'spiffe://a/b'))] },
    /neither a DNS name nor an address/,
  ],
  'an address of five octets': [
    { ...none, alternativeNames: [names(element(0x87, Buffer.alloc(5)))] },
    /neither four octets nor sixteen/,
  ],
  'more behind the names': [
    { ...none, alternativeNames: [Buffer.concat([names(dnsName), Buffer.alloc(1)])] },
    /trailing octets/,
  ],
  'too many names': [{ ...none, alternativeNames: [names(...many)] }, /too many alternative names/],
} as const

for (const [what, [request, said]] of Object.entries(refused)) {
  test(`a request with ${what} is refused`, () => {
    requirement('approver.usages-exact')
    assert.throws(() => readRequestedNames(request), { code: 'pki/csr-malformed', message: said })
  })
}

test('an address has the octets that a certificate has of it, however it is written', () => {
  const cases = [
    ['10.0.0.1', '0a000001'],
    ['fd00::1', 'fd000000000000000000000000000001'],
    ['FD00:0:0:0:0:0:0:1', 'fd000000000000000000000000000001'],
    ['::', '00000000000000000000000000000000'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001'],
  ] as const
  for (const [text, octets] of cases) assert.equal(addressOctets(text).toString('hex'), octets)
})
