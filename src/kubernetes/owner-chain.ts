import type { Right } from './access-review.ts'
import type { ApiClient } from './api-client.ts'
import { readObject } from './objects.ts'
import {
  readMetadata,
  type KubernetesObject,
  type Metadata,
  type OwnerReference,
  type Resource,
} from './resource.ts'

/** A kind of object that owns pods, or owners of pods. */
export interface OwnerKind {
  readonly group: string
  readonly version: string
  /** In the plural, as in the path. */
  readonly resource: string
  readonly kind: string
}

/** How a pod is given to somebody after it started: the kinds from its owner up, of which the last is the claim. */
export type OwnerKinds = readonly OwnerKind[]

/** What is followed of an object. */
export interface Owned {
  readonly metadata: Pick<Metadata, 'namespace' | 'ownerReferences'>
}

/** Where the owners of a pod lead. */
export type OwnersEnd =
  /** To no kind of these groups: the pod was made for whom it serves. */
  | { readonly state: 'none' }
  /** It is somebody's to give away, and has not been. */
  | { readonly state: 'unclaimed'; readonly why: string }
  | {
      readonly state: 'claimed'
      readonly claim: KubernetesObject
      /** From the pod's owner up, the claim among them. */
      readonly uids: readonly string[]
    }

/** A resource of which nothing is read but the metadata: of labels those that are kept, and the owner that counts. */
export function ownerResource(
  { group, version, resource: plural, kind }: OwnerKind,
  options: {
    readonly kinds: OwnerKinds
    readonly labels: (key: string) => boolean
  },
): Resource<KubernetesObject> {
  const { kinds, labels } = options
  return {
    group,
    version,
    plural,
    kind,
    namespaced: true,
    missing: `the API server does not serve ${plural} of ${group}/${version}: install what makes them, or take them out of claims.owners`,
    parse(raw) {
      const metadata = readMetadata(raw)
      const owner = ownerOf({ metadata }, kinds)
      return {
        metadata: {
          ...metadata,
          labels: Object.fromEntries(
            Object.entries(metadata.labels).filter(([key]) => labels(key)),
          ),
          annotations: {},
          ownerReferences: owner === undefined ? [] : [owner],
        },
      }
    },
  }
}

/** The controller of an object, if it is of a group that counts: whoever makes pods for a pool is of one, whatever its kind. */
export function ownerOf({ metadata }: Owned, kinds: OwnerKinds): OwnerReference | undefined {
  const owner = metadata.ownerReferences.find(({ controller }) => controller === true)
  return owner !== undefined && kinds.some(({ group }) => group === groupOf(owner))
    ? owner
    : undefined
}

/**
 * Follows the owners of a pod, each by name and UID, to its claim. What is being deleted owns nothing any more, and a namesake never did.
 */
export function followOwners(
  pod: Owned,
  kinds: OwnerKinds,
  look: (kind: OwnerKind, name: string) => KubernetesObject | undefined,
): OwnersEnd {
  let owner = ownerOf(pod, kinds)
  if (owner === undefined) return { state: 'none' }
  let object: KubernetesObject | undefined
  const uids: string[] = []
  for (const kind of kinds) {
    if (owner === undefined || !isOf(owner, kind)) {
      return {
        state: 'unclaimed',
        why: `no ${kind.kind} owns ${object === undefined ? 'the pod' : 'its owner'}`,
      }
    }
    object = look(kind, owner.name)
    if (object?.metadata.uid !== owner.uid || object.metadata.deletionTimestamp !== undefined) {
      return { state: 'unclaimed', why: `its ${kind.kind} is gone` }
    }
    uids.push(owner.uid)
    owner = ownerOf(object, kinds)
  }
  return object === undefined ? { state: 'none' } : { state: 'claimed', claim: object, uids }
}

/** The same as the API server has it at this moment. */
export async function readOwners(
  client: ApiClient,
  pod: Owned,
  options: {
    readonly kinds: OwnerKinds
    readonly resources: ReadonlyMap<OwnerKind, Resource<KubernetesObject>>
    readonly signal: AbortSignal
  },
): Promise<OwnersEnd> {
  const { kinds, resources, signal } = options
  const { namespace } = pod.metadata
  const seen = new Map<OwnerKind, KubernetesObject>()
  let owner = ownerOf(pod, kinds)
  for (const kind of kinds) {
    const resource = resources.get(kind)
    if (owner === undefined || resource === undefined || !isOf(owner, kind)) break
    const object = await readObject(client, resource, { namespace, name: owner.name, signal })
    if (object === undefined) break
    seen.set(kind, object)
    owner = ownerOf(object, kinds)
  }
  return followOwners(pod, kinds, (kind) => seen.get(kind))
}

/** An owner of another version is the same object: a reference keeps the version that its writer used. */
function isOf(owner: OwnerReference, { group, kind }: OwnerKind): boolean {
  return owner.kind === kind && groupOf(owner) === group
}

function groupOf({ apiVersion }: OwnerReference): string {
  const slash = apiVersion.indexOf('/')
  return slash === -1 ? '' : apiVersion.slice(0, slash)
}

/** The rights to follow them, of which all that comes of no pool needs none. */
export function ownerKindRights(kinds: OwnerKinds, without: string): readonly Right[] {
  return kinds.flatMap(({ group, resource }) =>
    ['get', 'list', 'watch'].map((verb) => ({ group, resource, verb, without, optional: true })),
  )
}
