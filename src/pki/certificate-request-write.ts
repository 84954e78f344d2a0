import { createPublicKey, sign, type KeyObject } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import { caName, subjectKeyIdentifier } from './ca-write.ts'
import { extension } from './certificate-write.ts'
import { readDer, tags } from './der-read.ts'
import { asciiElement, element } from './der-write.ts'
import { formatObjectIdentifier, oids } from './oid.ts'
import type { RequestedNames } from './requested-names.ts'
import { signatureAlgorithmFor } from './signature.ts'

/** A CA of a trust domain that signs leaves and nothing else, as one above it is asked for it. */
export interface RequestedCa {
  readonly trustDomain: TrustDomain
}

/**
 * A PKCS#10 request (RFC 2986), DER: the key and the proof of its possession, and nothing beside unless asked. Throws `pki/key-type`,
 * `pki/der`.
 */
export function writeCertificateRequest(
  privateKey: KeyObject,
  asked?: RequestedNames | RequestedCa,
): Buffer {
  const algorithm = signatureAlgorithmFor(privateKey)
  if (algorithm === undefined) {
    throw new CountersignError('pki/key-type', 'key is of a type that does not sign requests')
  }
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const version = element(tags.integer, Buffer.of(0))
  const { subject, extensions } = namesOf(asked, spki)
  const info = element(tags.sequence, version, subject, spki, attributesOf(extensions))
  const signature = sign(algorithm.digest, info, privateKey)
  const bits = element(tags.bitString, Buffer.alloc(1), signature)
  return element(tags.sequence, info, algorithm.der, bits)
}

interface Names {
  /** DER of a Name. */
  readonly subject: Buffer
  /** DER of an Extension each. */
  readonly extensions: readonly Buffer[]
}

function namesOf(asked: RequestedNames | RequestedCa | undefined, spki: Buffer): Names {
  if (asked === undefined) return { subject: subjectOf([]), extensions: [] }
  return 'trustDomain' in asked ? writtenOfCa(asked, spki) : namesOfNode(asked)
}

/** Organizations first, as Go writes a name. */
export function namesOfNode(asked: RequestedNames): Names {
  const { organizations, commonName, dnsNames, ipAddresses } = asked
  const subject = subjectOf([
    ...organizations.map((each) => [oids.organization, each] as const),
    [oids.commonName, commonName],
  ])
  const names = [
    ...dnsNames.map((each) => asciiElement(0x82, each)),
    ...ipAddresses.map((each) => element(0x87, each)),
  ]
  return { subject, extensions: names.length === 0 ? [] : [alternativeNames(names)] }
}

/**
 * The same as a CA of our own has (X509-SVID §4.1-4.3), less what the one above it settles: constraints and key identifiers. The subject
 * is unique per key, because verifiers look for the issuer of a certificate by its name.
 */
function writtenOfCa({ trustDomain }: RequestedCa, spki: Buffer): Names {
  return {
    subject: caName(subjectKeyIdentifier(spki)),
    extensions: [
      extension(
        oids.basicConstraints,
        'critical',
        element(tags.sequence, Buffer.from('0101ff020100', 'hex')),
      ),
      alternativeNames([caUri(trustDomain)]),
    ],
  }
}

/** What `parseCertificateRequest` reads of a request for a CA with this key: content of its subject, its alternative names, and what else it asks. */
export function namesOfCa(
  trustDomain: TrustDomain,
  spki: Buffer,
): { readonly subject: Buffer; readonly alternativeNames: Buffer; readonly other: string } {
  const name = caName(subjectKeyIdentifier(spki))
  return {
    subject: readDer(name, { code: 'pki/der', what: 'name', octetsMax: 256 }, (reader) =>
      reader.content(tags.sequence, 'name'),
    ),
    alternativeNames: element(tags.sequence, caUri(trustDomain)),
    other: `the extension ${formatObjectIdentifier(oids.basicConstraints)}`,
  }
}

function caUri(trustDomain: TrustDomain): Buffer {
  return asciiElement(0x86, `spiffe://${trustDomain}`)
}

function subjectOf(parts: readonly (readonly [oid: string, text: string])[]): Buffer {
  const written = parts.map(([oid, text]) => {
    const type = element(tags.objectIdentifier, Buffer.from(oid, 'hex'))
    const value = element(tags.utf8String, Buffer.from(text, 'utf8'))
    return element(tags.set, element(tags.sequence, type, value))
  })
  return element(tags.sequence, ...written)
}

function alternativeNames(names: readonly Buffer[]): Buffer {
  return extension(oids.subjectAltName, 'not critical', element(tags.sequence, ...names))
}

function attributesOf(extensions: readonly Buffer[]): Buffer {
  if (extensions.length === 0) return element(0xa0)
  const type = element(tags.objectIdentifier, Buffer.from(oids.extensionRequest, 'hex'))
  const values = element(tags.set, element(tags.sequence, ...extensions))
  return element(0xa0, element(tags.sequence, type, values))
}
