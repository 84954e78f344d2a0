import type { ApiClient } from '../../kubernetes/api-client.ts'
import { readObject } from '../../kubernetes/objects.ts'
import {
  readMetadata,
  type KubernetesObject,
  type OwnerReference,
  type Resource,
} from '../../kubernetes/resource.ts'
import type { Log } from '../../log.ts'

const clusterRoles: Resource<KubernetesObject> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  plural: 'clusterroles',
  kind: 'ClusterRole',
  namespaced: false,
  parse: (raw) => ({ metadata: readMetadata(raw) }),
}

/** What a new bundle ends with. Undefined where it cannot be read: anchors that outlive the release are better than none. */
export async function readOwner(
  options: {
    readonly client: ApiClient
    /** Name of a ClusterRole. */
    readonly owner?: string | undefined
    readonly log: Log
  },
  signal: AbortSignal,
): Promise<OwnerReference | undefined> {
  const { client, owner, log } = options
  if (owner === undefined) return undefined
  try {
    const role = await readObject(client, clusterRoles, { name: owner, signal })
    if (role === undefined) return undefined
    const { name, uid } = role.metadata
    return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name, uid }
  } catch (error) {
    signal.throwIfAborted()
    log.warn({ owner, error }, 'trust bundle will outlive the release: its owner cannot be read')
    return undefined
  }
}
