import { createPrivateKey, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/**
 * A DER writer of its own, from front to back, and certificates made of parts of which each can be replaced by a wrong one.
 * It shares nothing with src/pki, so a mistake there is not repeated here. Keys come from seeds and Ed25519 signatures are
 * deterministic: the same parts always make the same octets.
 */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const length: number[] = []
  for (let rest = content.length; rest > 0; rest = rest >> 8) length.unshift(rest & 0xff)
  const header =
    content.length < 128 ? [tag, content.length] : [tag, 0x80 | length.length, ...length]
  return Buffer.concat([Buffer.from(header), content])
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tlv(0x30, ...parts)
}

export function ascii(tag: number, text: string): Buffer {
  return tlv(tag, Buffer.from(text, 'latin1'))
}

export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

export function oid(dotted: string): Buffer {
  const [top = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const octets = [top * 40 + second, ...rest].flatMap((arc) => {
    const digits = [arc % 128]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      digits.unshift(128 + (left % 128))
    }
    return digits
  })
  return tlv(0x06, Buffer.from(octets))
}

/** One Extension; `value` is the content of its OCTET STRING. */
export function extension(dotted: string, critical: boolean, value: Uint8Array): Buffer {
  return sequence(oid(dotted), critical ? hex('0101ff') : hex(''), tlv(0x04, value))
}

/** An Ed25519 key whose private octets are all the same. */
export function seededKey(seed: number): KeyObject {
  const der = Buffer.concat([hex('302e020100300506032b657004220420'), Buffer.alloc(32, seed)])
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

/** SubjectPublicKeyInfo of a seeded key. */
export function seededSpki(seed: number): Buffer {
  const { x = '' } = seededKey(seed).export({ format: 'jwk' })
  return sequence(sequence(oid('1.3.101.112')), tlv(0x03, hex('00'), Buffer.from(x, 'base64url')))
}

export function commonName(text: string): Buffer {
  return sequence(tlv(0x31, sequence(oid('2.5.4.3'), ascii(0x0c, text))))
}

export function utcTime(text: string): Buffer {
  return ascii(0x17, text)
}

/** GeneralNames of a subjectAltName: URIs and DNS names. */
export function generalNames(uris: readonly string[], dnsNames: readonly string[] = []): Buffer {
  return sequence(
    ...uris.map((uri) => ascii(0x86, uri)),
    ...dnsNames.map((name) => ascii(0x82, name)),
  )
}

export interface CertificateParts {
  readonly version: Buffer
  readonly serialNumber: Buffer
  readonly innerAlgorithm: Buffer
  readonly outerAlgorithm: Buffer
  readonly issuer: Buffer
  readonly validity: Buffer
  readonly subject: Buffer
  readonly spki: Buffer
  /** By name, in their order: replace one by itself, or by an empty buffer to leave it out. */
  readonly extensions: Readonly<Record<string, Buffer>>
  /** Between the extensions and the end of what is signed. */
  readonly tail: Buffer
  readonly signer: KeyObject
  readonly signaturePrefix: Buffer
}

const ed25519 = sequence(oid('1.3.101.112'))

/** The parts of a good leaf: its key of seed 2, its issuer's of seed 1. */
export function leafParts(): CertificateParts {
  return {
    ...partsDefault(),
    subject: sequence(),
    extensions: {
      subjectAltName: extension(
        '2.5.29.17',
        true,
        generalNames(['spiffe://test.example/ns/shop/sa/agent']),
      ),
      keyUsage: extension('2.5.29.15', true, hex('03020780')),
      basicConstraints: extension('2.5.29.19', true, sequence()),
      extKeyUsage: extension(
        '2.5.29.37',
        false,
        sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2')),
      ),
    },
  }
}

/** The parts of a good root of test.example: subject, issuer and key of seed 1. */
export function caParts(): CertificateParts {
  return {
    ...partsDefault(),
    subject: commonName('root'),
    spki: seededSpki(1),
    extensions: {
      basicConstraints: extension('2.5.29.19', true, sequence(hex('0101ff'))),
      keyUsage: extension('2.5.29.15', true, hex('03020106')),
      subjectAltName: extension('2.5.29.17', false, generalNames(['spiffe://test.example'])),
    },
  }
}

/** An identifier of a seeded key: its octets, each of them the seed. */
export function subjectKeyIdentifier(seed: number): Buffer {
  return extension('2.5.29.14', false, tlv(0x04, Buffer.alloc(20, seed)))
}

export function authorityKeyIdentifier(seed: number): Buffer {
  return extension('2.5.29.35', false, sequence(tlv(0x80, Buffer.alloc(20, seed))))
}

/** Puts parts together and signs them with the signer's key, whatever the algorithms say. */
export function craftCertificate(parts: CertificateParts): Buffer {
  const signed = sequence(
    parts.version,
    parts.serialNumber,
    parts.innerAlgorithm,
    parts.issuer,
    parts.validity,
    parts.subject,
    parts.spki,
    tlv(0xa3, sequence(...Object.values(parts.extensions))),
    parts.tail,
  )
  const signature = tlv(0x03, parts.signaturePrefix, sign(null, signed, parts.signer))
  return sequence(signed, parts.outerAlgorithm, signature)
}

/** A root of a seed's key with a name of its own, signed by itself or by another seed. */
export function craftCa(options: {
  readonly name: string
  readonly seed: number
  readonly issuer?: { readonly name: string; readonly seed: number }
  readonly parts?: Partial<CertificateParts>
  readonly extensions?: Readonly<Record<string, Buffer>>
}): Buffer {
  const { name, seed, issuer = { name, seed }, parts = {}, extensions = {} } = options
  const good = caParts()
  return craftCertificate({
    ...good,
    subject: commonName(name),
    spki: seededSpki(seed),
    issuer: commonName(issuer.name),
    signer: seededKey(issuer.seed),
    ...parts,
    extensions: {
      ...good.extensions,
      subjectKeyIdentifier: subjectKeyIdentifier(seed),
      ...(issuer.seed === seed
        ? {}
        : { authorityKeyIdentifier: authorityKeyIdentifier(issuer.seed) }),
      ...extensions,
    },
  })
}

/**
 * A root that is good but for its subject, a BMPString of an odd length: OpenSSL does not read it, but finds the text of a certificate
 * among its octets, if there is one.
 */
export function craftOddCa(within = ''): Buffer {
  const text = Buffer.from(`${within}${within.length % 2 === 0 ? '\n' : ''}`)
  const subject = sequence(tlv(0x31, sequence(oid('2.5.4.3'), tlv(0x1e, text))))
  const parts = { subject, issuer: subject }
  return craftCa({ name: '', seed: 9, parts, extensions: { subjectAltName: Buffer.alloc(0) } })
}

function partsDefault(): Omit<CertificateParts, 'subject' | 'extensions'> {
  return {
    version: hex('a003020102'),
    serialNumber: hex('0210 40000000000000000000000000000001'),
    innerAlgorithm: ed25519,
    outerAlgorithm: ed25519,
    issuer: commonName('root'),
    validity: sequence(utcTime('261101000000Z'), utcTime('361101000000Z')),
    spki: seededSpki(2),
    tail: hex(''),
    signer: seededKey(1),
    signaturePrefix: hex('00'),
  }
}
