import { parseTrustDomain, type TrustDomain } from '../identity/trust-domain.ts'
import type { Bundle } from '../pki/bundle.ts'
import { parseCaCertificate, type CaCertificate } from '../pki/ca-certificate.ts'
import { certificateBlocks, formatCertificates, parsePem } from '../pki/pem.ts'
import { parseX509Svid, verifyX509Svid, type X509Svid } from '../pki/x509-svid.ts'
import { readPublishedAnchors } from '../signer/anchors/published-anchors.ts'
import type { Facts } from './facts.ts'

/** The published anchors, as our readers read them. */
export interface Published {
  readonly bundle: Bundle
  /** Blocks of the bundle that are no anchors of this trust domain: readers leave them out. */
  readonly ignored: number
}

/** Undefined where nothing is published, or nothing that can be read. */
export function publishedAnchors(facts: Facts): Published | undefined {
  const { trustBundle } = facts
  const pem = trustBundle.known ? (trustBundle.value?.pem ?? '') : ''
  const trustDomain = trustDomainOf(facts, pem)
  if (trustDomain === undefined) return undefined
  const anchors = readPublishedAnchors(pem, trustDomain)
  if (anchors.length === 0) return undefined
  return {
    bundle: { trustDomain, anchors, pem: formatCertificates(anchors.map(({ der }) => der)) },
    ignored: certificateBlocks(pem).length - anchors.length,
  }
}

/** As configured; where the configuration cannot be had, as the first anchor says. */
function trustDomainOf({ signer }: Facts, pem: string): TrustDomain | undefined {
  if (signer.known) return signer.value.trustDomain
  const [first = Buffer.alloc(0)] = certificateBlocks(pem)
  try {
    const { names } = parseCaCertificate(first, 'pki/bundle')
    return parseTrustDomain(names?.uris[0]?.replace(/^spiffe:\/\//, '') ?? '')
  } catch {
    return undefined
  }
}

/** By the clock that certificates are made for. */
export function clusterTime({ now, server }: Facts): number {
  return now + (server.known ? (server.value.skewSeconds ?? 0) * 1000 : 0)
}

/** The certificate of a chain, once it is verified. Throws a CountersignError that says what is wrong. */
export function verifyChain(chain: readonly Buffer[], bundle: Bundle, now: number): X509Svid {
  const [leaf, ...intermediates] = chain
  const svid = parseX509Svid(leaf ?? Buffer.alloc(0))
  verifyX509Svid(svid, { bundle, intermediates, now })
  return svid
}

export function chainOf(pem: string): readonly Buffer[] {
  const charactersMax = 128 * 1024
  const blocks = parsePem(pem, { code: 'pki/svid', what: 'certificate chain', charactersMax })
  return blocks.map(({ der }) => der)
}

export function describeAnchor({ sha256, notAfter }: CaCertificate): string {
  return `anchor ${sha256.slice(0, 16)}… until ${notAfter.toISOString().slice(0, 19)}Z`
}
