import { hash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { CountersignError, quoted } from '../errors.ts'
import { parseSpiffeId, workloadOf } from '../identity/spiffe-id.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { WorkloadIdentity } from '../identity/workload-identity.ts'
import type { Bundle } from './bundle.ts'
import type { CaCertificate } from './ca-certificate.ts'
import { certificateOctetsMax, readCertificate } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import {
  alternativeNamesOf,
  basicConstraintsOf,
  extendedKeyUsageOf,
  keyUsageOf,
  keyUsages,
  unknownCriticalExtension,
} from './certificate-extensions.ts'
import type { AlternativeNames } from './certificate-extensions.ts'
import { readDer, withCode } from './der-read.ts'
import { parseIdentityExtension } from './identity-extension.ts'
import { exampleExtensionOid } from './identity-extension-oid.ts'
import { oids, parseObjectIdentifier } from './oid.ts'
import { checkTimes, validatePath } from './path-validation.ts'
import type { Intermediates } from './path-validation.ts'
import { publicKeyOf } from './subject-key.ts'

/** A leaf certificate that keeps the rules of X509-SVID §5.2. Nothing here says that anybody trusts it. */
export interface X509Svid {
  readonly der: Buffer
  /** SHA-256 of `der`, hex. */
  readonly sha256: string
  readonly spiffeId: SpiffeId
  /** Lower-case hex of the positive number, as it stands in the certificate. */
  readonly serialNumber: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly dnsNames: readonly string[]
  readonly publicKey: KeyObject
  /** What the identity extension says, undefined without it. It means something only in our own trust domain. */
  readonly identity: WorkloadIdentity | undefined
  readonly names: AlternativeNames
  readonly certificate: Certificate
}

const understood: readonly string[] = [
  oids.subjectAltName,
  oids.basicConstraints,
  oids.keyUsage,
  oids.extendedKeyUsage,
]

export interface SvidOptions {
  readonly identityExtensionOid?: string
  /** Its key has just signed a handshake of TLS, so that it is one: it is made an object when somebody asks for it. Default false. */
  readonly isKeyProven?: boolean
}

/** Reads one strict SVID leaf of at most 16 KiB with nothing after it. Throws `pki/svid`. */
export function parseX509Svid(der: Uint8Array, options: SvidOptions = {}): X509Svid {
  const identityExtensionOid = parseObjectIdentifier(
    options.identityExtensionOid ?? exampleExtensionOid,
  )
  // A copy: what is parsed outlives the caller's buffer.
  const certificate = readDer(
    Buffer.from(der),
    { code: 'pki/svid', what: 'certificate', octetsMax: certificateOctetsMax },
    (reader) => readCertificate(reader),
  )
  return withCode('pki/svid', () => {
    checkUsage(certificate)
    const names = readNames(certificate)
    const spiffeId = parseSpiffeId(names.uris[0] ?? '')
    if (spiffeId.path === '')
      throw refused('certificate is of a trust domain, not of a workload, want=a path')
    const { spki } = certificate
    let publicKey = options.isKeyProven === true ? undefined : publicKeyOf(spki)
    return {
      der: certificate.der,
      sha256: hash('sha256', certificate.der, 'hex'),
      spiffeId,
      serialNumber: certificate.serialNumber.toString('hex'),
      notBefore: new Date(certificate.notBefore),
      notAfter: new Date(certificate.notAfter),
      dnsNames: names.dnsNames,
      get publicKey() {
        return (publicKey ??= publicKeyOf(spki))
      },
      identity: readIdentity(certificate, identityExtensionOid, spiffeId),
      names,
      certificate,
    }
  })
}

/**
 * Whether the SVID is trusted at `now` (milliseconds): its path leads to an anchor of its own trust domain, whose bundle this must be
 * (SPIFFE Federation §7.3). Gives the CAs between it and its anchor. Throws `pki/svid-untrusted`, `pki/svid-expired`, `pki/svid-not-yet-valid`.
 */
export function verifyX509Svid(
  svid: X509Svid,
  options: {
    readonly bundle: Bundle
    readonly intermediates?: Intermediates
    readonly now: number
  },
): readonly CaCertificate[] {
  const { bundle, intermediates = [], now } = options
  const { trustDomain } = svid.spiffeId
  if (trustDomain !== bundle.trustDomain) {
    throw new CountersignError(
      'pki/svid-untrusted',
      `SVID is of another trust domain, want=${bundle.trustDomain} got=${trustDomain}`,
    )
  }
  checkTimes('SVID', svid, now)
  return validatePath(svid, { bundle, intermediates, now })
}

/** X509-SVID §4.1, §4.3, §4.4, §5.2 and RFC 5280 §4.2: a leaf that signs messages, and nothing that signs certificates. */
function checkUsage(certificate: Certificate): void {
  if (basicConstraintsOf(certificate)?.ca === true)
    throw refused('certificate is a CA, want=cA FALSE')
  const keyUsage = keyUsageOf(certificate)
  if (keyUsage === undefined) throw refused('certificate has no keyUsage')
  if (certificate.extensions.get(oids.keyUsage)?.critical !== true) {
    throw refused('certificate has a keyUsage that is not critical')
  }
  if ((keyUsage & keyUsages.digitalSignature) === 0) {
    throw refused('certificate may not sign, want=digitalSignature')
  }
  if ((keyUsage & (keyUsages.keyCertSign | keyUsages.cRLSign)) !== 0) {
    throw refused('certificate may sign certificates or CRLs, want=neither keyCertSign nor cRLSign')
  }
  const purposes = extendedKeyUsageOf(certificate)
  if (
    purposes !== undefined &&
    !(purposes.includes(oids.serverAuth) && purposes.includes(oids.clientAuth))
  ) {
    throw refused(
      'certificate is for one side of a connection only, want=serverAuth and clientAuth',
    )
  }
  const unknown = unknownCriticalExtension(certificate, understood)
  if (unknown !== undefined) {
    throw refused(`certificate has an unknown critical extension, got=${quoted(unknown)}`)
  }
}

function readNames(certificate: Certificate): AlternativeNames {
  const names = alternativeNamesOf(certificate)
  if (names === undefined) throw refused('certificate has no subjectAltName')
  // RFC 5280 §4.2.1.6: without a subject the names are all there is.
  const critical = certificate.extensions.get(oids.subjectAltName)?.critical === true
  if (certificate.subject.length === 2 && !critical) {
    throw refused('certificate has an empty subject and a subjectAltName that is not critical')
  }
  if (names.uris.length !== 1) {
    throw refused(`certificate has the wrong number of URIs, want=1 got=${names.uris.length}`)
  }
  const odd = names.dnsNames.find((name) => !/^[\x21-\x7e]{1,253}$/.test(name))
  if (odd !== undefined) throw refused(`certificate has a malformed DNS name, got=${quoted(odd)}`)
  return names
}

function readIdentity(
  certificate: Certificate,
  identityExtensionOid: string,
  spiffeId: SpiffeId,
): WorkloadIdentity | undefined {
  const extension = certificate.extensions.get(identityExtensionOid)
  if (extension === undefined) return undefined
  const binding = parseIdentityExtension(extension.value)
  const workload = workloadOf(spiffeId)
  // The SPIFFE ID is what policies and logs name: an extension about another workload would split the identity in two.
  if (
    workload?.namespace !== binding.namespace.name ||
    workload.serviceAccount !== binding.serviceAccount.name
  ) {
    throw refused('certificate has an identity extension of another workload than its SPIFFE ID')
  }
  return { spiffeId, ...binding }
}

function refused(message: string): CountersignError {
  return new CountersignError('pki/svid', message)
}
