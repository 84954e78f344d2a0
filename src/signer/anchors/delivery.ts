import type { TrustDomain } from '../../identity/trust-domain.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { discoverClusterTrustBundleVersion } from '../../kubernetes/api-discovery.ts'
import type { ClusterTrustBundleVersion } from '../../kubernetes/cluster-trust-bundle.ts'
import type { LeasePlace } from '../../kubernetes/lease.ts'
import type { JournalEntry } from '../../pki/authority-journal.ts'
import { anchorsSinceAnnotation, createAnchorAges } from './anchor-ages.ts'
import { clusterTrustBundlePlace, configMapPlace, type AnchorPlace } from './anchor-place.ts'
import { readPublishedAnchors } from './published-anchors.ts'

/** What can be proved of anchors on their way to readers. Kubelet tells nobody what it has written. */
export interface Delivery {
  /** Of the ClusterTrustBundle, or the ConfigMap; undefined where the cluster has neither, and nothing can be proved. */
  readonly bundle: string | undefined
  /** Seconds for which an anchor is proved to be published; undefined when it is not. */
  readonly secondsOf: (sha256: string) => number | undefined
}

export async function readDelivery(options: {
  readonly client: ApiClient
  readonly signerName: string
  /** Where they are published while the cluster serves no ClusterTrustBundles. */
  readonly configMap?: LeasePlace | undefined
  readonly trustDomain: TrustDomain
  readonly now: () => number
  readonly signal: AbortSignal
}): Promise<Delivery> {
  const { client, trustDomain, now, signal } = options
  const version = await discoverClusterTrustBundleVersion(client, signal)
  const place = placeOf(options, version)
  if (place === undefined) return { bundle: undefined, secondsOf: () => undefined }
  const present = await place.read(signal)
  const published = readPublishedAnchors(present?.text ?? '', trustDomain)
  const ages = createAnchorAges({ now, steadyNow: now })
  ages.see(published, present?.metadata.annotations[anchorsSinceAnnotation])
  const known = new Set(published.map(({ sha256 }) => sha256))
  // Of a bundle that was made anew nothing says when its first anchors were added: no sooner than the bundle.
  const made = present?.metadata.creationTimestamp?.getTime() ?? now()
  const secondsMax = Math.max(0, now() - made) / 1000
  return {
    bundle: place.name,
    secondsOf: (sha256) =>
      known.has(sha256) ? Math.min(ages.ageOf(sha256) / 1000, secondsMax) : undefined,
  }
}

function placeOf(
  options: Parameters<typeof readDelivery>[0],
  version: ClusterTrustBundleVersion | undefined,
): AnchorPlace | undefined {
  const { client, configMap } = options
  if (version !== undefined) return clusterTrustBundlePlace({ ...options, version })
  return configMap && configMapPlace(client, configMap)
}

/**
 * Seconds for which readers could have the anchor of this entry: of a root of its own nobody had it before it was made. Undefined when it is
 * not published.
 */
export function deliveredSeconds(
  { secondsOf }: Delivery,
  { anchor, certificate, since }: JournalEntry,
  now: number,
): number | undefined {
  const seconds = secondsOf(anchor.sha256)
  if (seconds === undefined || anchor.sha256 !== certificate.sha256) return seconds
  return Math.min(seconds, Math.max(0, now - since) / 1000)
}
