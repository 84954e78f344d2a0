import type { TrustDomain } from '../../identity/trust-domain.ts'
import type { Authority } from '../../pki/authority.ts'
import { anchorsMax } from '../../pki/bundle.ts'
import { isOfTrustDomain, parseCaCertificate } from '../../pki/ca-certificate.ts'
import type { CaCertificate } from '../../pki/ca-certificate.ts'
import { certificateBlocks, formatPem } from '../../pki/pem.ts'

/**
 * The anchors of a published bundle that readers can use: self-signed and of the trust domain. Text between blocks says nothing, as to
 * kubelet, and a block that is no such anchor is left out: one of them would make our readers refuse the whole bundle.
 */
export function readPublishedAnchors(
  text: string,
  trustDomain: TrustDomain,
): readonly CaCertificate[] {
  return certificateBlocks(text)
    .slice(0, anchorsMax)
    .map(readCa)
    .filter((ca) => ca !== undefined)
    .filter((ca) => ca.selfSigned && isOfTrustDomain(ca, trustDomain))
}

/**
 * What a bundle should hold: our own anchors, and those already there, which may be another replica's while authorities rotate, or
 * vouch for certificates that still live. No leaf outlives its issuer, so an anchor that has ended vouches for nothing.
 */
export function mergeAnchors(options: {
  readonly published: readonly CaCertificate[]
  /** DER. */
  readonly own: readonly Buffer[]
  /** SHA-256, hex, of those that are to go. */
  readonly withdrawn?: readonly string[]
  readonly now: number
}): readonly CaCertificate[] {
  const { published, own, withdrawn = [], now } = options
  const gone = new Set(withdrawn)
  const ours = own.map((der) => parseCaCertificate(der, 'pki/authority'))
  const valid = [...ours, ...published].filter(
    ({ notAfter, sha256 }) => notAfter.getTime() >= now && !gone.has(sha256),
  )
  const unique = new Map(valid.map((anchor) => [anchor.sha256, anchor]))
  // Ours come first, so it is never they that do not fit.
  return [...unique.values()].slice(0, anchorsMax)
}

/** Whether readers can have all that they need to verify what an authority signs. */
export function isPublished(
  { anchors }: Pick<Authority, 'anchors'>,
  published: readonly CaCertificate[],
): boolean {
  return anchors.every((anchor) => published.some(({ der }) => der.equals(anchor)))
}

/** Sorted, so that replicas that know the same anchors agree on every octet. */
export function formatAnchors(anchors: readonly CaCertificate[]): string {
  return anchors
    .map(({ der }) => formatPem('CERTIFICATE', der))
    .toSorted()
    .join('')
}

function readCa(der: Buffer): CaCertificate | undefined {
  try {
    return parseCaCertificate(der, 'pki/bundle')
  } catch {
    return undefined
  }
}
