import { CountersignError, quoted } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { discoverClusterTrustBundleVersion } from '../kubernetes/api-discovery.ts'
import { clusterTrustBundles, trustBundleName } from '../kubernetes/cluster-trust-bundle.ts'
import { readObject } from '../kubernetes/objects.ts'
import { parseBundle, type Bundle } from '../pki/bundle.ts'

/** The anchors that the signer publishes for a trust domain. Throws `renewal/trust-bundle` and `pki/bundle`. */
export async function readAnchors(options: {
  readonly client: ApiClient
  readonly signerName: string
  readonly trustDomain: TrustDomain
  readonly signal: AbortSignal
}): Promise<Bundle> {
  const { client, signerName, trustDomain, signal } = options
  const version = await discoverClusterTrustBundleVersion(client, signal)
  if (version === undefined) throw refused('the cluster serves none')
  const name = trustBundleName(signerName, trustDomain)
  const found = await readObject(client, clusterTrustBundles(version), { name, signal })
  if (found === undefined) throw refused(`${quoted(name, 320)} is not published yet`)
  if (found.signerName !== signerName) throw refused(`${quoted(name, 320)} is of another signer`)
  return parseBundle(found.trustBundle, trustDomain)
}

function refused(why: string): CountersignError {
  return new CountersignError('renewal/trust-bundle', `ClusterTrustBundle: ${why}`)
}
