import type { TrustDomain } from '../../identity/trust-domain.ts'
import { CountersignError } from '../../errors.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import {
  clusterTrustBundles,
  publishClusterTrustBundle,
  trustBundleName,
  type ClusterTrustBundleVersion,
} from '../../kubernetes/cluster-trust-bundle.ts'
import { configMaps } from '../../kubernetes/config-map.ts'
import type { LeasePlace } from '../../kubernetes/lease.ts'
import { mergeObject, readObject } from '../../kubernetes/objects.ts'
import type { Metadata } from '../../kubernetes/resource.ts'
import { silentLog, type Log } from '../../log.ts'
import { readOwner } from './bundle-owner.ts'

/** Under which name a ConfigMap has the anchors, PEM: as pods know the file from a ClusterTrustBundle. */
export const anchorsKey = 'trust-bundle.pem'

export interface PublishedText {
  readonly metadata: Metadata
  /** PEM. */
  readonly text: string
}

export interface TextToPublish {
  /** As it was read; undefined when there was none. */
  readonly present: PublishedText | undefined
  readonly text: string
  /** Written together with the text, or not at all. */
  readonly annotations: Readonly<Record<string, string>>
  /** Writes an equal text, too, because the annotations do not belong to it. */
  readonly again: boolean
  readonly signal: AbortSignal
}

/** The one object in which the anchors of a signer are published in its cluster: every replica reads it, and one writes. */
export interface AnchorPlace {
  /** As people look for it. */
  readonly name: string
  read(signal: AbortSignal): Promise<PublishedText | undefined>
  /** Only on difference, and over the very state that was read: a concurrent writer is an `ApiError` 409. */
  write(content: TextToPublish): Promise<'created' | 'changed' | 'unchanged'>
  /** What was published elsewhere before, for when this one is made. */
  before(signal: AbortSignal): Promise<PublishedText | undefined>
}

/** Where ClusterTrustBundles are served. */
export function clusterTrustBundlePlace(options: {
  readonly client: ApiClient
  readonly version: ClusterTrustBundleVersion
  readonly signerName: string
  readonly trustDomain: TrustDomain
  /** Name of a ClusterRole: a bundle that is made ends with it, by the cluster's garbage collector. Without it the bundle stays. */
  readonly owner?: string | undefined
  /** Where anchors were published while the cluster served no ClusterTrustBundles. */
  readonly earlier?: LeasePlace | undefined
  readonly log?: Log
}): AnchorPlace {
  const { client, version, signerName, trustDomain, earlier } = options
  const name = trustBundleName(signerName, trustDomain)
  return {
    name,
    async read(signal) {
      const found = await readObject(client, clusterTrustBundles(version), { name, signal })
      return found && { metadata: found.metadata, text: found.trustBundle }
    },
    async write({ present, text, annotations, again, signal }) {
      const owner =
        present === undefined ? await readOwner({ log: silentLog, ...options }, signal) : undefined
      return publishClusterTrustBundle(client, {
        version,
        name,
        signerName,
        present: present && { metadata: present.metadata, signerName, trustBundle: present.text },
        trustBundle: text,
        annotations,
        again,
        owner,
        signal,
      })
    },
    before: async (signal) =>
      earlier === undefined ? undefined : readConfigMap(client, earlier, signal),
  }
}

/**
 * A ConfigMap of the signer's own namespace, for clusters without ClusterTrustBundles. Whoever installs has made it: RBAC cannot say which may
 * be created.
 */
export function configMapPlace(client: ApiClient, { namespace, name }: LeasePlace): AnchorPlace {
  const shown = `ConfigMap ${namespace}/${name}`
  return {
    name: shown,
    read: (signal) => readConfigMap(client, { namespace, name }, signal),
    async write({ present, text, annotations, again, signal }) {
      if (present === undefined) {
        const hint = `the chart makes it, empty; by hand: kubectl -n ${namespace} create configmap ${name}`
        throw new CountersignError('pki/authority-unavailable', `${shown}: not found`, { hint })
      }
      if (present.text === text && !again) return 'unchanged'
      const { metadata } = present
      const patch = { data: { [anchorsKey]: text } }
      await mergeObject(client, configMaps, { metadata, patch, annotations, signal })
      return 'changed'
    },
    before: () => Promise.resolve(undefined),
  }
}

async function readConfigMap(
  client: ApiClient,
  { namespace, name }: LeasePlace,
  signal: AbortSignal,
): Promise<PublishedText | undefined> {
  const found = await readObject(client, configMaps, { namespace, name, signal })
  return found && { metadata: found.metadata, text: found.data[anchorsKey] ?? '' }
}
