import { CountersignError } from '../errors.ts'
import type { ApiClient } from './api-client.ts'
import { ApiError } from './api-error.ts'
import type { ClusterTrustBundleVersion } from './cluster-trust-bundle.ts'
import { listPages } from './list-pages.ts'
import type { PodCertificateVersion } from './pod-certificate-request.ts'
import { readFields, readList, readText } from './read-field.ts'
import { keepingOnly } from './resource.ts'
import { nodes } from './workloads.ts'

const group = 'certificates.k8s.io'

/** Whether the API server serves `plural` in that version of the certificates group. */
async function isServed(
  client: ApiClient,
  signal: AbortSignal | undefined,
  what: { readonly version: string; readonly plural: string },
): Promise<boolean> {
  const { version, plural } = what
  try {
    const path = `/apis/${group}/${version}`
    const answer = await client.request({ method: 'GET', path, ...withSignal(signal) })
    const resources = readList(readFields(answer, 'discovery')['resources'], 'resources')
    return resources.some(
      (entry) => readText(readFields(entry, 'resource')['name'], 'resource name') === plural,
    )
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error
    // For what it does not serve the API server has no Status object, only a line of text, as whatever stands before it may have: what the
    // group lists is proof, and a group that is not found is none.
    if (await isListed(client, signal, version)) throw error
    return false
  }
}

/** Whether the group has that version. It is there in every cluster: an API server that does not find it is none, or is not there yet. */
async function isListed(
  client: ApiClient,
  signal: AbortSignal | undefined,
  version: string,
): Promise<boolean> {
  const path = `/apis/${group}`
  const answer = await client.request({ method: 'GET', path, ...withSignal(signal) })
  const versions = readList(readFields(answer, 'discovery')['versions'], 'versions')
  return versions.some(
    (entry) => readText(readFields(entry, 'version')['version'], 'version') === version,
  )
}

/** A kubelet before 1.36 writes the key in a form that v1 does not have. An unreadable version counts as new. */
function writesKeyAndProof(kubeletVersion: string | undefined): boolean {
  const match = /^v?(\d{1,5})\.(\d{1,5})/.exec(kubeletVersion ?? '')
  if (match === null) return false
  const [major, minor] = [Number(match[1]), Number(match[2])]
  return major < 1 || (major === 1 && minor < 36)
}

export interface PodCertificateDiscovery {
  readonly version: PodCertificateVersion
  /** Nodes whose requests show no key in this version: to be reported, never to be denied. */
  readonly unreadableNodes: readonly string[]
}

/**
 * v1 where it stands alone or no kubelet is older than 1.36; v1beta1 where it is served and an older one exists, or
 * alone. Throws 'kubernetes/not-served' when there is neither.
 */
export async function discoverPodCertificateVersion(
  client: ApiClient,
  signal?: AbortSignal,
): Promise<PodCertificateDiscovery> {
  const plural = 'podcertificaterequests'
  const served = await servedPodCertificateVersions(client, signal)
  const [v1, v1beta1] = [served.includes('v1'), served.includes('v1beta1')]
  if (!v1 && !v1beta1) {
    throw new CountersignError(
      'kubernetes/not-served',
      `${plural}: want=${group}/v1 or v1beta1 got=neither`,
      {
        hint: 'Kubernetes 1.37 serves it; 1.35 and 1.36 need the gate PodCertificateRequest and --runtime-config',
      },
    )
  }
  if (!v1) return { version: 'v1beta1', unreadableNodes: [] }
  const { readings } = await listPages(client, keepingOnly(nodes, {}), withSignal(signal))
  // A node that cannot be read counts as new: it must not decide for the others.
  const old = readings
    .flatMap((reading) => ('object' in reading ? [reading.object] : []))
    .filter(({ kubeletVersion }) => writesKeyAndProof(kubeletVersion))
    .map(({ metadata }) => metadata.name)
  if (old.length > 0 && v1beta1) return { version: 'v1beta1', unreadableNodes: [] }
  return { version: 'v1', unreadableNodes: old }
}

/** Those in which the API server serves the requests of kubelets, the newest first. */
export async function servedPodCertificateVersions(
  client: ApiClient,
  signal?: AbortSignal,
): Promise<readonly PodCertificateVersion[]> {
  const plural = 'podcertificaterequests'
  const versions = ['v1', 'v1beta1'] as const
  const served = await Promise.all(
    versions.map((version) => isServed(client, signal, { version, plural })),
  )
  return versions.filter((_, index) => served[index])
}

/** Whether the API server lists CertificateSigningRequests: then what else it lists of that group and version is what it serves. */
export function servesSigningRequests(client: ApiClient, signal: AbortSignal): Promise<boolean> {
  return isServed(client, signal, { version: 'v1', plural: 'certificatesigningrequests' })
}

/** The newest version served; undefined: trust bundles have to be published another way. */
export async function discoverClusterTrustBundleVersion(
  client: ApiClient,
  signal?: AbortSignal,
): Promise<ClusterTrustBundleVersion | undefined> {
  for (const version of ['v1', 'v1beta1'] as const) {
    if (await isServed(client, signal, { version, plural: 'clustertrustbundles' })) return version
  }
  return undefined
}

function withSignal(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
