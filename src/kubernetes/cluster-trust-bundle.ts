import type { ApiClient } from './api-client.ts'
import { createObject, mergeObject } from './objects.ts'
import { readFields, readOptionalText, readText } from './read-field.ts'
import {
  readMetadata,
  type KubernetesObject,
  type OwnerReference,
  type Resource,
} from './resource.ts'

export type ClusterTrustBundleVersion = 'v1' | 'v1beta1'

export interface ClusterTrustBundle extends KubernetesObject {
  /** Undefined: linked to no signer. */
  readonly signerName: string | undefined
  /** PEM. */
  readonly trustBundle: string
}

function parseClusterTrustBundle(raw: unknown): ClusterTrustBundle {
  const spec = readFields(readFields(raw, 'clustertrustbundle')['spec'], 'spec')
  return {
    metadata: readMetadata(raw),
    signerName: readOptionalText(spec['signerName'], 'spec.signerName'),
    trustBundle: readText(spec['trustBundle'], 'spec.trustBundle'),
  }
}

/** `<domain>:<path>:<trust domain>`, the form that the API server demands of a bundle with a signer. */
export function trustBundleName(signerName: string, trustDomain: string): string {
  // A trust domain may hold underscores, the name of an object may not.
  return `${signerName.replace('/', ':')}:${trustDomain.replaceAll('_', '-')}`
}

export function clusterTrustBundles(
  version: ClusterTrustBundleVersion,
): Resource<ClusterTrustBundle> {
  return {
    group: 'certificates.k8s.io',
    version,
    plural: 'clustertrustbundles',
    kind: 'ClusterTrustBundle',
    namespaced: false,
    parse: parseClusterTrustBundle,
  }
}

/**
 * Makes the bundle say `trustBundle`, and writes only when it does not: every write reaches every kubelet. It writes over the very state
 * that was read: a concurrent writer is an `ApiError` 409, after which the bundle has to be read again.
 */
export async function publishClusterTrustBundle(
  client: ApiClient,
  options: {
    readonly version: ClusterTrustBundleVersion
    /** `<domain>:<path>:<suffix>` of the signer. */
    readonly name: string
    readonly signerName: string
    /** The bundle as it was read; undefined when there was none. */
    readonly present: ClusterTrustBundle | undefined
    readonly trustBundle: string
    readonly labels?: Readonly<Record<string, string>>
    /** Written together with the text, or not at all. */
    readonly annotations?: Readonly<Record<string, string>>
    /** Writes an equal text, too, because the annotations do not belong to it. */
    readonly again?: boolean
    /** A cluster-wide object that a new bundle ends with. */
    readonly owner?: OwnerReference | undefined
    readonly signal?: AbortSignal
  },
): Promise<'created' | 'changed' | 'unchanged'> {
  const { name, signerName, present, trustBundle, labels = {}, again = false, owner } = options
  const annotations = options.annotations === undefined ? {} : { annotations: options.annotations }
  const resource = clusterTrustBundles(options.version)
  const signal = options.signal === undefined ? {} : { signal: options.signal }
  if (present === undefined) {
    const ownerReferences = owner === undefined ? {} : { ownerReferences: [owner] }
    const metadata = { name, labels, ...annotations, ...ownerReferences }
    const body = { metadata, spec: { signerName, trustBundle } }
    await createObject(client, resource, { body, ...signal })
    return 'created'
  }
  if (present.trustBundle === trustBundle && !again) return 'unchanged'
  const patch = { spec: { trustBundle } }
  const { metadata } = present
  await mergeObject(client, resource, { metadata, patch, ...annotations, ...signal })
  return 'changed'
}
