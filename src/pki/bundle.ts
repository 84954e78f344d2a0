import { CountersignError, quoted } from '../errors.ts'
import type { Log } from '../log.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import { isOfTrustDomain, isReadByOpenSsl, parseCaCertificate } from './ca-certificate.ts'
import type { CaCertificate } from './ca-certificate.ts'
import { openReloadingFiles } from './reloading-files.ts'
import type { Reloading } from './reloading-files.ts'
import { formatCertificates, parsePem } from './pem.ts'

/** The anchors of one trust domain. Bundles of different trust domains are never merged (SPIFFE Federation §4.2). */
export interface Bundle {
  readonly trustDomain: TrustDomain
  /**
   * Each self-signed, none twice. They may have expired: that is judged when they are used. None only where another trust domain has
   * said so: then no SVID of it is valid.
   */
  readonly anchors: readonly CaCertificate[]
  readonly pem: string
}

/** The bundle in force now. */
export interface BundleSource {
  current(): Bundle
  /** Calls the listener after each change; gives what ends that. */
  onChange(listener: () => void): () => void
}

/** The API server's bound on a ClusterTrustBundle. */
const charactersMax = 1024 * 1024
/** What is published has to stay within it, or nobody here reads it. */
export const anchorsMax = 256

/** Reads PEM anchors of a trust domain, at most 1 MiB. Throws `pki/bundle`. */
export function parseBundle(pem: string, trustDomain: TrustDomain): Bundle {
  const blocks = parsePem(pem, { code: 'pki/bundle', what: 'trust bundle', charactersMax })
  // Before any is read: each costs a verified signature.
  if (blocks.length > anchorsMax) {
    throw refused(`has too many anchors, want=..${anchorsMax} got=${blocks.length}`)
  }
  const anchors = new Map<string, CaCertificate>()
  for (const { label, der } of blocks) {
    if (label !== 'CERTIFICATE') {
      throw refused(`has another block, want="CERTIFICATE" got=${quoted(label)}`)
    }
    const anchor = parseCaCertificate(der, 'pki/bundle')
    // OpenSSL takes no other anchor, and what some verifiers accept and others refuse is no anchor.
    if (!anchor.selfSigned) throw refused('has an anchor that is not self-signed')
    if (!isReadByOpenSsl(anchor)) throw refused('has an anchor that OpenSSL does not read')
    if (!isOfTrustDomain(anchor, trustDomain)) {
      throw refused(
        `has an anchor of another trust domain, want=spiffe://${trustDomain} got=${quoted(anchor.names?.uris.join(' ') ?? '')}`,
      )
    }
    anchors.set(anchor.sha256, anchor)
  }
  if (anchors.size === 0) throw refused('has no anchor')
  return bundleOf(trustDomain, [...anchors.values()])
}

/** The bundle of anchors that were read: what is in it twice counts once. */
export function bundleOf(trustDomain: TrustDomain, anchors: readonly CaCertificate[]): Bundle {
  const unique = [...new Map(anchors.map((anchor) => [anchor.sha256, anchor])).values()]
  return {
    trustDomain,
    anchors: unique,
    pem: formatCertificates(unique.map((anchor) => anchor.der)),
  }
}

/** Opens a trust bundle file and follows its changes, keeping the last good one. Throws `pki/bundle` when the first is neither good nor awaited. */
export function openBundleFile(options: {
  readonly file: string
  readonly trustDomain: TrustDomain
  readonly now: () => number
  readonly log: Log
  /** It may be written later than this is called, and is waited for. */
  readonly awaited?: boolean
  readonly pollSeconds?: number
}): Promise<Reloading<Bundle>> {
  const { file, trustDomain, log, awaited = false, pollSeconds } = options
  return openReloadingFiles({
    files: [file],
    code: 'pki/bundle',
    parse: ([pem = '']) => parseBundle(pem, trustDomain),
    log,
    awaited,
    ...(pollSeconds === undefined ? {} : { pollSeconds }),
  })
}

function refused(message: string): CountersignError {
  return new CountersignError('pki/bundle', `trust bundle ${message}`)
}
