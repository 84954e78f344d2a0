import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { formatCertificates } from '../../src/pki/pem.ts'
import { parseX509Svid, verifyX509Svid } from '../../src/pki/x509-svid.ts'
import {
  ascii,
  commonName,
  craftCa,
  craftCertificate,
  extension,
  generalNames,
  hex,
  leafParts,
  seededKey,
  sequence,
  tlv,
  utcTime,
} from '../support/craft-certificate.ts'
import type { CertificateParts } from '../support/craft-certificate.ts'
import { requirement } from '../requirements.ts'

const trustDomain = parseTrustDomain('test.example')
const now = Date.UTC(2026, 10, 22)
const root = craftCa({ name: 'root', seed: 1 })

interface Path {
  readonly leaf?: Partial<CertificateParts>
  readonly names?: readonly [uris: readonly string[], dnsNames?: readonly string[]]
  readonly intermediates?: readonly Buffer[]
  readonly anchors?: readonly Buffer[]
  readonly now?: number
}

const middle = (
  extensions: Record<string, Buffer> = {},
  parts: Partial<CertificateParts> = {},
): Buffer =>
  craftCa({ name: 'middle', seed: 3, issuer: { name: 'root', seed: 1 }, extensions, parts })
const underMiddle = { issuer: commonName('middle'), signer: seededKey(3) }

const paths: readonly (readonly [title: string, path: Path, refusal: string])[] = [
  ['signed by an anchor', {}, ''],
  ['signed through an intermediate', { leaf: underMiddle, intermediates: [middle()] }, ''],
  [
    'signed by another key of the anchor’s name',
    { leaf: { signer: seededKey(9) } },
    'signature is not of the CA that the certificate names',
  ],
  [
    'of an issuer that nobody knows',
    { leaf: { issuer: commonName('elsewhere') } },
    'no anchor of trust domain "test.example" issued the SVID',
  ],
  [
    'whose intermediate is missing',
    { leaf: underMiddle },
    'no anchor of trust domain "test.example" issued the SVID',
  ],
  [
    'whose intermediate comes from another root',
    {
      leaf: underMiddle,
      intermediates: [middle({}, { signer: seededKey(9) })],
    },
    'signature is not of the CA that the certificate names',
  ],
  [
    'whose intermediate is self-signed and no anchor',
    { leaf: underMiddle, intermediates: [craftCa({ name: 'middle', seed: 3 })] },
    'no anchor of trust domain "test.example" issued the SVID',
  ],
  [
    'issued by another leaf',
    {
      leaf: { issuer: commonName('agent'), signer: seededKey(2) },
      intermediates: [craftCertificate({ ...leafParts(), subject: commonName('agent') })],
    },
    'CA certificate is no CA, want=cA TRUE',
  ],
  [
    'below a CA whose path length ends above',
    {
      leaf: underMiddle,
      intermediates: [middle()],
      anchors: [rootWith({ basicConstraints: constraints('3006 0101ff 020100') })],
    },
    'path below a CA is too long, want=..0 got=1',
  ],
  [
    'below an intermediate of another trust domain',
    {
      leaf: underMiddle,
      intermediates: [
        middle({
          subjectAltName: extension('2.5.29.17', false, generalNames(['spiffe://other.example'])),
        }),
      ],
    },
    'CA is of another trust domain, want=test.example',
  ],
  [
    'within the name constraints',
    {
      names: [['spiffe://test.example/a'], ['a.shop.svc', 'SVC']],
      anchors: [rootWith({ nameConstraints: permitted(['test.example'], ['svc']) })],
    },
    '',
  ],
  [
    'outside the constraint on URIs',
    { anchors: [rootWith({ nameConstraints: permitted(['.test.example'], []) })] },
    'CA is not allowed to issue this name, got=URI host "test.example"',
  ],
  [
    'outside the constraint on DNS names',
    {
      names: [['spiffe://test.example/a'], ['evilsvc']],
      anchors: [rootWith({ nameConstraints: permitted([], ['svc']) })],
    },
    'CA is not allowed to issue this name, got=DNS name "evilsvc"',
  ],
  [
    'of an excluded DNS name',
    {
      names: [['spiffe://test.example/a'], ['a.kube-system.svc']],
      anchors: [rootWith({ nameConstraints: excluded(['kube-system.svc']) })],
    },
    'CA is not allowed to issue this name, got=DNS name "a.kube-system.svc"',
  ],
  [
    'whose intermediate breaks the anchor’s constraint',
    {
      leaf: underMiddle,
      intermediates: [middle()],
      anchors: [rootWith({ nameConstraints: permitted(['other.example'], []) })],
    },
    'CA is not allowed to issue this name, got=URI host "test.example"',
  ],
  [
    'with an address under a constraint on addresses',
    {
      leaf: {
        extensions: {
          ...leafParts().extensions,
          subjectAltName: extension(
            '2.5.29.17',
            true,
            sequence(ascii(0x86, 'spiffe://test.example/a'), hex('87047f000001')),
          ),
        },
      },
      anchors: [
        rootWith({
          nameConstraints: extension(
            '2.5.29.30',
            true,
            sequence(tlv(0xa0, sequence(hex('8708 7f000000 ff000000')))),
          ),
        }),
      ],
    },
    'CA is not allowed to issue this name, got=a name of a kind that is constrained and not judged',
  ],
  [
    'that has ended',
    { leaf: { validity: sequence(utcTime('261101000000Z'), utcTime('261121235959Z')) } },
    'SVID has ended, notAfter=2026-11-21T23:59:59.000Z',
  ],
  [
    'in its last second',
    { leaf: { validity: sequence(utcTime('261101000000Z'), utcTime('261122000000Z')) } },
    '',
  ],
  [
    'that has not begun',
    { leaf: { validity: sequence(utcTime('261122000001Z'), utcTime('271122000000Z')) } },
    'SVID has not begun, notBefore=2026-11-22T00:00:01.000Z',
  ],
  [
    'of an anchor that has ended',
    {
      anchors: [
        craftCa({
          name: 'root',
          seed: 1,
          parts: { validity: sequence(utcTime('261101000000Z'), utcTime('261102000000Z')) },
        }),
      ],
    },
    'CA of the SVID has ended, notAfter=2026-11-02T00:00:00.000Z',
  ],
  [
    'of an anchor that was renewed under its old name and key',
    {
      anchors: [
        craftCa({
          name: 'root',
          seed: 1,
          parts: { validity: sequence(utcTime('261101000000Z'), utcTime('261102000000Z')) },
        }),
        root,
      ],
    },
    '',
  ],
  [
    'beside an anchor of the same name and another key',
    { anchors: [craftCa({ name: 'root', seed: 8 }), root] },
    '',
  ],
  [
    'before an anchor of the same name and another key',
    { anchors: [root, craftCa({ name: 'root', seed: 8 })] },
    '',
  ],
  [
    'through the first of two intermediates of one name',
    {
      leaf: underMiddle,
      intermediates: [
        middle(),
        craftCa({ name: 'middle', seed: 8, issuer: { name: 'root', seed: 1 } }),
      ],
    },
    '',
  ],
  [
    'through the second of two intermediates of one name',
    {
      leaf: underMiddle,
      intermediates: [
        craftCa({ name: 'middle', seed: 8, issuer: { name: 'root', seed: 1 } }),
        middle(),
      ],
    },
    '',
  ],
  [
    'signed by the right key under another name',
    {
      leaf: underMiddle,
      intermediates: [craftCa({ name: 'other', seed: 3, issuer: { name: 'root', seed: 1 } })],
    },
    'no anchor of trust domain "test.example" issued the SVID',
  ],
  [
    'that names the key of its anchor',
    {
      leaf: issuerKey('01020304'),
      anchors: [rootWith({ subjectKeyIdentifier: subjectKey('01020304') })],
    },
    '',
  ],
  [
    'that names another key than its anchor’s',
    {
      leaf: issuerKey('01020304'),
      anchors: [rootWith({ subjectKeyIdentifier: subjectKey('01020305') })],
    },
    'no anchor of trust domain "test.example" issued the SVID',
  ],
  [
    'whose intermediate has ended',
    {
      leaf: underMiddle,
      intermediates: [
        middle({}, { validity: sequence(utcTime('261101000000Z'), utcTime('261102000000Z')) }),
      ],
    },
    'CA of the SVID has ended, notAfter=2026-11-02T00:00:00.000Z',
  ],
  [
    'with five intermediates',
    { leaf: underMiddle, intermediates: Array.from({ length: 5 }, () => middle()) },
    'SVID has too many intermediates, want=..4 got=5',
  ],
]

for (const [title, path, refusal] of paths) {
  test(`an SVID ${title} is ${refusal === '' ? 'trusted' : 'refused'}`, () => {
    requirement('pki.svid-rules')
    const good = leafParts()
    const extensions =
      path.names === undefined
        ? good.extensions
        : {
            ...good.extensions,
            subjectAltName: extension('2.5.29.17', true, generalNames(...path.names)),
          }
    const svid = parseX509Svid(craftCertificate({ ...good, extensions, ...path.leaf }))
    const options = {
      bundle: parseBundle(formatCertificates(path.anchors ?? [root]), trustDomain),
      intermediates: path.intermediates ?? [],
      now: path.now ?? now,
    }
    if (refusal === '') verifyX509Svid(svid, options)
    else assert.throws(() => verifyX509Svid(svid, options), { message: refusal })
  })
}

test('intermediates are asked for where no anchor has issued the SVID itself', () => {
  const bundle = parseBundle(formatCertificates([root]), trustDomain)
  let asked = 0
  const intermediates = (): readonly Buffer[] => {
    asked += 1
    return [middle()]
  }
  for (const [leaf, times] of [
    [{}, 0],
    [underMiddle, 1],
  ] as const) {
    const svid = parseX509Svid(craftCertificate({ ...leafParts(), ...leaf }))
    verifyX509Svid(svid, { bundle, intermediates, now })
    assert.equal(asked, times)
  }
})

/** AuthorityKeyIdentifier and SubjectKeyIdentifier of four octets. */
function issuerKey(octets: string): Partial<CertificateParts> {
  const keyIdentifier = extension('2.5.29.35', false, hex(`3006 8004 ${octets}`))
  return { extensions: { ...leafParts().extensions, keyIdentifier } }
}

function subjectKey(octets: string): Buffer {
  return extension('2.5.29.14', false, hex(`0404 ${octets}`))
}

function rootWith(extensions: Record<string, Buffer>): Buffer {
  return craftCa({ name: 'root', seed: 1, extensions })
}

function constraints(value: string): Buffer {
  return extension('2.5.29.19', true, hex(value))
}

function permitted(hosts: readonly string[], dnsNames: readonly string[]): Buffer {
  const subtrees = [
    ...hosts.map((host) => sequence(ascii(0x86, host))),
    ...dnsNames.map((name) => sequence(ascii(0x82, name))),
  ]
  return extension('2.5.29.30', true, sequence(tlv(0xa0, ...subtrees)))
}

function excluded(dnsNames: readonly string[]): Buffer {
  const subtrees = dnsNames.map((name) => sequence(ascii(0x82, name)))
  return extension('2.5.29.30', true, sequence(tlv(0xa1, ...subtrees)))
}
