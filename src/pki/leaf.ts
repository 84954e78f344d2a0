import type { WorkloadIdentity } from '../identity/workload-identity.ts'
import type { Authority } from './authority.ts'
import { emptyName } from './certificate.ts'
import { tags } from './der-read.ts'
import { element } from './der-write.ts'
import type { DerWriter } from './der-write.ts'
import { writeIdentityExtension } from './identity-extension.ts'
import { oids } from './oid.ts'
import type { Profile } from './profile.ts'
import { authorityKeyIdentifier, extendedKeyUsage, extension } from './certificate-write.ts'
import type { SubjectKey } from './subject-key.ts'

/** What differs from one leaf to the next. */
export interface LeafFields {
  readonly identity: WorkloadIdentity
  readonly dnsNames: readonly string[]
  readonly key: SubjectKey
  /** 16 octets, the content of the INTEGER. */
  readonly serialNumber: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
}

/** What all leaves of an authority and profile have in common, encoded once. */
export interface LeafTemplate {
  readonly signatureAlgorithm: Buffer
  readonly algorithmAndIssuer: Buffer
  /** basicConstraints, extKeyUsage, noRevAvail and authorityKeyIdentifier. */
  readonly extensions: Buffer
  readonly keyUsage: Buffer
  readonly keyUsageRsa: Buffer
  readonly identityOid: Buffer
}

const version3 = Buffer.from('a003020102', 'hex')
const subjectAltNameOid = element(tags.objectIdentifier, Buffer.from(oids.subjectAltName, 'hex'))
const subjectKeyIdentifierOid = element(
  tags.objectIdentifier,
  Buffer.from(oids.subjectKeyIdentifier, 'hex'),
)
const critical = Buffer.from('0101ff', 'hex')

export function createLeafTemplate(authority: Authority, profile: Profile): LeafTemplate {
  const { signatureAlgorithm, certificate } = authority
  const issuerKey = certificate.subjectKeyIdentifier
  return {
    signatureAlgorithm,
    algorithmAndIssuer: Buffer.concat([signatureAlgorithm, certificate.subject]),
    extensions: Buffer.concat([
      // cA is FALSE by default, so DER leaves it out.
      extension(oids.basicConstraints, 'critical', element(tags.sequence)),
      extendedKeyUsage([oids.serverAuth, oids.clientAuth]),
      extension(oids.noRevAvail, 'not critical', element(tags.null)),
      ...(issuerKey === undefined ? [] : [authorityKeyIdentifier(issuerKey)]),
    ]),
    keyUsage: extension(oids.keyUsage, 'critical', Buffer.from('03020780', 'hex')),
    keyUsageRsa: extension(oids.keyUsage, 'critical', Buffer.from('030205a0', 'hex')),
    identityOid: element(tags.objectIdentifier, Buffer.from(profile.extensionKey, 'hex')),
  }
}

/** Writes the TBSCertificate (RFC 5280 §4.1) of a leaf, from its last field to its first. */
export function writeLeaf(writer: DerWriter, template: LeafTemplate, fields: LeafFields): Buffer {
  const { key } = fields
  writer.clear()
  const end = writer.mark()
  writeIdentity(writer, template, fields.identity)
  writeKeyIdentifier(writer, key)
  writer.raw(template.extensions)
  writer.raw(key.keyType.startsWith('RSA') ? template.keyUsageRsa : template.keyUsage)
  writeNames(writer, fields)
  writer.wrap(tags.sequence, end)
  writer.wrap(0xa3, end)
  writer.raw(key.spki)
  writer.raw(emptyName)
  const validity = writer.mark()
  writer.time(fields.notAfter)
  writer.time(fields.notBefore)
  writer.wrap(tags.sequence, validity)
  writer.raw(template.algorithmAndIssuer)
  const serial = writer.mark()
  writer.raw(fields.serialNumber)
  writer.wrap(tags.integer, serial)
  writer.raw(version3)
  writer.wrap(tags.sequence, end)
  return writer.take()
}

/** Puts what was signed, its algorithm and the signature together. */
export function writeCertificate(
  writer: DerWriter,
  template: LeafTemplate,
  signed: { readonly octets: Buffer; readonly signature: Buffer },
): Buffer {
  writer.clear()
  const end = writer.mark()
  writer.raw(signed.signature)
  writer.octet(0)
  writer.wrap(tags.bitString, end)
  writer.raw(template.signatureAlgorithm)
  writer.raw(signed.octets)
  writer.wrap(tags.sequence, end)
  return writer.take()
}

function writeIdentity(
  writer: DerWriter,
  template: LeafTemplate,
  identity: WorkloadIdentity,
): void {
  const end = writer.mark()
  writeIdentityExtension(writer, identity)
  writer.wrap(tags.octetString, end)
  writer.raw(template.identityOid)
  writer.wrap(tags.sequence, end)
}

function writeKeyIdentifier(writer: DerWriter, key: SubjectKey): void {
  const end = writer.mark()
  writer.raw(key.keyIdentifier)
  writer.wrap(tags.octetString, end)
  writer.wrap(tags.octetString, end)
  writer.raw(subjectKeyIdentifierOid)
  writer.wrap(tags.sequence, end)
}

/** Critical, because the subject is empty (RFC 5280 §4.2.1.6). */
function writeNames(writer: DerWriter, fields: LeafFields): void {
  const end = writer.mark()
  const { dnsNames } = fields
  for (let at = dnsNames.length - 1; at >= 0; at--) writer.ascii(0x82, dnsNames[at] ?? '')
  writer.ascii(0x86, fields.identity.spiffeId.uri)
  writer.wrap(tags.sequence, end)
  writer.wrap(tags.octetString, end)
  writer.raw(critical)
  writer.raw(subjectAltNameOid)
  writer.wrap(tags.sequence, end)
}
