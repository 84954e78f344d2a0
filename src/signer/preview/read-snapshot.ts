import type { ApiClient } from '../../kubernetes/api-client.ts'
import { listPages } from '../../kubernetes/list-pages.ts'
import { listObjects, readObject } from '../../kubernetes/objects.ts'
import type { OwnerKind, OwnerKinds } from '../../kubernetes/owner-chain.ts'
import type { KubernetesObject, ObjectName, Resource } from '../../kubernetes/resource.ts'
import { claimResource, factResources } from '../watch/facts.ts'
import type { Snapshot } from './snapshot.ts'

const { pods, namespaces, serviceAccounts, nodes, services } = factResources

/** Everything that proves something, of the whole cluster. Throws what a list throws; one object that cannot be read is named, and no more. */
export async function readSnapshot(
  client: ApiClient,
  claimOwners: OwnerKinds | undefined,
  signal: AbortSignal,
): Promise<Snapshot> {
  const unreadable = new Set<string>()
  const all = async <T extends KubernetesObject>(
    kind: string,
    resource: Resource<T>,
  ): Promise<readonly T[]> => {
    const { readings } = await listPages(client, resource, { signal })
    return readings.flatMap((reading) => {
      if ('object' in reading) return [reading.object]
      const { key } = reading.unreadable
      unreadable.add(`${kind} ${key.includes('/') ? key : `/${key}`}`)
      return []
    })
  }
  return {
    pods: await all('pods', pods),
    namespaces: await all('namespaces', namespaces),
    serviceAccounts: await all('serviceAccounts', serviceAccounts),
    nodes: await all('nodes', nodes),
    services: await all('services', services),
    ...(await claimsWith(claimOwners, (kind, resource) => all(kind.resource, resource))),
    unreadable,
  }
}

/** What proves something about one pod, under the names that a request gives. Throws what a read throws, but for what is not there. */
export async function readSnapshotFor(
  client: ApiClient,
  names: {
    readonly namespace: string
    readonly pod: string
    /** Of a request; the pod's own when absent. */
    readonly serviceAccount?: string
    readonly node?: string
    readonly claimOwners?: OwnerKinds | undefined
  },
  signal: AbortSignal,
): Promise<Snapshot> {
  const { namespace } = names
  const one = async <T extends KubernetesObject>(
    resource: Resource<T>,
    name: ObjectName,
  ): Promise<readonly T[]> => {
    const object = await readObject(client, resource, { ...name, signal })
    return object === undefined ? [] : [object]
  }
  const podsSeen = await one(pods, { namespace, name: names.pod })
  const account = names.serviceAccount ?? podsSeen[0]?.serviceAccountName
  const node = names.node ?? podsSeen[0]?.nodeName
  return {
    pods: podsSeen,
    namespaces: await one(namespaces, { name: namespace }),
    serviceAccounts:
      account === undefined ? [] : await one(serviceAccounts, { namespace, name: account }),
    nodes: node === undefined ? [] : await one(nodes, { name: node }),
    services: await listObjects(client, services, { namespace, signal }),
    ...(await claimsWith(names.claimOwners, (_, resource) =>
      listObjects(client, resource, { namespace, signal }),
    )),
  }
}

async function claimsWith(
  kinds: OwnerKinds | undefined,
  list: (
    kind: OwnerKind,
    resource: Resource<KubernetesObject>,
  ) => Promise<readonly KubernetesObject[]>,
): Promise<Pick<Snapshot, 'claims'>> {
  if (kinds === undefined) return {}
  const objects = new Map<OwnerKind, readonly KubernetesObject[]>()
  for (const kind of kinds) objects.set(kind, await list(kind, claimResource(kind, kinds)))
  return { claims: { kinds, objects } }
}
