import {
  authorityKeyIdentifier,
  commonName,
  extension,
  generalNames,
  hex,
  oid,
  sequence,
  tlv,
  utcTime,
} from '../support/craft-certificate.ts'
import type { CertificateParts } from '../support/craft-certificate.ts'

type Extensions = Readonly<Record<string, Buffer>>

/** A root alone, or a CA below one: what is changed in each. */
export interface CaCase {
  readonly root?: Extensions
  readonly rootParts?: Partial<CertificateParts>
  readonly middle?: Extensions
  readonly middleParts?: Partial<CertificateParts>
  /** Why we refuse it; empty where we take it. */
  readonly ours: string
  /** A part of what OpenSSL and Go say; empty where they take it. */
  readonly openssl: string
  readonly go: string
}

const usages = (...oids: readonly string[]): Extensions => ({
  extKeyUsage: extension('2.5.29.37', false, sequence(...oids.map((each) => oid(each)))),
})
const serverAuth = '1.3.6.1.5.5.7.3.1'
const clientAuth = '1.3.6.1.5.5.7.3.2'
const anyUsage = '2.5.29.37.0'

/** Name constraints of names by tag: 82 is DNS, 86 a URI, 87 an address, 81 mail, a4 a directory name. */
function constraints(
  permitted: readonly (readonly [tag: number, name: string | Buffer])[],
  excluded: typeof permitted = [],
): Extensions {
  const subtrees = (tag: number, names: typeof permitted): Buffer[] =>
    names.length === 0
      ? []
      : [tlv(tag, ...names.map(([kind, name]) => sequence(tlv(kind, Buffer.from(name)))))]
  const value = sequence(...subtrees(0xa0, permitted), ...subtrees(0xa1, excluded))
  return { nameConstraints: extension('2.5.29.30', true, value) }
}

const text = (tag: number, octets: string): Buffer =>
  sequence(tlv(0x31, sequence(oid('2.5.4.3'), tlv(tag, Buffer.from(octets, 'latin1')))))
const named = (tag: number, octets: string): Partial<CertificateParts> => ({
  subject: text(tag, octets),
  issuer: text(tag, octets),
})
const noneOf = (suffix: string): string =>
  `has name constraints that do not permit every DNS name of Services, want=permitted DNS:${suffix}`
const goUsage = 'incompatible key usage'
const taken = { ours: '', openssl: '', go: '' }

/** CAs as people make them, by title; each with what three verifiers say of a serving leaf below. */
export const caCases: Readonly<Record<string, CaCase>> = {
  'a root': taken,
  'a CA below a root': { middle: {}, ...taken },
  'extended key usages for both sides': { root: usages(serverAuth, clientAuth), ...taken },
  'extended key usages of both sides and others, below': {
    middle: usages('1.2.3.4', clientAuth, serverAuth),
    ...taken,
  },
  'an extended key usage of servers only': {
    root: usages(serverAuth),
    ours: `authority has extended key usages that do not fit, want=none|serverAuth and clientAuth got="${serverAuth}"`,
    openssl: 'unsuitable certificate purpose',
    go: goUsage,
  },
  'an extended key usage of clients only, above': {
    middle: {},
    root: usages(clientAuth),
    ours: `CA 1 above the authority has extended key usages that do not fit, want=none|serverAuth and clientAuth got="${clientAuth}"`,
    openssl: 'unsuitable certificate purpose',
    go: goUsage,
  },
  'the extended key usage for any': {
    root: usages(anyUsage),
    ours: `authority has extended key usages that do not fit, want=none|serverAuth and clientAuth got="${anyUsage}"`,
    openssl: 'unsuitable certificate purpose',
    go: '',
  },
  'no subject key identifier': {
    root: { subjectKeyIdentifier: hex('') },
    ours: 'authority has no subject key identifier: verifiers that are strict refuse what it signs',
    openssl: 'error 85',
    go: '',
  },
  'a root without subject key identifier, above': {
    middle: {},
    root: { subjectKeyIdentifier: hex('') },
    ours: 'CA 1 above the authority has no subject key identifier: verifiers that are strict refuse what it signs',
    openssl: 'error 86',
    go: '',
  },
  'no authority key identifier, below a root': {
    middle: { authorityKeyIdentifier: hex('') },
    ours: 'authority has no authority key identifier: verifiers that are strict refuse what it signs',
    openssl: 'error 85',
    go: '',
  },
  'a critical subject key identifier': {
    root: { subjectKeyIdentifier: extension('2.5.29.14', true, tlv(4, Buffer.alloc(20, 1))) },
    ours: 'authority has a critical subject key identifier',
    openssl: 'error',
    go: 'subject key identifier incorrectly marked critical',
  },
  'an authority key identifier of another CA': {
    middle: { authorityKeyIdentifier: authorityKeyIdentifier(9) },
    ours: 'authority has an authority key identifier of another CA than the one above it',
    openssl: 'error',
    go: '',
  },
  'an authority key identifier with the serial number of another': {
    middle: {
      authorityKeyIdentifier: extension(
        '2.5.29.35',
        false,
        sequence(tlv(0x80, Buffer.alloc(20, 1)), tlv(0x82, hex('07'))),
      ),
    },
    ours: 'authority has an authority key identifier of another CA than the one above it',
    openssl: 'error',
    go: '',
  },
  'an authority key identifier with the name and serial number of its issuer': {
    middle: {
      authorityKeyIdentifier: extension(
        '2.5.29.35',
        false,
        sequence(
          tlv(0x80, Buffer.alloc(20, 1)),
          tlv(0xa1, tlv(0xa4, commonName('root'))),
          tlv(0x82, hex('40000000000000000000000000000001')),
        ),
      ),
    },
    ...taken,
  },
  'a root that names another key for its own': {
    root: { authorityKeyIdentifier: authorityKeyIdentifier(9) },
    ours: 'authority has an authority key identifier of another CA than the one above it',
    openssl: 'error',
    go: '',
  },
  'a path too short for what is below': {
    middle: {},
    root: { basicConstraints: extension('2.5.29.19', true, hex('30060101ff020100')) },
    ours: 'CA 1 above the authority has a path that is too long, want=..0 got=1',
    openssl: 'path length constraint exceeded',
    go: 'too many intermediates',
  },
  'a root that has ended, above': {
    middle: {},
    rootParts: { validity: sequence(utcTime('251101000000Z'), utcTime('261121000000Z')) },
    ours: 'CA 1 above the authority has ended, notAfter=2026-11-21T00:00:00.000Z',
    openssl: 'certificate has expired',
    go: 'expired',
  },
  'a root that has not begun, above': {
    middle: {},
    rootParts: { validity: sequence(utcTime('261123000000Z'), utcTime('271121000000Z')) },
    ours: 'CA 1 above the authority has not begun, notBefore=2026-11-23T00:00:00.000Z',
    openssl: 'certificate is not yet valid',
    go: 'not yet valid',
  },
  'policy constraints': {
    middle: { policyConstraints: extension('2.5.29.36', false, hex('3003800100')) },
    ours: 'authority has policy constraints',
    openssl: '',
    go: 'invalid policies',
  },
  noRevAvail: {
    root: { noRevAvail: extension('2.5.29.56', false, hex('0500')) },
    ours: 'authority has noRevAvail, which is for leaves',
    openssl: '',
    go: '',
  },
  'a DNS constraint that permits all of ours': {
    root: constraints([
      [0x82, 'svc'],
      [0x82, 'cluster.local'],
      [0x86, 'test.example'],
    ]),
    ...taken,
  },
  'a DNS constraint on everything': { root: constraints([[0x82, '']]), ...taken },
  'a DNS constraint with a dot before': {
    root: constraints([
      [0x82, '.svc'],
      [0x82, '.local'],
    ]),
    ...taken,
  },
  'a DNS constraint to the names with the cluster domain': {
    root: constraints([[0x82, 'svc.cluster.local']]),
    ours: `authority ${noneOf('svc')}`,
    openssl: 'permitted subtree violation',
    go: 'not permitted',
  },
  'a DNS constraint to the short names': {
    middle: {},
    root: constraints([[0x82, 'svc']]),
    ours: `CA 1 above the authority ${noneOf('svc.cluster.local')}`,
    openssl: 'permitted subtree violation',
    go: 'not permitted',
  },
  'a DNS constraint to one namespace': {
    root: constraints([
      [0x82, 'shop.svc'],
      [0x82, 'cluster.local'],
    ]),
    ours: `authority ${noneOf('svc')}`,
    openssl: 'permitted subtree violation',
    go: 'not permitted',
  },
  'an exclusion of one namespace': {
    root: constraints([], [[0x82, '.tools.svc']]),
    ours: `authority ${noneOf('svc')}`,
    openssl: 'excluded subtree violation',
    go: 'excluded',
  },
  'an exclusion of every DNS name': {
    root: constraints([], [[0x82, '']]),
    ours: `authority ${noneOf('svc')}`,
    openssl: 'excluded subtree violation',
    go: 'excluded',
  },
  'an exclusion of other DNS names': { root: constraints([], [[0x82, 'example.com']]), ...taken },
  'an exclusion of every address': {
    root: constraints(
      [],
      [
        [0x87, Buffer.alloc(8)],
        [0x87, Buffer.alloc(32)],
      ],
    ),
    ...taken,
  },
  'a malformed range of addresses': {
    root: constraints([], [[0x87, hex('0a000000ff00ff00')]]),
    ours: 'iPAddress is malformed',
    openssl: '',
    go: 'invalid mask',
  },
  'a constraint to another trust domain': {
    root: constraints([[0x86, 'other.example']]),
    ours: 'authority is constrained to other trust domains, want=test.example',
    openssl: 'permitted subtree violation',
    go: 'not permitted',
  },
  'an exclusion that Go reads wider': {
    root: constraints([], [[0x86, 'example']]),
    ours: 'authority is constrained to other trust domains, want=test.example',
    openssl: '',
    go: 'excluded',
  },
  'a URI constraint that is an address': {
    root: constraints([[0x86, 'test.example']], [[0x86, '10.0.0.1']]),
    ours: 'authority has a name constraint that is no name, got="10.0.0.1"',
    openssl: '',
    go: 'failed to parse URI constraint',
  },
  'a DNS constraint with a dot at the end': {
    root: constraints([], [[0x82, 'example.com.']]),
    ours: 'authority has a name constraint that is no name, got="example.com."',
    openssl: '',
    go: 'failed to parse dnsName constraint',
  },
  'a constraint on directory names': {
    root: constraints([[0xa4, commonName('x')]]),
    ours: 'authority has name constraints of a kind that is not judged, want=URI|DNS|IP got=tag 4',
    openssl: '',
    go: 'unhandled critical extension',
  },
  'name constraints without a name': {
    root: { nameConstraints: extension('2.5.29.30', true, sequence()) },
    ours: 'authority has name constraints without a name',
    openssl: '',
    go: 'empty name constraints',
  },
  'a name below that is not permitted above': {
    middle: {
      subjectAltName: extension(
        '2.5.29.17',
        false,
        generalNames(['spiffe://test.example'], ['ca.example']),
      ),
    },
    root: constraints([
      [0x82, 'svc'],
      [0x82, 'local'],
    ]),
    ours: 'CA 1 above the authority does not permit a name of a CA below it, got=DNS name "ca.example"',
    openssl: 'permitted subtree violation',
    go: 'not permitted',
  },
  'a subject in a PrintableString': { rootParts: named(0x13, "CA (1) 'x' +,-./:=?*&"), ...taken },
  'a subject in a BMPString': { rootParts: named(0x1e, '\0C\0A'), ...taken },
  'an underscore in a PrintableString': {
    rootParts: named(0x13, 'my_ca'),
    ours: 'authority has a subject that Go does not read, got="my_ca"',
    openssl: '',
    go: 'invalid PrintableString',
  },
  'Latin-1 in a UTF8String': {
    rootParts: named(0x0c, 'caf\u00e9'),
    ours: 'authority has a subject that Go does not read, got="café"',
    openssl: 'invalid utf8string',
    go: 'invalid UTF-8 string',
  },
  'a subject in a UniversalString': {
    rootParts: named(0x1c, '\0\0\0C'),
    ours: 'authority has a subject that Go does not read, got="\\u0000\\u0000\\u0000C"',
    openssl: '',
    go: 'unsupported string type',
  },
}
