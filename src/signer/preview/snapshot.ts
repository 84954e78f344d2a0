import { followOwners, type OwnerKind, type OwnerKinds } from '../../kubernetes/owner-chain.ts'
import type { KubernetesObject } from '../../kubernetes/resource.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { Namespace, Node, Pod, Service, ServiceAccount } from '../../kubernetes/workloads.ts'
import type { Evidence, Found, ServiceEvidence } from '../verdict/evidence.ts'
import {
  claimEvidence,
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
  /** How pods are given to claims, and the objects of each kind; none are when absent. */
  readonly claims?: SnapshotClaims
  /** `<plural> <namespace>/<name>` of what is there and could not be read: nobody's pod but its own waits for it. */
  readonly unreadable?: ReadonlySet<string>
}

export interface SnapshotClaims {
  readonly kinds: OwnerKinds
  readonly objects: ReadonlyMap<OwnerKind, readonly KubernetesObject[]>
}

/** The same, to be looked up by name. */
export interface SnapshotIndex {
  readonly pods: ReadonlyMap<string, Pod>
  readonly namespaces: ReadonlyMap<string, Namespace>
  readonly serviceAccounts: ReadonlyMap<string, ServiceAccount>
  readonly nodes: ReadonlyMap<string, Node>
  /** Made once for each namespace, however many pods it has. */
  readonly services: ReadonlyMap<string, readonly ServiceEvidence[]>
  readonly claims?: {
    readonly kinds: OwnerKinds
    readonly owners: ReadonlyMap<OwnerKind, ReadonlyMap<string, KubernetesObject>>
  }
  readonly unreadable: ReadonlySet<string>
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
    services: new Map(
      [...Map.groupBy(snapshot.services, ({ metadata }) => metadata.namespace ?? '')].map(
        ([namespace, services]) => [namespace, servicesEvidence(services)],
      ),
    ),
    ...(snapshot.claims && { claims: indexClaims(snapshot.claims) }),
    unreadable: snapshot.unreadable ?? new Set(),
  }
}

function indexClaims({ kinds, objects }: SnapshotClaims): NonNullable<SnapshotIndex['claims']> {
  return { kinds, owners: new Map([...objects].map(([kind, all]) => [kind, byName(all)])) }
}

function claimIn({ claims, pods }: SnapshotIndex, pod: string): Pick<Evidence, 'claim'> {
  const found = pods.get(pod)
  if (claims === undefined || found === undefined) return {}
  const { kinds, owners } = claims
  const namespace = found.metadata.namespace ?? ''
  const end = followOwners(found, kinds, (kind, name) =>
    owners.get(kind)?.get(`${namespace}/${name}`),
  )
  return {
    claim: { state: 'found', object: claimEvidence(end, kinds), seen: { cached: false } },
  }
}

/** The evidence about a request. It counts as live: nothing newer will be asked for. */
export function evidenceIn(index: SnapshotIndex, asked: PodCertificateRequest): Evidence {
  const { metadata, spec } = asked
  const { namespace } = metadata
  const look = <T extends KubernetesObject, F>(
    [kind, objects]: readonly [string, ReadonlyMap<string, T>],
    object: string,
    fact: (object: T) => F,
  ): Found<F> =>
    index.unreadable.has(`${kind} ${object}`)
      ? { state: 'unknown', why: `${kind} ${object} cannot be read` }
      : found(objects.get(object), fact)
  return {
    ...claimIn(index, `${namespace}/${spec.pod.name}`),
    live: true,
    pod: look(['pods', index.pods], `${namespace}/${spec.pod.name}`, (pod) =>
      podEvidence(pod, index.claims?.kinds),
    ),
    namespace: look(['namespaces', index.namespaces], `/${namespace}`, namespaceEvidence),
    serviceAccount: look(
      ['serviceAccounts', index.serviceAccounts],
      `${namespace}/${spec.serviceAccount.name}`,
      serviceAccountEvidence,
    ),
    node: look(['nodes', index.nodes], `/${spec.node.name}`, nodeEvidence),
    services: {
      state: 'found',
      object: index.services.get(namespace) ?? [],
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
