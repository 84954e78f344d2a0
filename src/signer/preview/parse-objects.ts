import { CountersignError, quoted } from '../../errors.ts'
import { admissionPolicies, admissionPolicyBindings } from '../../kubernetes/admission-policy.ts'
import { podCertificateRequests } from '../../kubernetes/pod-certificate-request.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { Resource } from '../../kubernetes/resource.ts'
import { factResources } from '../watch/facts.ts'
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
  readonly requests: readonly PodCertificateRequest[]
  readonly protection: Protection
}

/** Throws `cli/usage`, with the file and the kind, where an object cannot be read. A `List` is what it holds. */
export function parseObjects(written: readonly WrittenObject[]): FileObjects {
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
    },
    requests: of(podCertificateRequests('v1')),
    protection: { policies: of(admissionPolicies), bindings: of(admissionPolicyBindings) },
  }
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
