import { sign } from 'node:crypto'
import {
  commonName,
  extension,
  generalNames,
  hex,
  oid,
  seededKey,
  seededSpki,
  sequence,
  tlv,
} from '../../support/craft-certificate.ts'
import type { Vector } from './vector.ts'

interface RequestParts {
  readonly version: Buffer
  readonly subject: Buffer
  readonly spki: Buffer
  readonly attributes: Buffer
  readonly algorithm: Buffer
  readonly signerSeed: number
  readonly trailing: Buffer
}

const good: RequestParts = {
  version: hex('020100'),
  subject: sequence(),
  spki: seededSpki(2),
  attributes: tlv(0xa0),
  algorithm: sequence(oid('1.3.101.112')),
  signerSeed: 2,
  trailing: hex(''),
}

/** PKCS#10 requests. The empty one is kubelet's; those that ask for names parse, and the signer refuses them by their names. */
export function requestCases(): readonly Vector[] {
  return cases.map(([name, message, parts]) => ({
    name,
    message,
    der: Buffer.isBuffer(parts) ? parts : craftRequest({ ...good, ...parts }),
  }))
}

export function craftRequest(parts: RequestParts): Buffer {
  const info = sequence(parts.version, parts.subject, parts.spki, parts.attributes)
  const signature = tlv(0x03, hex('00'), sign(null, info, seededKey(parts.signerSeed)))
  return Buffer.concat([sequence(info, parts.algorithm, signature), parts.trailing])
}

const names = extension('2.5.29.17', false, generalNames([], ['admin.svc']))

const cases: readonly (readonly [string, string, Partial<RequestParts> | Buffer])[] = [
  ['good', '', {}],
  ['good-with-subject', '', { subject: commonName('system:masters') }],
  ['good-with-names', '', { attributes: tlv(0xa0, extensionRequest(names)) }],
  [
    'good-with-challenge-password',
    '',
    { attributes: tlv(0xa0, sequence(oid('1.2.840.113549.1.9.7'), tlv(0x31, hex('0c0178')))) },
  ],
  ['signed-by-another-key', 'certificate request is not signed by its own key', { signerSeed: 3 }],
  [
    'unknown-algorithm',
    'certificate request has an unknown signature algorithm',
    { algorithm: hex('300906072a8648ce3d0401') },
  ],
  [
    'algorithm-of-another-key-type',
    'certificate request is not signed by its own key',
    { algorithm: hex('300a06082a8648ce3d040302') },
  ],
  ['version-1', 'version is another one, want=0 got=1', { version: hex('020101') }],
  ['attributes-missing', 'attributes is missing, want=a0', { attributes: hex('') }],
  [
    'attributes-twice',
    'certificationRequestInfo has trailing octets, want=0 got=2',
    { attributes: hex('a000a000') },
  ],
  ['trailing-octet', 'certificate request has trailing octets, want=0 got=1', { trailing: hex('00') }],
  ['empty', 'certificationRequest is missing, want=30', Buffer.alloc(0)],
  [
    'key-unknown',
    'public key is of a type that is not certified, want=RSA3072|RSA4096|ECDSAP256|ECDSAP384|ECDSAP521|ED25519',
    { spki: sequence(sequence(oid('1.3.101.113')), hex('03020000')) },
  ],
  [
    'key-too-short',
    'public key has the wrong length, want=32 got=1',
    { spki: sequence(sequence(oid('1.3.101.112')), hex('03020000')) },
  ],
  [
    'key-with-third-member',
    'subjectPublicKeyInfo has trailing octets, want=0 got=2',
    { spki: sequence(sequence(oid('1.3.101.112')), tlv(0x03, Buffer.alloc(33)), hex('0500')) },
  ],
  [
    'too-large',
    'certificate request is too large, want=..16384 got=16385',
    Buffer.alloc(16_385, 0x30),
  ],
]

function extensionRequest(...extensions: readonly Buffer[]): Buffer {
  return sequence(oid('1.2.840.113549.1.9.14'), tlv(0x31, sequence(...extensions)))
}
