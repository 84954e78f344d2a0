import { CountersignError } from '../errors.ts'
import type { WorkloadIdentity } from '../identity/workload-identity.ts'
import type { Authority } from './authority.ts'
import { certificateOctetsMax, emptyName, readCertificate } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import {
  alternativeNamesOf,
  authorityKeyIdentifierOf,
  basicConstraintsOf,
  extendedKeyUsageOf,
  keyUsageOf,
  keyUsages,
  subjectKeyIdentifierOf,
} from './certificate-extensions.ts'
import { readDer } from './der-read.ts'
import { parseIdentityExtension } from './identity-extension.ts'
import type { Binding } from './identity-extension.ts'
import { formatObjectIdentifier, oids } from './oid.ts'
import { lifetimeSecondsMin } from './profile.ts'
import type { Profile } from './profile.ts'
import { verifySignature } from './signature.ts'
import type { SubjectKey } from './subject-key.ts'

/** What the certificate was to be, from before it was written. */
export interface Expected {
  readonly request: {
    readonly identity: WorkloadIdentity
    readonly dnsNames: readonly string[]
    readonly key: SubjectKey
    readonly lifetimeSeconds: number
  }
  readonly serialNumber: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly beginRefreshAt: Date
  readonly profile: Profile
  readonly authority: Authority
  /** Milliseconds since 1970. */
  readonly now: number
}

/** The API server's tolerance between its clock and notBefore, exclusive. */
const clockSecondsMax = 300
/** The API server's distance of beginRefreshAt from both ends. */
const refreshSecondsMin = 600
/** The API server's bound on a chain, in PEM. */
const chainCharactersMax = 102_400

/**
 * Every rule that a certificate just signed breaks, a sentence each; none is good. It is read from its octets alone, with the strict reader,
 * and its signature verified: nothing that the writer computed is believed. The API server's rules are checked too, because a status that
 * it refuses costs a signature.
 */
export function inspectCertificate(der: Uint8Array, expected: Expected): readonly string[] {
  const findings: string[] = []
  try {
    const certificate = readDer(
      der,
      { code: 'pki/inspection', what: 'certificate', octetsMax: certificateOctetsMax },
      (reader) => readCertificate(reader),
    )
    inspectFields(certificate, expected, findings)
    inspectTimes(certificate, expected, findings)
    inspectExtensions(certificate, expected, findings)
    inspectIdentity(certificate, expected, findings)
    inspectSignature(certificate, expected, findings)
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    findings.push(error.message)
  }
  return findings
}

function inspectFields(certificate: Certificate, expected: Expected, findings: string[]): void {
  const { request, authority } = expected
  if (certificate.serialNumber.toString('hex') !== expected.serialNumber) {
    findings.push('serial number is not the prepared one')
  }
  if (certificate.serialNumber.length !== 16) findings.push('serial number is not of 16 octets')
  if (!certificate.issuer.equals(authority.certificate.subject)) {
    findings.push('issuer is not the authority')
  }
  if (!certificate.subject.equals(emptyName)) findings.push('subject is not empty')
  if (!certificate.spki.equals(request.key.spki))
    findings.push('public key is not the requested one')
  if (!certificate.signatureAlgorithm.der.equals(authority.signatureAlgorithm)) {
    findings.push('signature algorithm is not the one of the authority')
  }
  const chainOctets = authority.chain.reduce((sum, ca) => sum + ca.length, certificate.der.length)
  // Base64 and line ends make three octets into a little over four characters, and each block has two more lines.
  if (chainOctets * 1.4 + 64 * (authority.chain.length + 1) > chainCharactersMax) {
    findings.push('chain is too large for the API server')
  }
}

function inspectTimes(certificate: Certificate, expected: Expected, findings: string[]): void {
  const { notBefore, notAfter } = certificate
  const lifetimeSeconds = (notAfter - notBefore) / 1000
  if (notBefore !== expected.notBefore.getTime() || notAfter !== expected.notAfter.getTime()) {
    findings.push('validity is not the prepared one in whole seconds')
  }
  if (lifetimeSeconds < lifetimeSecondsMin) findings.push('lifetime is shorter than an hour')
  if (lifetimeSeconds > expected.request.lifetimeSeconds) {
    findings.push('lifetime is longer than requested')
  }
  if (lifetimeSeconds > expected.profile.lifetimeSecondsMax) {
    findings.push('lifetime is longer than the profile allows')
  }
  if (Math.abs(expected.now - notBefore) >= clockSecondsMax * 1000) {
    findings.push('notBefore is 5 minutes or more from now')
  }
  const refresh = expected.beginRefreshAt.getTime()
  const margin = refreshSecondsMin * 1000
  if (refresh < notBefore + margin || refresh > notAfter - margin) {
    findings.push('beginRefreshAt is within 10 minutes of an end')
  }
  const { certificate: ca, notAfter: end } = expected.authority
  if (notBefore < ca.notBefore.getTime() || notAfter > end.getTime()) {
    findings.push('validity is not within the one of the authority')
  }
}

function inspectExtensions(certificate: Certificate, expected: Expected, findings: string[]): void {
  const { request, authority } = expected
  for (const [oid, extension] of certificate.extensions) {
    const mustBeCritical = criticalExtensions.includes(oid)
    if (extension.critical !== mustBeCritical) {
      findings.push(`extension ${formatObjectIdentifier(oid)} has the wrong criticality`)
    }
    if (
      !mustBeCritical &&
      !plainExtensions.includes(oid) &&
      oid !== expected.profile.extensionKey
    ) {
      findings.push(`extension ${formatObjectIdentifier(oid)} is not in the profile`)
    }
  }
  const basicConstraints = basicConstraintsOf(certificate)
  if (basicConstraints?.ca !== false)
    findings.push('basicConstraints does not say that it is no CA')
  const rsa = request.key.keyType.startsWith('RSA')
  const usage = keyUsages.digitalSignature | (rsa ? keyUsages.keyEncipherment : 0)
  if (keyUsageOf(certificate) !== usage) findings.push('keyUsage is not the one of the profile')
  const purposes = extendedKeyUsageOf(certificate)
  if (purposes?.join() !== `${oids.serverAuth},${oids.clientAuth}`) {
    findings.push('extKeyUsage is not serverAuth and clientAuth')
  }
  if (certificate.extensions.get(oids.noRevAvail)?.value.toString('hex') !== '0500') {
    findings.push('noRevAvail is missing')
  }
  const names = alternativeNamesOf(certificate)
  if (names?.uris.length !== 1 || names.uris[0] !== request.identity.spiffeId.uri) {
    findings.push('subjectAltName does not have the SPIFFE ID as its one URI')
  }
  if (names?.dnsNames.join() !== request.dnsNames.join() || names.otherTags.length > 0) {
    findings.push('subjectAltName has other names than the requested ones')
  }
  if (subjectKeyIdentifierOf(certificate)?.equals(request.key.keyIdentifier) !== true) {
    findings.push('subjectKeyIdentifier is not the one of the key')
  }
  const issuerKey = authority.certificate.subjectKeyIdentifier
  const authorityKey = authorityKeyIdentifierOf(certificate)
  if (
    issuerKey === undefined ? authorityKey !== undefined : authorityKey?.equals(issuerKey) !== true
  ) {
    findings.push('authorityKeyIdentifier is not the one of the authority')
  }
}

const criticalExtensions: readonly string[] = [
  oids.subjectAltName,
  oids.basicConstraints,
  oids.keyUsage,
]

const plainExtensions: readonly string[] = [
  oids.extendedKeyUsage,
  oids.noRevAvail,
  oids.authorityKeyIdentifier,
  oids.subjectKeyIdentifier,
]

function inspectIdentity(certificate: Certificate, expected: Expected, findings: string[]): void {
  const extension = certificate.extensions.get(expected.profile.extensionKey)
  if (extension === undefined) {
    findings.push('identity extension is missing')
    return
  }
  const differing = differingFields(
    parseIdentityExtension(extension.value),
    expected.request.identity,
  )
  for (const field of differing) findings.push(`identity extension differs in ${field}`)
}

/** The fields in which two identities differ, by name. */
function differingFields(got: Binding, want: Binding): readonly string[] {
  const differing: string[] = []
  for (const field of ['namespace', 'serviceAccount', 'pod', 'node', 'claim'] as const) {
    if (got[field]?.name !== want[field]?.name || got[field]?.uid !== want[field]?.uid)
      differing.push(field)
  }
  for (const field of plainFields) if (got[field] !== want[field]) differing.push(field)
  if (got.ceiling.models.join() !== want.ceiling.models.join()) differing.push('models')
  const scopesOf = (binding: Binding): string =>
    binding.ceiling.toolScopes.map((scope) => scope.text).join()
  if (scopesOf(got) !== scopesOf(want)) differing.push('toolScopes')
  return differing
}

const plainFields = [
  'cluster',
  'issuanceId',
  'evidenceDigest',
  'policyDigest',
  'role',
  'tenant',
] as const

function inspectSignature(certificate: Certificate, expected: Expected, findings: string[]): void {
  const signed = { octets: certificate.signed, signature: certificate.signature }
  const { publicKey } = expected.authority.certificate
  if (!verifySignature(certificate.signatureAlgorithm, publicKey, signed)) {
    findings.push('signature is not of the authority')
  }
}
