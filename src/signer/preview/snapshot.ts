import type { KubernetesObject } from '../../kubernetes/resource.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { Namespace, Node, Pod, Service, ServiceAccount } from '../../kubernetes/workloads.ts'
import type { Evidence, Found } from '../verdict/evidence.ts'
import {
  namespaceEvidence,
  nodeEvidence,
  podEvidence,
  serviceAccountEvidence,
  servicesEvidence,
} from '../watch/facts.ts'

/** The objects that prove something, as they were at one moment. What is not among them is absent. */
export interface Snapshot {
  readonly pods: readonly Pod[]
  readonly namespaces: readonly Namespace[]
  readonly serviceAccounts: readonly ServiceAccount[]
  readonly nodes: readonly Node[]
  readonly services: readonly Service[]
}

/** The same, to be looked up by name. */
export interface SnapshotIndex {
  readonly pods: ReadonlyMap<string, Pod>
  readonly namespaces: ReadonlyMap<string, Namespace>
  readonly serviceAccounts: ReadonlyMap<string, ServiceAccount>
  readonly nodes: ReadonlyMap<string, Node>
  readonly services: ReadonlyMap<string, readonly Service[]>
}

/** `<namespace>/<name>`; of what has no namespace, `/<name>`. */
export function nameOf({ metadata }: KubernetesObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}

export function indexSnapshot(snapshot: Snapshot): SnapshotIndex {
  return {
    pods: byName(snapshot.pods),
    namespaces: byName(snapshot.namespaces),
    serviceAccounts: byName(snapshot.serviceAccounts),
    nodes: byName(snapshot.nodes),
    services: Map.groupBy(snapshot.services, ({ metadata }) => metadata.namespace ?? ''),
  }
}

/** The evidence about a request. It counts as live: nothing newer will be asked for. */
export function evidenceIn(index: SnapshotIndex, asked: PodCertificateRequest): Evidence {
  const { metadata, spec } = asked
  const { namespace } = metadata
  return {
    live: true,
    pod: found(index.pods.get(`${namespace}/${spec.pod.name}`), podEvidence),
    namespace: found(index.namespaces.get(`/${namespace}`), namespaceEvidence),
    serviceAccount: found(
      index.serviceAccounts.get(`${namespace}/${spec.serviceAccount.name}`),
      serviceAccountEvidence,
    ),
    node: found(index.nodes.get(`/${spec.node.name}`), nodeEvidence),
    services: {
      state: 'found',
      object: servicesEvidence(index.services.get(namespace) ?? []),
      seen: { cached: false },
    },
  }
}

function byName<T extends KubernetesObject>(objects: readonly T[]): ReadonlyMap<string, T> {
  return new Map(objects.map((object) => [nameOf(object), object]))
}

function found<T extends KubernetesObject, F>(
  object: T | undefined,
  fact: (object: T) => F,
): Found<F> {
  if (object === undefined) return { state: 'absent' }
  const { resourceVersion } = object.metadata
  return { state: 'found', object: fact(object), seen: { cached: false, resourceVersion } }
}
