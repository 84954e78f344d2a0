import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto'
import { bitString, der, integer, objectIdentifier, sequence, tags } from './der.ts'
import { formatPem } from './pem.ts'

/** A certificate and its private key (PKCS#8), both PEM. */
export interface Credential {
  readonly certificatePem: string
  readonly privateKeyPem: string
}

/** An authority for the cluster's own TLS, made at its start and gone with it: no key of it is written anywhere. */
export interface CertificateAuthority {
  readonly certificatePem: string
  /** For 127.0.0.1, localhost and the names that the API server has in a cluster. */
  issueServer(): Credential
  /** User in CN, one O for each group, as kube-apiserver reads them. */
  issueClient(user: { readonly name: string; readonly groups: readonly string[] }): Credential
}

const lifetimeMilliseconds = 7 * 24 * 3_600_000
const backdateMilliseconds = 60_000

const oids = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const

const signatureAlgorithm = sequence(objectIdentifier(oids.ecdsaWithSha256))

type Attribute = readonly [type: string, value: string]

function encodeName(attributes: readonly Attribute[]): Buffer {
  const relativeNames = attributes.map(([type, value]) =>
    der(tags.set, sequence(objectIdentifier(type), der(tags.utf8String, Buffer.from(value)))),
  )
  return sequence(...relativeNames)
}

function extension(type: string, value: Buffer, critical = false): Buffer {
  const mark = critical ? [der(tags.boolean, Buffer.of(0xff))] : []
  return sequence(objectIdentifier(type), ...mark, der(tags.octetString, value))
}

/** RFC 5280 §4.1.2.5: UTCTime until 2049. */
function encodeTime(milliseconds: number): Buffer {
  const text = new Date(milliseconds).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)
  const isUtcTime = Number(text.slice(0, 4)) < 2050
  return der(isUtcTime ? 0x17 : 0x18, Buffer.from(`${isUtcTime ? text.slice(2) : text}Z`))
}

function encodePublicKey(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' })
}

function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha256').update(encodePublicKey(key)).digest().subarray(0, 20)
}

interface Certificate {
  readonly subject: readonly Attribute[]
  readonly issuer: readonly Attribute[]
  readonly key: KeyObject
  readonly signingKey: KeyObject
  readonly extensions: readonly Buffer[]
  readonly now: number
}

function encodeCertificate(certificate: Certificate): string {
  const { subject, issuer, key, signingKey, extensions, now } = certificate
  const serialNumber = randomBytes(16)
  // Positive and never shorter than it looks.
  serialNumber[0] = 0x40 | ((serialNumber[0] ?? 0) & 0x3f)
  const notBefore = now - backdateMilliseconds
  const tbs = sequence(
    der(0xa0, integer(Buffer.of(2))),
    integer(serialNumber),
    signatureAlgorithm,
    encodeName(issuer),
    sequence(encodeTime(notBefore), encodeTime(notBefore + lifetimeMilliseconds)),
    encodeName(subject),
    encodePublicKey(key),
    der(0xa3, sequence(...extensions)),
  )
  const signature = sign('sha256', tbs, signingKey)
  return formatPem('CERTIFICATE', sequence(tbs, signatureAlgorithm, bitString(signature)))
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

const serverNames = [
  // iPAddress 127.0.0.1, then dNSNames (RFC 5280 §4.2.1.6).
  der(0x87, Buffer.of(127, 0, 0, 1)),
  ...['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'].map((name) =>
    der(0x82, Buffer.from(name)),
  ),
]

export function createCertificateAuthority(options: {
  readonly commonName: string
  readonly now: () => number
}): CertificateAuthority {
  const { now } = options
  const signingKey = newKey()
  const issuer: readonly Attribute[] = [[oids.commonName, options.commonName]]
  const identifier = keyIdentifier(signingKey)
  const certificatePem = encodeCertificate({
    subject: issuer,
    issuer,
    key: signingKey,
    signingKey,
    now: now(),
    extensions: [
      extension(oids.basicConstraints, sequence(der(tags.boolean, Buffer.of(0xff))), true),
      // keyCertSign and cRLSign.
      extension(oids.keyUsage, der(tags.bitString, Buffer.of(1, 0x06)), true),
      extension(oids.subjectKeyIdentifier, der(tags.octetString, identifier)),
    ],
  })

  function issue(
    subject: readonly Attribute[],
    usage: string,
    names: readonly Buffer[],
  ): Credential {
    const key = newKey()
    const extensions = [
      extension(oids.basicConstraints, sequence(), true),
      // digitalSignature.
      extension(oids.keyUsage, der(tags.bitString, Buffer.of(7, 0x80)), true),
      extension(oids.extendedKeyUsage, sequence(objectIdentifier(usage))),
      extension(oids.authorityKeyIdentifier, sequence(der(0x80, identifier))),
      ...(names.length === 0 ? [] : [extension(oids.subjectAltName, sequence(...names))]),
    ]
    return {
      certificatePem: encodeCertificate({
        subject,
        issuer,
        key,
        signingKey,
        extensions,
        now: now(),
      }),
      privateKeyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    }
  }

  return {
    certificatePem,
    issueServer: () => issue([[oids.commonName, 'kube-apiserver']], oids.serverAuth, serverNames),
    issueClient: ({ name, groups }) =>
      issue(
        [[oids.commonName, name], ...groups.map((group): Attribute => [oids.organization, group])],
        oids.clientAuth,
        [],
      ),
  }
}
