import { createPublicKey, type KeyObject } from 'node:crypto'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import { parseTrustDomain } from '../identity/trust-domain.ts'
import { parseCaCertificate } from './ca-certificate.ts'
import { subjectKeyIdentifier, writeRootCertificate } from './ca-write.ts'
import { emptyName } from './certificate.ts'
import { namesOfNode } from './certificate-request-write.ts'
import {
  authorityKeyIdentifier,
  extendedKeyUsage,
  extension,
  signCertificate,
} from './certificate-write.ts'
import { tags } from './der-read.ts'
import { asciiElement, element } from './der-write.ts'
import { generateKey } from './generate-key.ts'
import { oids } from './oid.ts'
import { formatPem } from './pem.ts'
import type { RequestedNames } from './requested-names.ts'
import { signatureAlgorithmFor } from './signature.ts'
import type { KeyType } from './subject-key.ts'

/** Whose certificate it is: a workload's, or a node's for its servers. */
export type SelfSignedNames = { readonly spiffeId: SpiffeId } | RequestedNames

/** Clocks of one machine and the next. */
const backdateMilliseconds = 60_000

/**
 * A credential that no authority stands behind, both PEM: a CA is made for this one leaf, is its only anchor, and its key is forgotten. It says who
 * somebody is to whoever was handed the anchor, and to nobody else.
 */
export function writeSelfSigned(options: {
  readonly names: SelfSignedNames
  readonly keyType: KeyType
  readonly lifetimeSeconds: number
  readonly now: () => number
}): { readonly credentialBundle: string; readonly trustBundle: string } {
  const { names, keyType, lifetimeSeconds, now } = options
  const notBefore = new Date(now() - backdateMilliseconds)
  const notAfter = new Date(now() + lifetimeSeconds * 1000)
  const authorityKey = generateKey('ECDSAP256')
  const authority = writeRootCertificate({
    trustDomain: 'spiffeId' in names ? names.spiffeId.trustDomain : noTrustDomain,
    dnsSuffixes: [],
    constrainUris: false,
    privateKey: authorityKey,
    notBefore,
    notAfter,
  })
  const privateKey = generateKey(keyType)
  const leaf = writeLeaf({ names, privateKey, authority, authorityKey, notBefore, notAfter })
  const keyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  return {
    credentialBundle: `${keyPem}${formatPem('CERTIFICATE', leaf)}`,
    trustBundle: formatPem('CERTIFICATE', authority),
  }
}

/** RFC 6761 §6.4: it is nobody's. */
const noTrustDomain = parseTrustDomain('self-signed.invalid')

function writeLeaf(options: {
  readonly names: SelfSignedNames
  readonly privateKey: KeyObject
  /** DER. */
  readonly authority: Buffer
  readonly authorityKey: KeyObject
  readonly notBefore: Date
  readonly notAfter: Date
}): Buffer {
  const { names, privateKey, authority, authorityKey, notBefore, notAfter } = options
  const issuer = parseCaCertificate(authority, 'pki/authority')
  const algorithm = signatureAlgorithmFor(authorityKey)
  if (algorithm === undefined) throw new TypeError('no algorithm for a key of our own')
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const { subject, extensions, purposes } = partsOf(names)
  const ofKey = element(tags.octetString, subjectKeyIdentifier(spki))
  const usage = Buffer.from(privateKey.asymmetricKeyType === 'rsa' ? '030205a0' : '03020780', 'hex')
  const all = [
    extension(oids.basicConstraints, 'critical', element(tags.sequence)),
    extension(oids.keyUsage, 'critical', usage),
    extendedKeyUsage(purposes),
    ...extensions,
    extension(oids.subjectKeyIdentifier, 'not critical', ofKey),
    authorityKeyIdentifier(issuer.subjectKeyIdentifier ?? Buffer.alloc(0)),
  ]
  const fields = { issuer: issuer.subject, subject, notBefore, notAfter, spki, extensions: all }
  return signCertificate(fields, { privateKey: authorityKey, algorithm })
}

/** A node's certificate is for servers (kubernetes.io/kubelet-serving), a workload's for both sides (X509-SVID §4.4). */
function partsOf(names: SelfSignedNames): {
  readonly subject: Buffer
  readonly extensions: readonly Buffer[]
  readonly purposes: readonly string[]
} {
  if (!('spiffeId' in names)) return { ...namesOfNode(names), purposes: [oids.serverAuth] }
  const uri = element(tags.sequence, asciiElement(0x86, names.spiffeId.uri))
  return {
    subject: emptyName,
    extensions: [extension(oids.subjectAltName, 'critical', uri)],
    purposes: [oids.serverAuth, oids.clientAuth],
  }
}
