import { CountersignError, quoted } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { AuthorityState, Journal } from './authority-journal.ts'
import { parseCaCertificate } from './ca-certificate.ts'
import type { CaCertificate } from './ca-certificate.ts'
import { parseCaKey } from './ca-key.ts'
import type { CaKey } from './ca-key.ts'
import { findPath } from './ca-path.ts'
import { writeRootCertificate } from './ca-write.ts'
import { generateKey } from './generate-key.ts'
import { formatPem, parsePem } from './pem.ts'
import { lifetimeSecondsMin } from './profile.ts'
import type { KeyType } from './subject-key.ts'

/** A CA that signs: its certificate, what is published beside, and the use of its key. The key itself never leaves. */
export interface Authority {
  readonly trustDomain: TrustDomain
  readonly certificate: CaCertificate
  /** The CA and those above it, the root last. */
  readonly path: readonly CaCertificate[]
  /** DER of what follows the leaf in a chain: the CA and those above, never a root. */
  readonly chain: readonly Buffer[]
  /** DER of the self-signed certificates that a trust bundle has for it. */
  readonly anchors: readonly Buffer[]
  /** The earliest end on the path from the CA to its root: nothing that it signs is valid for longer. */
  readonly notAfter: Date
  /** DER of the AlgorithmIdentifier of its signatures. */
  readonly signatureAlgorithm: Buffer
  readonly sign: CaKey['sign']
}

/** What is known of authorities beside which one is in force, where a journal says so. */
export interface Rotation {
  /** What became of each, as it was read last. */
  journal(): Journal
  /** The state of each, by the short name that `countersign ca` takes. */
  states(): ReadonlyMap<string, AuthorityState>
  /** SHA-256, hex, of anchors that are not to be published any more, though they have not ended. */
  withdrawn(): readonly string[]
  /** Whether it may still sign: what waits for a new one to reach readers signs with the one before. */
  maySign(authority: Authority): boolean
  /** Whether readers were waited for before this one was put in force: nobody waits for them again. */
  isDelivered(authority: Authority): boolean
  /** Whether all this was read just now: one who works by older news publishes what was revoked meanwhile. */
  isFresh(): boolean
}

/** The authority in force now. */
export interface AuthoritySource {
  /** Throws `pki/authority-unavailable`. */
  current(): Authority
  anchors(): readonly Buffer[]
  /** Where authorities follow each other by steps that are written down. */
  readonly rotation?: Rotation | undefined
  /** Why what is configured is not what is in force. */
  readonly problem?: CountersignError | undefined
  /** Calls the listener after each change; gives what ends that. */
  onChange(listener: () => void): () => void
}

/** Where Services of a cluster have their names: `<service>.<namespace>.svc`, and the same with the cluster domain. */
export function dnsSuffixesOf(clusterDomain: string): readonly string[] {
  return ['svc', `svc.${clusterDomain}`]
}

const dnsSuffixesDefault = dnsSuffixesOf('cluster.local')

/** For clocks that are behind, and longer than any leaf is backdated. */
const backdateMilliseconds = 120_000

const charactersMax = 128 * 1024
const certificatesMax = 8

interface PathOptions {
  readonly certificatePem: string
  readonly chainPem?: string
  readonly trustDomain: TrustDomain
  /** Below which every DNS name is that it has to sign for; those of `cluster.local` unless told. */
  readonly dnsSuffixes?: readonly string[]
  readonly now: () => number
}

/**
 * Makes an authority of PEM: the CA's certificate, perhaps those above it, and its key. A CA that is not self-signed needs all
 * above it to a root, because the root is what trust bundles publish. What a verifier would refuse is refused. Throws `pki/authority`.
 */
export function parseAuthority(
  options: PathOptions & { readonly privateKeyPem: string },
): Authority {
  const path = parseAuthorityPath(options)
  const key = parseCaKey(options.privateKeyPem)
  const spki = key.publicKey.export({ format: 'der', type: 'spki' })
  if (!spki.equals(path[0].certificate.spki)) {
    throw refused('has a key that does not belong to its certificate')
  }
  return authorityOf(path, key, options.trustDomain)
}

/** The CA and those above it. */
export type AuthorityPath = readonly [CaCertificate, ...CaCertificate[]]

/** The same without the key, which may be kept elsewhere. */
export function parseAuthorityPath(options: PathOptions): AuthorityPath {
  const { certificatePem, chainPem = '', trustDomain, now } = options
  const { dnsSuffixes = dnsSuffixesDefault } = options
  const certificates = readCertificates(certificatePem + chainPem)
  const [certificate] = certificates
  if (certificate === undefined) throw refused('has no certificate')
  const [, ...above] = findPath(certificate, certificates, { trustDomain, dnsSuffixes, now: now() })
  return [certificate, ...above]
}

/** An authority of what was read and proved before: the key belongs to the certificate. */
export function authorityOf(path: AuthorityPath, key: CaKey, trustDomain: TrustDomain): Authority {
  return {
    trustDomain,
    certificate: path[0],
    path,
    chain: path.filter((ca) => !ca.selfSigned).map((ca) => ca.der),
    anchors: path.filter((ca) => ca.selfSigned).map((ca) => ca.der),
    notAfter: new Date(Math.min(...path.map((ca) => ca.notAfter.getTime()))),
    signatureAlgorithm: key.algorithm.der,
    sign: (octets) => key.sign(octets),
  }
}

/** The same, as long as its path has not ended. Throws `pki/authority-unavailable`. */
export function notEnded(authority: Authority, now: number): Authority {
  if (now <= authority.notAfter.getTime()) return authority
  throw new CountersignError(
    'pki/authority-unavailable',
    `authority has ended, notAfter=${authority.notAfter.toISOString()}`,
  )
}

/** Makes a CA that is its own root, for development and small clusters. Throws `pki/authority`. */
export function createSelfSignedAuthority(options: {
  readonly trustDomain: TrustDomain
  readonly keyType?: KeyType
  /** At least twice the shortest leaf. */
  readonly lifetimeSeconds: number
  readonly now: () => number
  readonly dnsSuffixes?: readonly string[]
  /** Whether its URIs are constrained to the trust domain, too; unless told, they are not (see docs/OPERATING.md). */
  readonly constrainUris?: boolean
}): { readonly certificatePem: string; readonly privateKeyPem: string } {
  const { trustDomain, keyType = 'ECDSAP256', lifetimeSeconds, now } = options
  const { dnsSuffixes = dnsSuffixesDefault, constrainUris = false } = options
  const lifetimeMin = 2 * lifetimeSecondsMin
  if (!Number.isInteger(lifetimeSeconds) || lifetimeSeconds < lifetimeMin) {
    throw refused(`has too short a life, want=${lifetimeMin}.. got=${lifetimeSeconds}`)
  }
  const privateKey = generateKey(keyType)
  const notBefore = Math.floor(now() / 1000) * 1000 - backdateMilliseconds
  const notAfter = notBefore + lifetimeSeconds * 1000
  const der = writeRootCertificate({
    trustDomain,
    dnsSuffixes,
    constrainUris,
    privateKey,
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
  })
  return {
    certificatePem: formatPem('CERTIFICATE', der),
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

/** A source of one authority that never changes. */
export function staticAuthoritySource(authority: Authority): AuthoritySource {
  return {
    current: () => authority,
    anchors: () => authority.anchors,
    onChange: () => () => {},
  }
}

function readCertificates(pem: string): readonly CaCertificate[] {
  const blocks = parsePem(pem, { code: 'pki/authority', what: 'authority', charactersMax })
  const odd = blocks.find((block) => block.label !== 'CERTIFICATE')
  if (odd !== undefined)
    throw refused(`has another block, want="CERTIFICATE" got=${quoted(odd.label)}`)
  if (blocks.length > certificatesMax) {
    throw refused(`has too many certificates, want=..${certificatesMax} got=${blocks.length}`)
  }
  return blocks.map((block) => parseCaCertificate(block.der, 'pki/authority'))
}

function refused(message: string): CountersignError {
  return new CountersignError('pki/authority', `authority ${message}`)
}
