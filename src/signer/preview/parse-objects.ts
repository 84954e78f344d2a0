import { CountersignError, quoted } from '../../errors.ts'
import { admissionPolicies, admissionPolicyBindings } from '../../kubernetes/admission-policy.ts'
import { certificateSigningRequests } from '../../kubernetes/certificate-signing-request.ts'
import type { OwnerKind, OwnerKinds } from '../../kubernetes/owner-chain.ts'
import { podCertificateRequests } from '../../kubernetes/pod-certificate-request.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { KubernetesObject, Resource } from '../../kubernetes/resource.ts'
import { askedByPod } from '../watch/asked-by-pod.ts'
import { claimResource, factResources } from '../watch/facts.ts'
import type { Protection } from './protection.ts'
import type { Snapshot } from './snapshot.ts'

/** An object as it was written somewhere. */
export interface WrittenObject {
  /** For people. */
  readonly file: string
  readonly raw: unknown
}

/** Objects of files: of kinds that prove nothing, none. */
export interface FileObjects {
  readonly snapshot: Snapshot
  /** CertificateSigningRequests among them, in the shape of what kubelets ask. */
  readonly requests: readonly PodCertificateRequest[]
  readonly protection: Protection
}

/** Throws `cli/usage`, with the file and the kind, where an object cannot be read. A `List` is what it holds. */
export function parseObjects(
  written: readonly WrittenObject[],
  claimOwners?: OwnerKinds,
): FileObjects {
  const objects = written.flatMap(unfold)
  const of = <T>(resource: Resource<T>): readonly T[] =>
    objects.filter(({ raw }) => kindOf(raw) === resource.kind).map((each) => parse(each, resource))
  const { pods, namespaces, serviceAccounts, nodes, services } = factResources
  return {
    snapshot: {
      pods: of(pods),
      namespaces: of(namespaces),
      serviceAccounts: of(serviceAccounts),
      nodes: of(nodes),
      services: of(services),
      ...(claimOwners && { claims: claimsOf(objects, claimOwners) }),
    },
    requests: [
      ...of(podCertificateRequests('v1')),
      ...of(certificateSigningRequests).map(askedByPod),
    ],
    protection: { policies: of(admissionPolicies), bindings: of(admissionPolicyBindings) },
  }
}

/** Kinds of others may share a name: the group tells them apart. */
function claimsOf(
  objects: readonly WrittenObject[],
  kinds: OwnerKinds,
): NonNullable<Snapshot['claims']> {
  const ofKind = (kind: OwnerKind): readonly KubernetesObject[] =>
    objects
      .filter(({ raw }) => kindOf(raw) === kind.kind && groupOf(raw) === kind.group)
      .map((each) => parse(each, claimResource(kind, kinds)))
  return { kinds, objects: new Map(kinds.map((kind) => [kind, ofKind(kind)])) }
}

function groupOf(raw: unknown): unknown {
  const version = typeof raw === 'object' && raw !== null && 'apiVersion' in raw && raw.apiVersion
  return typeof version === 'string' ? version.split('/', 1)[0] : undefined
}

function unfold({ file, raw }: WrittenObject): readonly WrittenObject[] {
  if (kindOf(raw) !== 'List') return [{ file, raw }]
  const { items } = raw as { readonly items?: unknown }
  return Array.isArray(items) ? items.map((item: unknown) => ({ file, raw: item })) : []
}

function kindOf(raw: unknown): unknown {
  return typeof raw === 'object' && raw !== null && 'kind' in raw ? raw.kind : undefined
}

function parse<T>({ file, raw }: WrittenObject, resource: Resource<T>): T {
  try {
    return resource.parse(raw)
  } catch (cause) {
    if (!(cause instanceof CountersignError)) throw cause
    const message = `${quoted(file, 200)}: ${resource.kind}: ${cause.message}`
    const hint = 'objects as `kubectl get -o yaml` writes them, with their uid'
    throw new CountersignError('cli/usage', message, { hint })
  }
}
