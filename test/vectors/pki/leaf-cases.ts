import {
  ascii,
  commonName,
  craftCertificate,
  extension,
  generalNames,
  hex,
  leafParts,
  oid,
  seededSpki,
  sequence,
  tlv,
  utcTime,
} from '../../support/craft-certificate.ts'
import type { CertificateParts } from '../../support/craft-certificate.ts'
import type { Vector } from './vector.ts'

const good = leafParts()

/** Leaves: what X509-SVID §5.2 and strict DER let pass, and what they do not, each broken in one way. */
export function leafCases(): readonly Vector[] {
  return [
    ...validLeaves,
    ...brokenFields,
    ...brokenTimes,
    ...brokenUsage,
    ...brokenNames,
    ...brokenDer(),
  ].map(([name, message, parts]) => ({
    name,
    message,
    der: Buffer.isBuffer(parts) ? parts : craftCertificate({ ...good, ...parts }),
  }))
}

type Case = readonly [name: string, message: string, parts: Partial<CertificateParts> | Buffer]

const validLeaves: readonly Case[] = [
  ['good', '', {}],
  ['good-without-basic-constraints', '', without('basicConstraints')],
  ['good-without-extended-key-usage', '', without('extKeyUsage')],
  ['good-with-subject', '', { subject: commonName('agent') }],
  ['good-with-dns-name', '', san(['spiffe://test.example/a'], ['a.svc'])],
  ['good-with-plain-unknown-extension', '', also(extension('1.2.3.4', false, hex('0500')))],
  ['good-with-short-serial', '', { serialNumber: hex('020101') }],
  [
    'good-until-generalized-time',
    '',
    { validity: sequence(utcTime('261101000000Z'), ascii(0x18, '20500101000000Z')) },
  ],
]

const brokenFields: readonly Case[] = [
  [
    'version-1',
    'version is another one, want=3 got=1',
    { version: hex('a003020100') },
  ],
  ['version-missing', 'version has the wrong tag, want=a0 got=02', { version: hex('') }],
  ['serial-negative', 'serialNumber is not positive', { serialNumber: hex('0201ff') }],
  ['serial-zero', 'serialNumber is not positive', { serialNumber: hex('020100') }],
  ['serial-empty', 'serialNumber is an empty integer', { serialNumber: hex('0200') }],
  ['serial-padded', 'serialNumber is not a minimal integer', { serialNumber: hex('02020001') }],
  [
    'serial-of-21-octets',
    'serialNumber is too long, want=..20 octets got=21',
    { serialNumber: tlv(0x02, Buffer.alloc(21, 0x41)) },
  ],
  [
    'algorithms-differ',
    'signature algorithms inside and outside differ',
    { outerAlgorithm: hex('300a06082a8648ce3d040302') },
  ],
  ['algorithm-sha1', 'signature algorithm is not a trusted one', algorithm('300906072a8648ce3d0401')],
  [
    'algorithm-with-null-parameters',
    'signature algorithm is not a trusted one',
    algorithm('300706032b65700500'),
  ],
  ['issuer-empty', 'issuer is empty', { issuer: sequence() }],
  [
    'issuer-with-empty-part',
    'issuer attribute is missing, want=30',
    { issuer: sequence(tlv(0x31)) },
  ],
  [
    'signature-with-unused-bits',
    'signatureValue is not whole octets of bits',
    { signaturePrefix: hex('01') },
  ],
  ['field-after-extensions', 'tbsCertificate has trailing octets, want=0 got=2', { tail: hex('0500') }],
  [
    'key-of-unknown-curve',
    'public key is not a point or number of its type',
    { spki: sequence(sequence(oid('1.2.840.10045.2.1'), oid('1.2.3.4')), hex('03020004')) },
  ],
  [
    'key-not-on-its-curve',
    'public key is not a point or number of its type',
    {
      spki: sequence(
        hex('301306072a8648ce3d020106082a8648ce3d030107'),
        tlv(0x03, hex('0004'), Buffer.alloc(64, 7)),
      ),
    },
  ],
]

const brokenTimes: readonly Case[] = [
  ['ends-before-it-begins', 'notAfter is before notBefore', times('261101000001Z', '261101000000Z')],
  [
    'begins-on-february-30',
    'notBefore is not a date of the calendar',
    times('260230000000Z', '361101000000Z'),
  ],
  [
    'begins-at-hour-24',
    'notBefore is not a date of the calendar',
    times('261101240000Z', '361101000000Z'),
  ],
  [
    'begins-without-seconds',
    'notBefore is not a time in whole seconds of UTC',
    times('2611010000Z', '361101000000Z'),
  ],
  [
    'begins-in-another-zone',
    'notBefore is not a time in whole seconds of UTC',
    times('261101000000+0100', '361101000000Z'),
  ],
  [
    'ends-in-generalized-time-before-2050',
    'notAfter before 2050 is not a UTCTime',
    { validity: sequence(utcTime('261101000000Z'), ascii(0x18, '20361101000000Z')) },
  ],
  [
    'ends-with-a-fraction',
    'notAfter is not a time in whole seconds of UTC',
    { validity: sequence(utcTime('261101000000Z'), ascii(0x18, '20501101000000.5Z')) },
  ],
]

const brokenUsage: readonly Case[] = [
  ['leaf-ca-true', 'certificate is a CA, want=cA FALSE', basicConstraints('3003 0101ff')],
  [
    'leaf-ca-false-written',
    'cA is a boolean other than FF',
    basicConstraints('3003 010100'),
  ],
  ['leaf-ca-ber-true', 'cA is a boolean other than FF', basicConstraints('3003 010101')],
  [
    'leaf-with-path-length',
    'pathLenConstraint is set in what is no CA',
    basicConstraints('3003 020100'),
  ],
  ['key-usage-missing', 'certificate has no keyUsage', without('keyUsage')],
  [
    'key-usage-not-critical',
    'certificate has a keyUsage that is not critical',
    { extensions: { ...good.extensions, keyUsage: extension('2.5.29.15', false, hex('03020780')) } },
  ],
  [
    'key-usage-without-digital-signature',
    'certificate may not sign, want=digitalSignature',
    keyUsage('03020520'),
  ],
  [
    'key-usage-with-cert-sign',
    'certificate may sign certificates or CRLs, want=neither keyCertSign nor cRLSign',
    keyUsage('03020284'),
  ],
  [
    'key-usage-with-crl-sign',
    'certificate may sign certificates or CRLs, want=neither keyCertSign nor cRLSign',
    keyUsage('03020182'),
  ],
  [
    'key-usage-with-trailing-zero-bits',
    'keyUsage is not a minimal string of 1..16 named bits',
    keyUsage('03020680'),
  ],
  [
    'key-usage-without-bits',
    'keyUsage is not a minimal string of 1..16 named bits',
    keyUsage('030100'),
  ],
  [
    'purpose-client-only',
    'certificate is for one side of a connection only, want=serverAuth and clientAuth',
    purposes(oid('1.3.6.1.5.5.7.3.2')),
  ],
  [
    'purpose-any',
    'certificate is for one side of a connection only, want=serverAuth and clientAuth',
    purposes(oid('2.5.29.37.0')),
  ],
  ['purposes-empty', 'extKeyUsage purpose is missing, want=06', purposes()],
  [
    'unknown-critical-extension',
    'certificate has an unknown critical extension, got="1.2.3.4"',
    also(extension('1.2.3.4', true, hex('0500'))),
  ],
  [
    'critical-name-constraints-in-leaf',
    'certificate has an unknown critical extension, got="2.5.29.30"',
    also(extension('2.5.29.30', true, sequence())),
  ],
]

const brokenNames: readonly Case[] = [
  ['names-missing', 'certificate has no subjectAltName', without('subjectAltName')],
  [
    'names-not-critical-without-subject',
    'certificate has an empty subject and a subjectAltName that is not critical',
    {
      extensions: {
        ...good.extensions,
        subjectAltName: extension('2.5.29.17', false, generalNames(['spiffe://test.example/a'])),
      },
    },
  ],
  ['uri-missing', 'certificate has the wrong number of URIs, want=1 got=0', san([], ['a.svc'])],
  [
    'uri-twice',
    'certificate has the wrong number of URIs, want=1 got=2',
    san(['spiffe://test.example/a', 'spiffe://test.example/b']),
  ],
  [
    'uri-not-spiffe',
    'SPIFFE ID has another scheme, want=spiffe:// got="https://test.example/a"',
    san(['https://test.example/a']),
  ],
  [
    'uri-of-upper-case-domain',
    'SPIFFE ID has no valid trust domain, got="spiffe://Test.example/a"',
    san(['spiffe://Test.example/a']),
  ],
  [
    'uri-without-path',
    'certificate is of a trust domain, not of a workload, want=a path',
    san(['spiffe://test.example']),
  ],
  [
    'uri-with-nul',
    'SPIFFE ID has a path character outside its alphabet, want=[a-zA-Z0-9._-] got="spiffe://test.example/a\\u0000b"',
    san(['spiffe://test.example/a\0b']),
  ],
  ['uri-not-ascii', 'uniformResourceIdentifier is not ASCII', san(['spiffe://test.example/\xe9'])],
  [
    'dns-name-with-comma-and-space',
    'certificate has a malformed DNS name, got="a.svc, DNS:b.svc"',
    san(['spiffe://test.example/a'], ['a.svc, DNS:b.svc']),
  ],
  [
    'dns-name-empty',
    'certificate has a malformed DNS name, got=""',
    san(['spiffe://test.example/a'], ['']),
  ],
  [
    'general-name-of-unknown-kind',
    'a general name is of no known kind',
    raw(sequence(ascii(0x8b, 'x'))),
  ],
  ['names-empty', 'a general name is of no known kind', raw(sequence())],
  [
    'names-with-trailing-octets',
    'subjectAltName has trailing octets, want=0 got=2',
    raw(Buffer.concat([generalNames(['spiffe://test.example/a']), hex('0500')])),
  ],
  [
    'names-twice',
    'extension comes twice, got=2.5.29.17',
    also(extension('2.5.29.17', true, generalNames(['spiffe://test.example/b']))),
  ],
]

/** Defects of the outermost encoding, made by hand on the octets of a good one. */
function brokenDer(): readonly Case[] {
  const der = craftCertificate(good)
  const length = der.readUInt16BE(2)
  const longer = Buffer.concat([hex('3083'), Buffer.from([0]), der.subarray(2)])
  return [
    ['empty', 'certificate is missing, want=30', Buffer.alloc(0)],
    [
      'trailing-octet',
      'certificate has trailing octets, want=0 got=1',
      Buffer.concat([der, hex('00')]),
    ],
    ['twice', `certificate has trailing octets, want=0 got=${der.length}`, Buffer.concat([der, der])],
    ['last-octet-cut', 'certificate is truncated', der.subarray(0, -1)],
    [
      'length-indefinite',
      'certificate has an indefinite or oversized length',
      Buffer.concat([hex('3080'), der.subarray(4), hex('0000')]),
    ],
    ['length-not-minimal', 'certificate has a length that is not minimal', fixLength(longer, length)],
    [
      'length-of-four-octets',
      'certificate has an indefinite or oversized length',
      Buffer.concat([hex('30840000'), der.subarray(2)]),
    ],
    ['set-for-sequence', 'certificate has the wrong tag, want=30 got=31', Buffer.concat([hex('31'), der.subarray(1)])],
    ['not-der', 'certificate has the wrong tag, want=30 got=2d', Buffer.from('-----BEGIN CERTIFICATE')],
    ['key-for-certificate', 'tbsCertificate is missing, want=30', sequence()],
    [
      'public-key-for-certificate',
      'signatureAlgorithm has the wrong tag, want=30 got=03',
      seededSpki(1),
    ],
    ['too-large', 'certificate is too large, want=..16384 got=16385', Buffer.alloc(16_385, 0x30)],
  ]
}

function fixLength(der: Buffer, length: number): Buffer {
  const fixed = Buffer.from(der)
  fixed.writeUIntBE(length, 2, 3)
  return fixed
}

function without(name: string): Partial<CertificateParts> {
  return { extensions: { ...good.extensions, [name]: hex('') } }
}

function also(added: Buffer): Partial<CertificateParts> {
  return { extensions: { ...good.extensions, added } }
}

function raw(value: Buffer): Partial<CertificateParts> {
  return { extensions: { ...good.extensions, subjectAltName: extension('2.5.29.17', true, value) } }
}

function san(uris: readonly string[], dnsNames: readonly string[] = []): Partial<CertificateParts> {
  return raw(generalNames(uris, dnsNames))
}

function algorithm(der: string): Partial<CertificateParts> {
  return { innerAlgorithm: hex(der), outerAlgorithm: hex(der) }
}

function times(notBefore: string, notAfter: string): Partial<CertificateParts> {
  return { validity: sequence(utcTime(notBefore), utcTime(notAfter)) }
}

function keyUsage(value: string): Partial<CertificateParts> {
  return { extensions: { ...good.extensions, keyUsage: extension('2.5.29.15', true, hex(value)) } }
}

function basicConstraints(value: string): Partial<CertificateParts> {
  return {
    extensions: {
      ...good.extensions,
      basicConstraints: extension('2.5.29.19', true, hex(value)),
    },
  }
}

function purposes(...list: readonly Buffer[]): Partial<CertificateParts> {
  return {
    extensions: { ...good.extensions, extKeyUsage: extension('2.5.29.37', false, sequence(...list)) },
  }
}
