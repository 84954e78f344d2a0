import {
  caParts,
  craftCertificate,
  extension,
  generalNames,
  hex,
  seededSpki,
  sequence,
} from '../../support/craft-certificate.ts'
import type { CertificateParts } from '../../support/craft-certificate.ts'
import type { Vector } from './vector.ts'

const good = caParts()

/** Anchors of test.example as a trust bundle may have them, and what a trust bundle refuses. */
export function caCases(): readonly Vector[] {
  return cases.map(([name, message, parts]) => ({
    name,
    message,
    der: craftCertificate({ ...good, ...parts }),
  }))
}

const cases: readonly (readonly [string, string, Partial<CertificateParts>])[] = [
  ['good', '', {}],
  ['good-without-uri', '', replaced('subjectAltName', hex(''))],
  ['good-with-path-length-0', '', constraints('3006 0101ff 020100')],
  [
    'good-with-name-constraints',
    '',
    also(extension('2.5.29.30', true, hex('3010 a00e 300c 860a 746573742e6578616d70'))),
  ],
  ['not-a-ca', 'CA certificate is no CA, want=cA TRUE', constraints('3000')],
  [
    'without-basic-constraints',
    'CA certificate is no CA, want=cA TRUE',
    replaced('basicConstraints', hex('')),
  ],
  [
    'basic-constraints-not-critical',
    'CA certificate has basicConstraints that are not critical',
    replaced('basicConstraints', extension('2.5.29.19', false, hex('30030101ff'))),
  ],
  [
    'without-key-usage',
    'CA certificate may not sign certificates, want=keyCertSign',
    replaced('keyUsage', hex('')),
  ],
  [
    'without-cert-sign',
    'CA certificate may not sign certificates, want=keyCertSign',
    replaced('keyUsage', extension('2.5.29.15', true, hex('03020102'))),
  ],
  ['subject-empty', 'CA certificate has an empty subject', { subject: sequence() }],
  [
    'unknown-critical-extension',
    'CA certificate has an unknown critical extension, got="1.2.3.4"',
    also(extension('1.2.3.4', true, hex('0500'))),
  ],
  [
    'of-another-trust-domain',
    'trust bundle has an anchor of another trust domain, want=spiffe://test.example got="spiffe://other.example"',
    replaced('subjectAltName', extension('2.5.29.17', false, generalNames(['spiffe://other.example']))),
  ],
  [
    'of-two-trust-domains',
    'trust bundle has an anchor of another trust domain, want=spiffe://test.example got="spiffe://test.example spiffe://other.example"',
    replaced(
      'subjectAltName',
      extension(
        '2.5.29.17',
        false,
        generalNames(['spiffe://test.example', 'spiffe://other.example']),
      ),
    ),
  ],
  [
    'of-a-workload',
    'trust bundle has an anchor of another trust domain, want=spiffe://test.example got="spiffe://test.example/ns/a/sa/b"',
    replaced(
      'subjectAltName',
      extension('2.5.29.17', false, generalNames(['spiffe://test.example/ns/a/sa/b'])),
    ),
  ],
  ['signed-by-another-key', 'trust bundle has an anchor that is not self-signed', { spki: seededSpki(9) }],
  [
    'issued-by-another-name',
    'trust bundle has an anchor that is not self-signed',
    { issuer: hex('300f310d300b06035504030c046f746872') },
  ],
  [
    'name-constraints-with-minimum',
    'permittedSubtrees has trailing octets, want=0 got=3',
    also(extension('2.5.29.30', true, hex('300c a00a 3008 8603 612e62 800101'))),
  ],
  [
    'name-constraints-with-trailing-octets',
    'nameConstraints has trailing octets, want=0 got=2',
    also(extension('2.5.29.30', true, hex('3000 0500'))),
  ],
]

function replaced(name: string, by: Buffer): Partial<CertificateParts> {
  return { extensions: { ...good.extensions, [name]: by } }
}

function also(added: Buffer): Partial<CertificateParts> {
  return { extensions: { ...good.extensions, added } }
}

function constraints(value: string): Partial<CertificateParts> {
  return replaced('basicConstraints', extension('2.5.29.19', true, hex(value)))
}
