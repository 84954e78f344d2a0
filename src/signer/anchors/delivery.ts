import type { TrustDomain } from '../../identity/trust-domain.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { discoverClusterTrustBundleVersion } from '../../kubernetes/api-discovery.ts'
import { clusterTrustBundles } from '../../kubernetes/cluster-trust-bundle.ts'
import { readObject } from '../../kubernetes/objects.ts'
import { anchorsSinceAnnotation, createAnchorAges } from './anchor-ages.ts'
import { readPublishedAnchors } from './published-anchors.ts'

/** What can be proved of anchors on their way to readers. Kubelet tells nobody what it has written. */
export interface Delivery {
  /** Of the ClusterTrustBundle; undefined where the cluster serves none, and nothing can be proved. */
  readonly bundle: string | undefined
  /** Seconds since an anchor was published; Infinity when that was before anybody counted, undefined when it is not. */
  readonly secondsOf: (sha256: string) => number | undefined
}

export async function readDelivery(options: {
  readonly client: ApiClient
  readonly bundle: string
  readonly trustDomain: TrustDomain
  readonly now: () => number
  readonly signal: AbortSignal
}): Promise<Delivery> {
  const { client, bundle, trustDomain, now, signal } = options
  const version = await discoverClusterTrustBundleVersion(client, signal)
  if (version === undefined) return { bundle: undefined, secondsOf: () => undefined }
  const present = await readObject(client, clusterTrustBundles(version), { name: bundle, signal })
  const published = readPublishedAnchors(present?.trustBundle ?? '', trustDomain)
  const ages = createAnchorAges({ now, steadyNow: now })
  ages.see(published, present?.metadata.annotations[anchorsSinceAnnotation])
  const known = new Set(published.map(({ sha256 }) => sha256))
  return {
    bundle,
    secondsOf: (sha256) => (known.has(sha256) ? ages.ageOf(sha256) / 1000 : undefined),
  }
}
