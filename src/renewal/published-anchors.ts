import { CountersignError, quoted } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { discoverClusterTrustBundleVersion } from '../kubernetes/api-discovery.ts'
import { clusterTrustBundles, trustBundleName } from '../kubernetes/cluster-trust-bundle.ts'
import { readObject } from '../kubernetes/objects.ts'
import { parseBundle, type Bundle } from '../pki/bundle.ts'
import { checkServingAnchors } from '../pki/node-serving.ts'
import { readRegularFile } from './regular-file.ts'

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

/** The anchors of a file that somebody else writes, where the cluster serves no ClusterTrustBundles. Throws the same. */
export async function readAnchorFile(file: string, trustDomain: TrustDomain): Promise<Bundle> {
  return parseBundle(await readText(file), trustDomain)
}

/** Those of the signer of Kubernetes, which publishes none: PEM, as the file has it. Throws the same. */
export async function readServingAnchors(file: string): Promise<string> {
  const text = await readText(file)
  checkServingAnchors(text)
  return text
}

async function readText(file: string): Promise<string> {
  const what = 'trustBundle'
  const found = await readRegularFile(file, { code, what, octetsMax })
  if (found !== undefined) return found.text
  throw new CountersignError(code, `${what}: ${quoted(file, 200)} is not there`)
}

const code = 'renewal/trust-bundle'
const octetsMax = 1024 * 1024

function refused(why: string): CountersignError {
  return new CountersignError(code, `ClusterTrustBundle: ${why}`)
}
