import { CountersignError } from '../errors.ts'
import { DerReader, tags } from './der-read.ts'
import { formatObjectIdentifier } from './oid.ts'
import { signatureAlgorithmOf } from './signature.ts'
import type { SignatureAlgorithm } from './signature.ts'

export interface Extension {
  readonly critical: boolean
  /** The content of extnValue. */
  readonly value: Buffer
}

/** An X.509 v3 certificate (RFC 5280 §4.1) taken apart strictly. The octets are views of `der`. */
export interface Certificate {
  readonly der: Buffer
  /** What is signed. */
  readonly signed: Buffer
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly signature: Buffer
  /** Content of the INTEGER: positive, 1 to 20 octets. */
  readonly serialNumber: Buffer
  readonly issuer: Buffer
  readonly subject: Buffer
  /** Milliseconds since 1970, whole seconds. */
  readonly notBefore: number
  readonly notAfter: number
  readonly spki: Buffer
  /** By the identifier's content in hex; none comes twice. */
  readonly extensions: ReadonlyMap<string, Extension>
}

/** Far above what we issue (1.5 KiB) and below the 16 KiB of headers through which a certificate may be forwarded. */
export const certificateOctetsMax: number = 16 * 1024

/** The Name without any part (RFC 5280 §4.1.2.6): our leaves have no other. */
export const emptyName: Buffer = Buffer.from('3000', 'hex')

/** Reads one certificate; the caller checks for trailing octets and translates `pki/der`. */
export function readCertificate(reader: DerReader): Certificate {
  const der = reader.element(tags.sequence, 'certificate')
  const outer = new DerReader(der).enter(tags.sequence, 'certificate')
  const signed = outer.element(tags.sequence, 'tbsCertificate')
  const outerAlgorithm = outer.element(tags.sequence, 'signatureAlgorithm')
  const signature = outer.bits('signatureValue')
  outer.finish('certificate')

  const tbs = new DerReader(signed).enter(tags.sequence, 'tbsCertificate')
  readVersion(tbs)
  const serialNumber = readSerialNumber(tbs)
  const algorithm = tbs.element(tags.sequence, 'signature')
  // RFC 5280 §4.1.1.2: only the inner one is signed, so a difference is a forgery or a defect.
  if (!algorithm.equals(outerAlgorithm))
    throw broken('signature algorithms inside and outside differ')
  const signatureAlgorithm = signatureAlgorithmOf(algorithm)
  if (signatureAlgorithm === undefined) throw broken('signature algorithm is not a trusted one')
  const issuer = readName(tbs, 'issuer')
  const validity = tbs.enter(tags.sequence, 'validity')
  const notBefore = validity.time('notBefore')
  const notAfter = validity.time('notAfter')
  validity.finish('validity')
  const subject = readName(tbs, 'subject')
  const spki = tbs.element(tags.sequence, 'subjectPublicKeyInfo')
  const extensions = readExtensions(tbs)
  tbs.finish('tbsCertificate')

  if (issuer.length === 2) throw broken('issuer is empty')
  if (notAfter < notBefore) throw broken('notAfter is before notBefore')
  return {
    der,
    signed,
    signatureAlgorithm,
    signature,
    serialNumber,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki,
    extensions,
  }
}

function readVersion(tbs: DerReader): void {
  const explicit = tbs.enter(0xa0, 'version')
  const version = explicit.smallInteger(tags.integer, 'version')
  explicit.finish('version')
  if (version !== 2) throw broken(`version is another one, want=3 got=${version + 1}`)
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets. */
function readSerialNumber(tbs: DerReader): Buffer {
  const serial = tbs.integer('serialNumber')
  const first = serial[0] ?? 0
  if (first >= 0x80 || (first === 0 && serial.length === 1))
    throw broken('serialNumber is not positive')
  if (serial.length > 20) {
    throw broken(`serialNumber is too long, want=..20 octets got=${serial.length}`)
  }
  return serial
}

/** The Name as it stands: names are compared octet for octet, never by what they display. */
function readName(tbs: DerReader, what: string): Buffer {
  const name = tbs.element(tags.sequence, what)
  const parts = new DerReader(name).enter(tags.sequence, what)
  while (parts.nextTag !== -1) {
    const relative = parts.enter(tags.set, `${what} part`)
    do {
      const attribute = relative.enter(tags.sequence, `${what} attribute`)
      attribute.objectIdentifier(`${what} attribute type`)
      attribute.content(attribute.nextTag, `${what} attribute value`)
      attribute.finish(`${what} attribute`)
    } while (relative.nextTag !== -1)
  }
  return name
}

function readExtensions(tbs: DerReader): ReadonlyMap<string, Extension> {
  const explicit = tbs.enter(0xa3, 'extensions')
  const list = explicit.enter(tags.sequence, 'extensions')
  explicit.finish('extensions')
  const extensions = new Map<string, Extension>()
  while (list.nextTag !== -1) {
    const extension = list.enter(tags.sequence, 'extension')
    const oid = extension.objectIdentifier('extension type')
    const critical = extension.optionalTrue('extension critical')
    const value = extension.content(tags.octetString, 'extension value')
    extension.finish('extension')
    if (extensions.has(oid)) {
      throw broken(`extension comes twice, got=${formatObjectIdentifier(oid)}`)
    }
    extensions.set(oid, { critical, value })
  }
  return extensions
}

function broken(message: string): CountersignError {
  return new CountersignError('pki/der', message)
}
