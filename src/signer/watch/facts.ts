import {
  annotationKeys,
  isClaimLabel,
  isGovernanceKey,
  signingRequestsKey,
} from '../../identity/governance-key.ts'
import type { IssuedCertificate } from '../../kubernetes/issued-certificate.ts'
import {
  ownerOf,
  ownerResource,
  type OwnerKind,
  type OwnerKinds,
  type OwnersEnd,
} from '../../kubernetes/owner-chain.ts'
import { keepingOnly, type KubernetesObject, type Resource } from '../../kubernetes/resource.ts'
import { namespaces, nodes, pods, serviceAccounts, services } from '../../kubernetes/workloads.ts'
import type {
  Namespace,
  Node,
  Pod,
  PodCertificateProjection,
  Service,
  ServiceAccount,
} from '../../kubernetes/workloads.ts'
import type {
  ClaimEvidence,
  DeclaredCertificate,
  IssuedCertificateEvidence,
  NamespaceEvidence,
  NodeEvidence,
  PodEvidence,
  ServiceAccountEvidence,
  ServiceEvidence,
} from '../verdict/evidence.ts'

/*
 * What an object of the API says, as the facts that a verdict is about.
 */

/** Kubelet's mark on the mirror of a static pod. */
const mirrorAnnotation = 'kubernetes.io/config.mirror'

const annotated = keepingOnly(pods, {
  labels: () => true,
  annotations: (key) => key === mirrorAnnotation || isGovernanceKey(key),
})

/** Annotations that ask for something count where the pod may ask by itself, and are kept nowhere else. */
function parsePod(raw: unknown): Pod {
  const pod = annotated.parse(raw)
  const { [mirrorAnnotation]: mirror, [signingRequestsKey]: asks } = pod.metadata.annotations
  if (asks !== undefined) return pod
  const annotations = mirror === undefined ? {} : { [mirrorAnnotation]: mirror }
  return { ...pod, metadata: { ...pod.metadata, annotations } }
}

/** The kinds of objects that prove something. */
export interface FactResources {
  readonly pods: Resource<Pod>
  readonly namespaces: Resource<Namespace>
  readonly serviceAccounts: Resource<ServiceAccount>
  readonly nodes: Resource<Node>
  readonly services: Resource<Service>
}

/** What is read of them, and kept: of other people's labels and annotations nothing but what picks pods for Services. */
export const factResources: FactResources = {
  pods: { ...pods, parse: parsePod },
  namespaces: keepingOnly(namespaces, { labels: isGovernanceKey }),
  serviceAccounts: keepingOnly(serviceAccounts, {
    labels: isGovernanceKey,
    annotations: isGovernanceKey,
  }),
  nodes: keepingOnly(nodes, {}),
  services: keepingOnly(services, {}),
}

/** An owner of pods, or of their owners. */
export function claimResource(kind: OwnerKind, kinds: OwnerKinds): Resource<KubernetesObject> {
  return ownerResource(kind, { kinds, labels: isClaimLabel })
}

export function servicesEvidence(found: readonly Service[]): readonly ServiceEvidence[] {
  return found
    .map((service) => ({
      name: service.metadata.name,
      selector: service.selector,
      externalName: service.type === 'ExternalName',
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** The owner counts where claims are followed. */
export function podEvidence(pod: Pod, kinds: OwnerKinds = []): PodEvidence {
  const { metadata } = pod
  const owner = ownerOf(pod, kinds)
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid,
    nodeName: pod.nodeName,
    serviceAccountName: pod.serviceAccountName,
    phase: pod.phase,
    terminating: metadata.deletionTimestamp !== undefined,
    mirror: metadata.annotations[mirrorAnnotation] !== undefined,
    labels: metadata.labels,
    certificates: pod.podCertificates.map(declaredCertificate),
    ...declaredSigningRequests(metadata.annotations),
    ...(owner === undefined ? {} : { owner }),
  }
}

function declaredSigningRequests(
  annotations: Readonly<Record<string, string>>,
): Pick<PodEvidence, 'signingRequests'> {
  const { [signingRequestsKey]: signerName, ...others } = ours(annotations)
  return signerName === undefined ? {} : { signingRequests: { signerName, annotations: others } }
}

function declaredCertificate(source: PodCertificateProjection): DeclaredCertificate {
  const { credentialBundlePath, keyPath, certificateChainPath } = source
  return {
    volume: source.volumeName,
    signerName: source.signerName,
    keyType: source.keyType,
    maxExpirationSeconds: source.maxExpirationSeconds,
    annotations: source.userAnnotations,
    paths: [credentialBundlePath, keyPath, certificateChainPath].filter(
      (path) => path !== undefined,
    ),
  }
}

export function issuedCertificateEvidence({
  metadata,
  spec,
}: IssuedCertificate): IssuedCertificateEvidence {
  const { name, uid, deletionTimestamp } = metadata
  const { hosts, org, annotations } = spec
  return {
    name,
    uid,
    terminating: deletionTimestamp !== undefined,
    hosts,
    annotations: { ...annotations, ...(org === undefined ? {} : { [annotationKeys.tenant]: org }) },
  }
}

/** What the owners of a pod show. */
export function claimEvidence(end: OwnersEnd, kinds: OwnerKinds): ClaimEvidence {
  if (end.state !== 'claimed') return end
  const { name, uid, labels } = end.claim.metadata
  const { [annotationKeys.tenant]: tenant } = labels
  return {
    state: 'claimed',
    kind: kinds.at(-1)?.kind ?? '',
    name,
    uid,
    ...(tenant === undefined ? {} : { tenant }),
    owners: end.uids,
  }
}

export function nodeEvidence({ metadata }: Node): NodeEvidence {
  return { name: metadata.name, uid: metadata.uid }
}

export function namespaceEvidence({ metadata }: Namespace): NamespaceEvidence {
  return { name: metadata.name, uid: metadata.uid, labels: ours(metadata.labels) }
}

export function serviceAccountEvidence({ metadata }: ServiceAccount): ServiceAccountEvidence {
  const { name, uid, labels, annotations } = metadata
  return { name, uid, labels: ours(labels), annotations: ours(annotations) }
}

/** Other people's labels would change the digest of the evidence, and prove nothing. */
function ours(entries: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).filter(([key]) => isGovernanceKey(key)))
}
