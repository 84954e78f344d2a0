import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import { authorityKeyIdentifier, extension, signCertificate } from './certificate-write.ts'
import { readDer, tags } from './der-read.ts'
import { asciiElement, element } from './der-write.ts'
import { oids } from './oid.ts'
import { signatureAlgorithmFor } from './signature.ts'
import { keyIdentifierOf } from './subject-key.ts'

/**
 * Writes the certificate of a CA that is its own root and signs leaves and nothing else: path length 0, names constrained to the DNS
 * suffixes and, where asked, to its trust domain. Throws `pki/authority` for a key that no CA may have.
 */
export function writeRootCertificate(options: {
  readonly trustDomain: TrustDomain
  readonly dnsSuffixes: readonly string[]
  /** Programs of rustls take no certificate of a CA whose URIs are constrained. */
  readonly constrainUris: boolean
  readonly privateKey: KeyObject
  readonly notBefore: Date
  readonly notAfter: Date
}): Buffer {
  const { trustDomain, dnsSuffixes, constrainUris, privateKey, notBefore, notAfter } = options
  const algorithm = signatureAlgorithmFor(privateKey)
  if (algorithm === undefined) {
    throw new CountersignError('pki/authority', 'authority key is of a type that does not sign')
  }
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const keyIdentifier = subjectKeyIdentifier(spki)
  const name = caName(keyIdentifier)
  const issuerKeyIdentifier = keyIdentifier
  const own = caExtensions({
    trustDomain,
    dnsSuffixes,
    constrainUris,
    keyIdentifier,
    issuerKeyIdentifier,
  })
  const fields = { issuer: name, subject: name, notBefore, notAfter, spki, extensions: own }
  return signCertificate(fields, { privateKey, algorithm })
}

/** Of a SubjectPublicKeyInfo. Throws `pki/der`. */
export function subjectKeyIdentifier(spki: Buffer): Buffer {
  const what = { code: 'pki/der', what: 'public key', octetsMax: 10240 } as const
  const bits = readDer(spki, what, (reader) => {
    const info = reader.enter(tags.sequence, 'subjectPublicKeyInfo')
    info.element(tags.sequence, 'algorithm')
    return info.bits('subjectPublicKey')
  })
  return keyIdentifierOf(bits)
}

/** DER. Unique per key: two CAs of one name confuse verifiers during rotation. */
export function caName(keyIdentifier: Buffer): Buffer {
  return commonName(`countersign ${keyIdentifier.toString('hex', 0, 8)}`)
}

function commonName(text: string): Buffer {
  const type = element(tags.objectIdentifier, Buffer.from(oids.commonName, 'hex'))
  const attribute = element(tags.sequence, type, asciiElement(tags.utf8String, text))
  return element(tags.sequence, element(tags.set, attribute))
}

/** The profile of a CA (RFC 5280 §4.2.1, X509-SVID §3.2, §4.1-4.3). */
export function caExtensions(options: {
  readonly trustDomain: TrustDomain
  readonly dnsSuffixes: readonly string[]
  readonly constrainUris: boolean
  readonly keyIdentifier: Buffer
  /** The same where it is its own root. */
  readonly issuerKeyIdentifier: Buffer
}): readonly Buffer[] {
  const { trustDomain, dnsSuffixes, constrainUris, keyIdentifier, issuerKeyIdentifier } = options
  const subtrees = [
    ...(constrainUris ? [element(tags.sequence, asciiElement(0x86, trustDomain))] : []),
    ...dnsSuffixes.map((suffix) => element(tags.sequence, asciiElement(0x82, suffix))),
  ]
  // To Go a host permits those below it, too, which RFC 5280 §4.2.1.10 says it does not.
  const below = constrainUris ? [element(tags.sequence, asciiElement(0x86, `.${trustDomain}`))] : []
  return [
    extension(
      oids.basicConstraints,
      'critical',
      element(tags.sequence, Buffer.from('0101ff020100', 'hex')),
    ),
    extension(oids.keyUsage, 'critical', Buffer.from('03020106', 'hex')),
    extension(
      oids.subjectAltName,
      'not critical',
      element(tags.sequence, asciiElement(0x86, `spiffe://${trustDomain}`)),
    ),
    ...(subtrees.length === 0 ? [] : [nameConstraints(subtrees, below)]),
    extension(oids.subjectKeyIdentifier, 'not critical', element(tags.octetString, keyIdentifier)),
    authorityKeyIdentifier(issuerKeyIdentifier),
  ]
}

function nameConstraints(permitted: readonly Buffer[], excluded: readonly Buffer[]): Buffer {
  const value = element(
    tags.sequence,
    element(0xa0, ...permitted),
    ...(excluded.length === 0 ? [] : [element(0xa1, ...excluded)]),
  )
  return extension(oids.nameConstraints, 'critical', value)
}
