import { hash, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { CountersignError, quoted } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { certificateOctetsMax, readCertificate } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import {
  alternativeNamesOf,
  basicConstraintsOf,
  keyUsageOf,
  keyUsages,
  nameConstraintsOf,
  subjectKeyIdentifierOf,
  unknownCriticalExtension,
} from './certificate-extensions.ts'
import type { AlternativeNames, NameConstraints } from './certificate-extensions.ts'
import { readDer, withCode } from './der-read.ts'
import { oids } from './oid.ts'
import { signatureAlgorithmFor, verifySignature } from './signature.ts'
import { publicKeyOf } from './subject-key.ts'

/** A certificate that may sign certificates (RFC 5280 §4.2.1.9, X509-SVID §3.2, §4.3). */
export interface CaCertificate {
  readonly der: Buffer
  /** SHA-256 of `der`, hex. */
  readonly sha256: string
  /** DER of the Name, never empty: the issuer of what it signs, octet for octet. */
  readonly subject: Buffer
  readonly subjectKeyIdentifier: Buffer | undefined
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
  readonly pathLength: number | undefined
  readonly names: AlternativeNames | undefined
  readonly nameConstraints: NameConstraints | undefined
  /** Signed by itself: what an anchor must be, because OpenSSL takes no other. */
  readonly selfSigned: boolean
  /** The certificate taken apart, for who checks its own issuer. */
  readonly certificate: Certificate
}

const understood: readonly string[] = [
  oids.basicConstraints,
  oids.keyUsage,
  oids.subjectAltName,
  oids.nameConstraints,
  oids.subjectKeyIdentifier,
  oids.authorityKeyIdentifier,
  oids.certificatePolicies,
]

/** Reads a CA certificate of at most 16 KiB. Its times are not judged here. Throws the caller's code. */
export function parseCaCertificate(der: Uint8Array, code: ErrorCode): CaCertificate {
  // A copy: what is parsed outlives the caller's buffer.
  const certificate = readDer(
    Buffer.from(der),
    { code, what: 'CA certificate', octetsMax: certificateOctetsMax },
    (reader) => readCertificate(reader),
  )
  return withCode(code, () => readCa(certificate, code))
}

function readCa(certificate: Certificate, code: ErrorCode): CaCertificate {
  const refuse = (message: string): never => {
    throw new CountersignError(code, `CA certificate ${message}`)
  }
  const basicConstraints = basicConstraintsOf(certificate)
  if (basicConstraints?.ca !== true) return refuse('is no CA, want=cA TRUE')
  if (certificate.extensions.get(oids.basicConstraints)?.critical !== true) {
    return refuse('has basicConstraints that are not critical')
  }
  const keyUsage = keyUsageOf(certificate)
  if (keyUsage === undefined || (keyUsage & keyUsages.keyCertSign) === 0) {
    return refuse('may not sign certificates, want=keyCertSign')
  }
  if (certificate.subject.length === 2) return refuse('has an empty subject')
  const unknown = unknownCriticalExtension(certificate, understood)
  if (unknown !== undefined)
    return refuse(`has an unknown critical extension, got=${quoted(unknown)}`)
  const publicKey = publicKeyOf(certificate.spki)
  if (signatureAlgorithmFor(publicKey) === undefined) {
    return refuse(
      'has a key of another type, want=P-256|P-384|P-521|Ed25519|RSA of 2048..8192 bits',
    )
  }
  const signed = { octets: certificate.signed, signature: certificate.signature }
  const selfSigned =
    certificate.issuer.equals(certificate.subject) &&
    verifySignature(certificate.signatureAlgorithm, publicKey, signed)
  return {
    der: certificate.der,
    sha256: hash('sha256', certificate.der, 'hex'),
    subject: certificate.subject,
    subjectKeyIdentifier: subjectKeyIdentifierOf(certificate),
    notBefore: new Date(certificate.notBefore),
    notAfter: new Date(certificate.notAfter),
    publicKey,
    pathLength: basicConstraints.pathLength,
    names: alternativeNamesOf(certificate),
    nameConstraints: nameConstraintsOf(certificate),
    selfSigned,
    certificate,
  }
}

/** Whether TLS can use an anchor: it is told of all in one text, and takes none behind one that OpenSSL does not read, without a word. */
export function isReadByOpenSsl({ der }: CaCertificate): boolean {
  try {
    // It looks for a text within the octets first.
    return new X509Certificate(der).raw.equals(der)
  } catch {
    return false
  }
}

/** X509-SVID §3.2: a CA that carries a URI is of the trust domain that it names. One without is of the domain it is configured for. */
export function isOfTrustDomain(ca: CaCertificate, trustDomain: string): boolean {
  const uris = ca.names?.uris ?? []
  return uris.every((uri) => uri === `spiffe://${trustDomain}`)
}
