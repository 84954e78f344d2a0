import { CountersignError } from '../errors.ts'
import { DerReader, readDer, tags } from './der-read.ts'
import { formatObjectIdentifier, oids } from './oid.ts'
import { parsePem } from './pem.ts'
import { signatureAlgorithmOf, verifySignature } from './signature.ts'
import { parseSubjectKey } from './subject-key.ts'
import type { SubjectKey } from './subject-key.ts'

/** A PKCS#10 request (RFC 2986) whose signature was verified with its own key. */
export interface CertificateRequest {
  readonly key: SubjectKey
  /** What it asks for beyond the key, in words for people. Empty for kubelet's: the API server does not check, so the signer must. */
  readonly names: readonly string[]
  /** Content of the Name, DER. */
  readonly subject: Buffer
  /** Values of each extension of alternative names; a request that has more than one is not what anybody means. */
  readonly alternativeNames: readonly Buffer[]
  /** Every other extension and attribute that it asks for, in words. */
  readonly others: readonly string[]
}

/** What every certificate of a workload is for, in the words of certificates.k8s.io; sorted. */
export const requestedUsages: readonly string[] = [
  'client auth',
  'digital signature',
  'server auth',
]

const octetsMax = 16 * 1024

/** Reads a request of at most 16 KiB. Throws `pki/csr-malformed`, `pki/csr-signature`, `pki/key-type`, `pki/key-malformed`. */
export function parseCertificateRequest(der: Uint8Array): CertificateRequest {
  const parts = readParts(der)
  const key = parseSubjectKey(parts.spki)
  const algorithm = signatureAlgorithmOf(parts.algorithm)
  if (algorithm === undefined) {
    throw new CountersignError(
      'pki/csr-signature',
      'certificate request has an unknown signature algorithm',
    )
  }
  if (
    !verifySignature(algorithm, key.publicKey, { octets: parts.signed, signature: parts.signature })
  ) {
    throw new CountersignError(
      'pki/csr-signature',
      'certificate request is not signed by its own key',
    )
  }
  const { subject, alternativeNames, others } = parts
  const names = [
    ...(subject.length === 0 ? [] : ['a subject']),
    ...alternativeNames.map(() => 'subject alternative names'),
    ...others,
  ]
  return { key, names, subject, alternativeNames, others }
}

/** Reads one as a CertificateSigningRequest has it: one PEM block. Throws the same. */
export function parseCertificateRequestPem(pem: string): CertificateRequest {
  return parseCertificateRequest(derOf(pem))
}

/** The SubjectPublicKeyInfo of a request of which nothing is verified, octet for octet. Throws `pki/csr-malformed`. */
export function keyOfUnverified(request: Uint8Array | string): Buffer {
  return readParts(typeof request === 'string' ? derOf(request) : request).spki
}

function derOf(pem: string): Buffer {
  const blocks = parsePem(pem, {
    code: 'pki/csr-malformed',
    what: 'certificate request',
    charactersMax,
  })
  const [block] = blocks
  if (block?.label === label && blocks.length === 1) return block.der
  throw new CountersignError('pki/csr-malformed', `certificate request is not one block ${label}`)
}

const label = 'CERTIFICATE REQUEST'
const charactersMax = 24 * 1024

interface RequestParts extends Omit<CertificateRequest, 'key' | 'names'> {
  readonly signed: Buffer
  readonly spki: Buffer
  readonly algorithm: Buffer
  readonly signature: Buffer
}

function readParts(der: Uint8Array): RequestParts {
  return readDer(
    der,
    { code: 'pki/csr-malformed', what: 'certificate request', octetsMax },
    (reader) => readRequest(reader.enter(tags.sequence, 'certificationRequest')),
  )
}

function readRequest(request: DerReader): RequestParts {
  const signed = request.element(tags.sequence, 'certificationRequestInfo')
  const algorithm = request.element(tags.sequence, 'signatureAlgorithm')
  const signature = request.bits('signature')
  request.finish('certificationRequest')

  const info = new DerReader(signed).enter(tags.sequence, 'certificationRequestInfo')
  const version = info.smallInteger(tags.integer, 'version')
  if (version !== 0) {
    throw new CountersignError('pki/csr-malformed', `version is another one, want=0 got=${version}`)
  }
  const subject = info.content(tags.sequence, 'subject')
  const spki = info.element(tags.sequence, 'subjectPKInfo')
  const attributes = readAttributes(info.enter(0xa0, 'attributes'))
  info.finish('certificationRequestInfo')
  return { ...attributes, signed, spki, subject, algorithm, signature }
}

interface Attributes {
  readonly alternativeNames: Buffer[]
  readonly others: string[]
}

function readAttributes(attributes: DerReader): Attributes {
  const found: Attributes = { alternativeNames: [], others: [] }
  while (attributes.nextTag !== -1) {
    const attribute = attributes.enter(tags.sequence, 'attribute')
    const type = attribute.objectIdentifier('attribute type')
    const values = attribute.enter(tags.set, 'attribute values')
    attribute.finish('attribute')
    if (type === oids.extensionRequest) readExtensionRequest(values, found)
    else found.others.push(`the attribute ${formatObjectIdentifier(type)}`)
  }
  return found
}

function readExtensionRequest(values: DerReader, found: Attributes): void {
  const extensions = values.enter(tags.sequence, 'extensionRequest')
  values.finish('extensionRequest')
  while (extensions.nextTag !== -1) {
    const extension = extensions.enter(tags.sequence, 'extension')
    const oid = extension.objectIdentifier('extension type')
    extension.optionalTrue('extension critical')
    const value = extension.content(tags.octetString, 'extension value')
    extension.finish('extension')
    if (oid === oids.subjectAltName) found.alternativeNames.push(value)
    else found.others.push(`the extension ${formatObjectIdentifier(oid)}`)
  }
}
