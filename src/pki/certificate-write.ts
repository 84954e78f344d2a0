import { randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { tags } from './der-read.ts'
import { DerWriter, element } from './der-write.ts'
import { oids } from './oid.ts'
import type { SignatureAlgorithm } from './signature.ts'

/** What a certificate says, each part DER. */
export interface CertificateFields {
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly spki: Buffer
  readonly extensions: readonly Buffer[]
}

/** Writes and signs a certificate of version 3 (RFC 5280 §4.1) with a serial number of its own. For the few that are not the signer's leaves. */
export function signCertificate(
  fields: CertificateFields,
  by: { readonly privateKey: KeyObject; readonly algorithm: SignatureAlgorithm },
): Buffer {
  const { privateKey, algorithm } = by
  const signed = certificateToSign(fields, { serial: newSerial(), algorithm: algorithm.der })
  const signature = sign(algorithm.digest, signed, privateKey)
  return signedCertificate(signed, algorithm.der, signature)
}

/** 16 octets, of which the first makes it a positive number of that length (RFC 5280 §4.1.2.2). */
export function newSerial(): Buffer {
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}

/** What is signed of it (RFC 5280 §4.1.2), for a key that is kept elsewhere. `algorithm`: DER. */
export function certificateToSign(
  { issuer, subject, notBefore, notAfter, spki, extensions }: CertificateFields,
  { serial, algorithm }: { readonly serial: Buffer; readonly algorithm: Buffer },
): Buffer {
  return element(
    tags.sequence,
    Buffer.from('a003020102', 'hex'),
    element(tags.integer, serial),
    algorithm,
    issuer,
    validity(notBefore, notAfter),
    subject,
    spki,
    element(0xa3, element(tags.sequence, ...extensions)),
  )
}

export function signedCertificate(signed: Buffer, algorithm: Buffer, signature: Buffer): Buffer {
  const bits = element(tags.bitString, Buffer.alloc(1), signature)
  return element(tags.sequence, signed, algorithm, bits)
}

function validity(notBefore: Date, notAfter: Date): Buffer {
  const writer = new DerWriter(64)
  const end = writer.mark()
  writer.time(notAfter)
  writer.time(notBefore)
  writer.wrap(tags.sequence, end)
  return writer.take()
}

/** One Extension (RFC 5280 §4.1), its identifier's content in hex. */
export function extension(
  oid: string,
  criticality: 'critical' | 'not critical',
  value: Buffer,
): Buffer {
  return element(
    tags.sequence,
    element(tags.objectIdentifier, Buffer.from(oid, 'hex')),
    criticality === 'critical' ? Buffer.from('0101ff', 'hex') : Buffer.alloc(0),
    element(tags.octetString, value),
  )
}

/** Of the key that signs (RFC 5280 §4.2.1.1). */
export function authorityKeyIdentifier(keyIdentifier: Buffer): Buffer {
  const value = element(tags.sequence, element(0x80, keyIdentifier))
  return extension(oids.authorityKeyIdentifier, 'not critical', value)
}

/** What the key may be used for (RFC 5280 §4.2.1.12), the content of each identifier in hex. */
export function extendedKeyUsage(purposes: readonly string[]): Buffer {
  const identifiers = purposes.map((oid) => element(tags.objectIdentifier, Buffer.from(oid, 'hex')))
  return extension(oids.extendedKeyUsage, 'not critical', element(tags.sequence, ...identifiers))
}
