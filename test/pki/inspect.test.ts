import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testLeafFindings } from '../support/tampered-leaf.ts'
import type { Tampering } from '../support/tampered-leaf.ts'
import {
  ascii,
  commonName,
  extension,
  generalNames,
  hex,
  oid,
  seededKey,
  seededSpki,
  sequence,
  tlv,
  utcTime,
} from '../support/craft-certificate.ts'
import { requirement } from '../requirements.ts'

const uri = 'spiffe://test.example/ns/shop/sa/agent'

/** Each changes one thing in a certificate that was good, signed again by the authority's own key. */
const tamperings: readonly (readonly [
  title: string,
  tampering: Tampering,
  findings: readonly string[],
])[] = [
  ['nothing', {}, []],
  [
    'another serial number',
    parts({ serialNumber: tlv(2, Buffer.alloc(16, 0x51)) }),
    ['serial number is not the prepared one'],
  ],
  [
    'a short serial number',
    parts({ serialNumber: hex('020107') }),
    ['serial number is not the prepared one', 'serial number is not of 16 octets'],
  ],
  ['another issuer', parts({ issuer: commonName('other') }), ['issuer is not the authority']],
  ['a subject', parts({ subject: commonName('system:admin') }), ['subject is not empty']],
  ['another key', parts({ spki: seededSpki(9) }), ['public key is not the requested one']],
  [
    'a signature by another key',
    parts({ signer: seededKey(9) }),
    ['signature is not of the authority'],
  ],
  [
    'another algorithm',
    parts({ innerAlgorithm: ecdsa(), outerAlgorithm: ecdsa() }),
    ['signature algorithm is not the one of the authority', 'signature is not of the authority'],
  ],
  [
    'an hour less one second',
    parts({ validity: sequence(utcTime('261122115830Z'), utcTime('261122125829Z')) }),
    ['validity is not the prepared one in whole seconds', 'lifetime is shorter than an hour'],
  ],
  [
    'a second more than asked',
    parts({ validity: sequence(utcTime('261122115830Z'), utcTime('261122125831Z')) }),
    [
      'validity is not the prepared one in whole seconds',
      'lifetime is longer than requested',
      'lifetime is longer than the profile allows',
    ],
  ],
  [
    'an end after the authority’s',
    parts({ validity: sequence(utcTime('261122115830Z'), utcTime('371122125830Z')) }),
    [
      'validity is not the prepared one in whole seconds',
      'lifetime is longer than requested',
      'lifetime is longer than the profile allows',
      'validity is not within the one of the authority',
    ],
  ],
  [
    'a clock 5 minutes on',
    { now: Date.UTC(2026, 10, 22, 12, 3, 30) },
    ['notBefore is 5 minutes or more from now'],
  ],
  ['a clock 1 ms less on', { now: Date.UTC(2026, 10, 22, 12, 3, 29, 999) }, []],
  [
    'a clock 5 minutes before',
    { now: Date.UTC(2026, 10, 22, 11, 53, 30) },
    ['notBefore is 5 minutes or more from now'],
  ],
  ['an early refresh', { refreshSeconds: 599 }, ['beginRefreshAt is within 10 minutes of an end']],
  ['the earliest refresh', { refreshSeconds: 600 }, []],
  ['the latest refresh', { refreshSeconds: 3000 }, []],
  ['a late refresh', { refreshSeconds: 3001 }, ['beginRefreshAt is within 10 minutes of an end']],
  [
    'cA TRUE',
    changed('basicConstraints', '2.5.29.19', true, '30030101ff'),
    ['basicConstraints does not say that it is no CA'],
  ],
  [
    'no basicConstraints',
    { extensions: { basicConstraints: hex('') } },
    ['basicConstraints does not say that it is no CA'],
  ],
  [
    'basicConstraints that are not critical',
    changed('basicConstraints', '2.5.29.19', false, '3000'),
    ['extension 2.5.29.19 has the wrong criticality'],
  ],
  [
    'keyCertSign',
    changed('keyUsage', '2.5.29.15', true, '03020284'),
    ['keyUsage is not the one of the profile'],
  ],
  [
    'keyEncipherment on a key that is not RSA',
    changed('keyUsage', '2.5.29.15', true, '030205a0'),
    ['keyUsage is not the one of the profile'],
  ],
  [
    'one purpose',
    {
      extensions: {
        extKeyUsage: extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))),
      },
    },
    ['extKeyUsage is not serverAuth and clientAuth'],
  ],
  ['no noRevAvail', { extensions: { noRevAvail: hex('') } }, ['noRevAvail is missing']],
  [
    'another key identifier',
    changed('subjectKeyIdentifier', '2.5.29.14', false, '040101'),
    ['subjectKeyIdentifier is not the one of the key'],
  ],
  [
    'an issuer’s key identifier',
    { extensions: { authorityKeyIdentifier: extension('2.5.29.35', false, hex('3003800101')) } },
    ['authorityKeyIdentifier is not the one of the authority'],
  ],
  [
    'an extension more',
    { extensions: { added: extension('1.2.3.4', false, hex('0500')) } },
    ['extension 1.2.3.4 is not in the profile'],
  ],
  [
    'a CRL distribution point',
    { extensions: { added: extension('2.5.29.31', false, hex('3000')) } },
    ['extension 2.5.29.31 is not in the profile'],
  ],
  [
    'another SPIFFE ID',
    names(['spiffe://test.example/ns/shop/sa/admin']),
    ['subjectAltName does not have the SPIFFE ID as its one URI'],
  ],
  ['two URIs', names([uri, uri]), ['subjectAltName does not have the SPIFFE ID as its one URI']],
  [
    'a DNS name more',
    names([uri], ['x.svc']),
    ['subjectAltName has other names than the requested ones'],
  ],
  [
    'an address more',
    {
      extensions: {
        subjectAltName: extension(
          '2.5.29.17',
          true,
          sequence(ascii(0x86, uri), hex('87047f000001')),
        ),
      },
    },
    ['subjectAltName has other names than the requested ones'],
  ],
  [
    'no identity extension',
    { extensions: { identity: hex('') } },
    ['identity extension is missing'],
  ],
  [
    'a critical identity extension',
    { identityCritical: true },
    ['extension 1.3.6.1.4.1.32473.1 has the wrong criticality'],
  ],
  ['another tenant', { identity: { tenant: 'other' } }, ['identity extension differs in tenant']],
  ['no tenant', { identity: { tenant: undefined } }, ['identity extension differs in tenant']],
  ['another role', { identity: { role: 'tool-broker' } }, ['identity extension differs in role']],
  ['another claim', { identity: { claimUid: 'other' } }, ['identity extension differs in claim']],
  ['another pod UID', { identity: { podUid: 'other' } }, ['identity extension differs in pod']],
  [
    'a model more',
    { identity: { models: 'claude,gpt' } },
    ['identity extension differs in models'],
  ],
  [
    'a wider scope',
    { identity: { toolScopes: 'github:*' } },
    ['identity extension differs in toolScopes'],
  ],
  ['another cluster', { identity: { cluster: 'prod' } }, ['identity extension differs in cluster']],
  ['octets after it', { trailing: hex('00') }, ['certificate has trailing octets, want=0 got=1']],
  [
    'a field after the extensions',
    parts({ tail: hex('0500') }),
    ['tbsCertificate has trailing octets, want=0 got=2'],
  ],
  [
    'its names twice',
    { extensions: { again: extension('2.5.29.17', true, generalNames([uri])) } },
    ['extension comes twice, got=2.5.29.17'],
  ],
]

for (const [title, tampering, findings] of tamperings) {
  test(`a certificate with ${title} ${findings.length === 0 ? 'passes' : 'is found'}`, () => {
    requirement('pki.inspect-before-publish')
    assert.deepEqual(testLeafFindings(tampering), findings)
  })
}

function parts(changes: NonNullable<Tampering['parts']>): Tampering {
  return { parts: changes }
}

function changed(name: string, dotted: string, critical: boolean, value: string): Tampering {
  return { extensions: { [name]: extension(dotted, critical, hex(value)) } }
}

function names(uris: readonly string[], dnsNames: readonly string[] = []): Tampering {
  return {
    extensions: { subjectAltName: extension('2.5.29.17', true, generalNames(uris, dnsNames)) },
  }
}

function ecdsa(): Buffer {
  return hex('300a06082a8648ce3d040302')
}
