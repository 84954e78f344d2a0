import { isDeepStrictEqual } from 'node:util'
import { quoted } from '../../errors.ts'
import { servingRoles } from '../../identity/role.ts'
import type { Role } from '../../identity/role.ts'
import type { Named } from '../../identity/workload-identity.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { isNotFound } from '../../kubernetes/api-error.ts'
import { startInformer } from '../../kubernetes/informer.ts'
import type { Informer } from '../../kubernetes/informer.ts'
import { issuedCertificates } from '../../kubernetes/issued-certificate.ts'
import { listObjects } from '../../kubernetes/objects.ts'
import { resourcePath } from '../../kubernetes/resource.ts'
import type { OwnerKinds } from '../../kubernetes/owner-chain.ts'
import type { KubernetesObject, Resource } from '../../kubernetes/resource.ts'
import { namespaces, nodes, pods, serviceAccounts } from '../../kubernetes/workloads.ts'
import type { Namespace, Node, Pod, Service, ServiceAccount } from '../../kubernetes/workloads.ts'
import type { Log } from '../../log.ts'
import type { Condition } from '../../readiness.ts'
import type { Metrics } from '../../metrics.ts'
import { askingPod, type PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import { selectsPod } from '../verdict/evidence.ts'
import type {
  Evidence,
  Found,
  NamespaceEvidence,
  NodeEvidence,
  PodEvidence,
  ServiceAccountEvidence,
  ServiceEvidence,
} from '../verdict/evidence.ts'
import { annotationKeys } from '../../identity/governance-key.ts'
import type { IssueVerdict } from '../verdict/verdict.ts'
import { proveRole } from '../verdict/role-proof.ts'
import { startClaimGatherer, type ClaimGatherer } from './gather-claim.ts'
import {
  factResources,
  issuedCertificateEvidence,
  namespaceEvidence,
  nodeEvidence,
  podEvidence,
  serviceAccountEvidence,
  servicesEvidence,
} from './facts.ts'

/** A watch that was lost for longer is not believed: pods come and go faster than that. */
const staleSecondsMax = 10

export interface Gatherer extends AsyncDisposable {
  /** Called when a pod that waits to be claimed may have been, with which pods that may be; gives how to stop that. */
  onClaim(listener: (concerns: (podUid: string) => boolean) => void): () => void
  readonly hasSynced: boolean
  readonly synced: Promise<void>
  /** One for each watch, named after its resource. While one is not ok, the API server is asked instead. */
  conditions(): readonly Condition[]
  /** Whether the pod waits for its first certificate, as far as the cache knows: a pod that it does not know is new. */
  startsUp(podUid: string): boolean
  /** Whether the cache has that very pod. */
  knows(pod: { readonly namespace: string; readonly name: string; readonly uid: string }): boolean
  gather(
    asked: PodCertificateRequest,
    options: { readonly live: boolean; readonly signal: AbortSignal },
  ): Promise<Evidence>
  /**
   * What the caches show otherwise by now of the evidence behind a verdict. What was read from the API server was as new as can be,
   * and a cache may be behind it: that is not compared.
   */
  changed(verdict: Pick<IssueVerdict, 'evidence' | 'dnsNames'>): string | undefined
}

export interface GathererOptions {
  readonly client: ApiClient
  /** How pods are given to claims; none are unless told. */
  readonly claimOwners?: OwnerKinds | undefined
  readonly log: Log
  readonly metrics: Metrics
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
}

/** Evidence from informers, and from the API server on any doubt: what a cache lacks, or knows under another UID, is asked for. */
export function startGatherer(options: GathererOptions): Gatherer {
  const { client } = options
  const started = startCaches(options)
  const claims = startClaimGatherer({ ...options, staleSecondsMax })
  const podFact = (pod: Pod): PodEvidence => podEvidence(pod, options.claimOwners)
  const { podCache, namespaceCache, accountCache, nodeCache, serviceCache } = started
  const caches = [podCache, namespaceCache, accountCache, nodeCache, serviceCache]
  const servicesOf = indexByNamespace(serviceCache)
  const synced = Promise.all(caches.map((cache) => cache.synced)).then(() => {})
  // A gatherer that is disposed early may have nobody left who waits for it.
  synced.catch(() => {})

  return {
    get hasSynced() {
      return caches.every((cache) => cache.hasSynced)
    },
    synced,
    startsUp: (podUid) => (podCache.byUid(podUid)?.phase ?? 'Pending') === 'Pending',
    knows: ({ namespace, name, uid }) => podCache.get(name, namespace)?.metadata.uid === uid,
    async gather(asked, { live, signal }) {
      const { namespace } = asked.metadata
      const named = await lookAtNamed(client, { ...started, podFact }, { asked, live, signal })
      const known = live || !isCurrent(serviceCache) ? undefined : servicesOf(namespace)
      const found =
        known !== undefined &&
        !needsLiveServices(known, named.pod, provedRole(named.serviceAccount, named.namespace))
          ? { state: 'found' as const, object: known, seen: { cached: true } }
          : await liveServices(client, namespace, signal)
      // The pod of an agent that asks for others is given to nobody here.
      const isOfAgent = asked.stated?.issued !== undefined
      const claim = isOfAgent ? {} : await claims.gather(named.pod, { live, signal })
      return { live, ...named, services: found, ...claim }
    },
    changed: (verdict) =>
      changedSince({ ...started, podFact }, servicesOf, verdict) ??
      claims.changed(verdict.evidence),
    conditions: () => [
      ...caches.map((cache) => cache.condition(staleSecondsMax)),
      ...claims.conditions(staleSecondsMax),
    ],
    onClaim: (listener) => listenForClaims({ podCache, podFact, claims, listener }),
    async [Symbol.asyncDispose]() {
      await Promise.all([claims, ...caches].map((each) => each[Symbol.asyncDispose]()))
    },
  }
}

/** What a request names. */
async function lookAtNamed(
  client: ApiClient,
  caches: FollowedCaches,
  how: {
    readonly asked: PodCertificateRequest
    readonly live: boolean
    readonly signal: AbortSignal
  },
): Promise<Pick<Evidence, 'pod' | 'namespace' | 'serviceAccount' | 'node' | 'issued'>> {
  const { metadata, spec, stated } = how.asked
  const { issued: reference } = stated ?? {}
  const { namespace } = metadata
  const look = <T extends KubernetesObject, F>(source: Source<T, F>): Promise<Found<F>> =>
    lookUp(client, source, how)
  const namespaceSource = {
    cache: caches.namespaceCache,
    resource: namespaces,
    name: { name: namespace },
    fact: namespaceEvidence,
  }
  const [pod, namespaceSeen, serviceAccount, node, issued] = await Promise.all([
    look({
      cache: caches.podCache,
      resource: pods,
      name: askingPod(how.asked),
      uid: spec.pod.uid,
      fact: caches.podFact,
    }),
    look(namespaceSource),
    look({
      cache: caches.accountCache,
      resource: serviceAccounts,
      name: { namespace, name: spec.serviceAccount.name },
      uid: spec.serviceAccount.uid,
      fact: serviceAccountEvidence,
    }),
    look({ ...nodeSource(caches.nodeCache), name: { name: spec.node.name }, uid: spec.node.uid }),
    reference && look({ ...issuedSource, name: { namespace, name: reference.name } }),
  ])
  const namespaceFound =
    !how.live && isHalfProved(serviceAccount, namespaceSeen)
      ? await lookUp(client, namespaceSource, { ...how, live: true })
      : namespaceSeen
  const proved = { pod, namespace: namespaceFound, serviceAccount, node }
  return { ...proved, ...(issued && { issued }) }
}

/** Of a pod that gets another owner, and of an owner that gets another. */
function listenForClaims({
  podCache,
  podFact,
  claims,
  listener,
}: {
  readonly podCache: Informer<Pod>
  readonly podFact: (pod: Pod) => PodEvidence
  readonly claims: ClaimGatherer
  readonly listener: (concerns: (podUid: string) => boolean) => void
}): () => void {
  const stops = [
    claims.onChange((concerns) =>
      listener((podUid) => {
        const pod = podCache.byUid(podUid)
        return pod !== undefined && concerns(podFact(pod))
      }),
    ),
    podCache.onEvent(({ type, object, old }) => {
      if (type !== 'modified' || old === undefined) return
      if (podFact(object).owner?.uid === podFact(old).owner?.uid) return
      listener((podUid) => podUid === object.metadata.uid)
    }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

type FollowedCaches = ReturnType<typeof startCaches> & {
  readonly podFact: (pod: Pod) => PodEvidence
}

function changedSince(
  caches: FollowedCaches,
  servicesOf: (namespace: string) => readonly ServiceEvidence[],
  { evidence, dnsNames }: Pick<IssueVerdict, 'evidence' | 'dnsNames'>,
): string | undefined {
  const { pod, namespace, serviceAccount, node, services: selecting } = evidence
  return (
    difference(caches.podCache, pod, caches.podFact) ??
    difference(caches.namespaceCache, namespace, namespaceEvidence) ??
    difference(caches.accountCache, serviceAccount, serviceAccountEvidence) ??
    difference(caches.nodeCache, node, nodeEvidence) ??
    (dnsNames.length > 0 && namespace.state === 'found'
      ? otherServices(caches.serviceCache, servicesOf(namespace.object.name), selecting)
      : undefined)
  )
}

/** A cache that is behind shows no change: the API server is to be asked. */
const unwatched = 'the watch behind the evidence was lost since it was read'

/** An object that a cache gave, against what the cache has now. */
function difference<T extends KubernetesObject, F extends Named>(
  cache: Informer<T>,
  found: Found<F>,
  fact: (object: T) => F,
): string | undefined {
  if (found.state !== 'found' || found.seen?.cached !== true) return undefined
  if (!isCurrent(cache)) return unwatched
  const { name, uid } = found.object
  const now = cache.byUid(uid)
  if (now === undefined) return `${quoted(name, 253)} is gone since the evidence was read`
  if (now.metadata.resourceVersion === found.seen.resourceVersion) return undefined
  if (isDeepStrictEqual(fact(now), found.object)) return undefined
  return `${quoted(name, 253)} has changed since the evidence was read`
}

function otherServices(
  cache: Informer<Service>,
  now: readonly ServiceEvidence[],
  found: Found<readonly ServiceEvidence[]>,
): string | undefined {
  if (found.state !== 'found' || found.seen?.cached !== true) return undefined
  if (!isCurrent(cache)) return unwatched
  if (isDeepStrictEqual(now, found.object)) return undefined
  return 'Services have changed since the evidence was read'
}

function startCaches(options: GathererOptions): {
  readonly podCache: Informer<Pod>
  readonly namespaceCache: Informer<Namespace>
  readonly accountCache: Informer<ServiceAccount>
  readonly nodeCache: Informer<Node>
  readonly serviceCache: Informer<Service>
} {
  return {
    podCache: startInformer<Pod>({ ...options, resource: factResources.pods }),
    namespaceCache: startInformer<Namespace>({ ...options, resource: factResources.namespaces }),
    accountCache: startInformer<ServiceAccount>({
      ...options,
      resource: factResources.serviceAccounts,
    }),
    nodeCache: startInformer<Node>({ ...options, resource: factResources.nodes }),
    serviceCache: startInformer<Service>({ ...options, resource: factResources.services }),
  }
}

function nodeSource(cache: Informer<Node>): Omit<Source<Node, NodeEvidence>, 'name'> {
  return { cache, resource: nodes, fact: nodeEvidence }
}

/** No copy is kept of these: what one declares is read when it is asked for. */
const issuedSource = { resource: issuedCertificates, fact: issuedCertificateEvidence }

interface Source<T extends KubernetesObject, F> {
  readonly cache?: Informer<T>
  readonly resource: Resource<T>
  readonly name: { readonly name: string; readonly namespace?: string }
  /** A cached object of another UID is a doubt. */
  readonly uid?: string
  readonly fact: (object: T) => F
}

async function lookUp<T extends KubernetesObject, F>(
  client: ApiClient,
  source: Source<T, F>,
  how: { readonly live: boolean; readonly signal: AbortSignal },
): Promise<Found<F>> {
  const { cache, resource, name, uid, fact } = source
  if (!how.live && cache !== undefined && isCurrent(cache)) {
    const known = cache.get(name.name, name.namespace)
    if (known !== undefined && (uid === undefined || known.metadata.uid === uid)) {
      const { resourceVersion } = known.metadata
      return { state: 'found', object: fact(known), seen: { cached: true, resourceVersion } }
    }
  }
  try {
    const path = resourcePath(resource, name)
    const raw = await client.request({ method: 'GET', path, signal: how.signal })
    const object = resource.parse(raw)
    const { resourceVersion } = object.metadata
    return { state: 'found', object: fact(object), seen: { cached: false, resourceVersion } }
  } catch (error) {
    how.signal.throwIfAborted()
    if (isNotFound(error)) return { state: 'absent' }
    return { state: 'unknown', why: messageOf(error) }
  }
}

function isCurrent(cache: Informer<unknown>): boolean {
  return cache.hasSynced && cache.staleSeconds <= staleSecondsMax
}

function provedRole(
  serviceAccount: Found<ServiceAccountEvidence>,
  namespace: Found<NamespaceEvidence>,
): Role | undefined {
  if (serviceAccount.state !== 'found' || namespace.state !== 'found') return undefined
  return proveRole({ serviceAccount: serviceAccount.object, namespace: namespace.object }).role
}

/** A service account that names a role which the namespace does not allow: its label may be younger than the cache. */
function isHalfProved(
  serviceAccount: Found<ServiceAccountEvidence>,
  namespace: Found<NamespaceEvidence>,
): boolean {
  if (serviceAccount.state !== 'found' || namespace.state !== 'found') return false
  const names = serviceAccount.object.labels[annotationKeys.role] !== undefined
  return names && provedRole(serviceAccount, namespace) === undefined
}

/** A pod that serves and that no cached Service selects: the Service may be younger than the cache. */
function needsLiveServices(
  cached: readonly ServiceEvidence[],
  pod: Found<PodEvidence>,
  role: Role | undefined,
): boolean {
  if (pod.state !== 'found' || role === undefined || !servingRoles.includes(role)) return false
  return !cached.some((service) => selectsPod(service, pod.object.labels))
}

async function liveServices(
  client: ApiClient,
  namespace: string,
  signal: AbortSignal,
): Promise<Found<readonly ServiceEvidence[]>> {
  try {
    const found = await listObjects(client, factResources.services, { namespace, signal })
    return { state: 'found', object: servicesEvidence(found) }
  } catch (error) {
    signal.throwIfAborted()
    return { state: 'unknown', why: messageOf(error) }
  }
}

/** A storm asks for the same namespaces again and again; any change of a Service makes the index anew. */
function indexByNamespace(
  cache: Informer<Service>,
): (namespace: string) => readonly ServiceEvidence[] {
  let index: Map<string, readonly ServiceEvidence[]> | undefined
  cache.onEvent(() => {
    index = undefined
  })
  return (namespace) => {
    index ??= new Map(
      [...Map.groupBy(cache.list(), (service) => service.metadata.namespace ?? '')].map(
        ([name, members]) => [name, servicesEvidence(members)],
      ),
    )
    return index.get(namespace) ?? []
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unreadable answer'
}
