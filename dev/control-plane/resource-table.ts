import { objectAt, textAt } from './json-object.ts'
import type { KubeObject } from './kube-object.ts'
import { resourceKey, type ResourceType } from './resource-type.ts'
import { admissionPolicies, admissionPolicyBindings } from './resources/admission-policy.ts'
import { clusterTrustBundles } from './resources/cluster-trust-bundle.ts'
import {
  configMaps,
  events,
  leases,
  namespaces,
  nodes,
  secrets,
  serviceAccounts,
  services,
} from './resources/plain.ts'
import {
  customResource,
  customResourceDefinitions,
} from './resources/custom-resource-definition.ts'
import { podCertificateRequests } from './resources/pod-certificate-request.ts'
import { pods } from './resources/pod.ts'
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from './resources/rbac.ts'
import { workloads } from './resources/workload.ts'
import { withoutCertificateSources } from './switched-off.ts'

/** The resources that are served: the built-in ones, and those of the stored definitions. */
export class ResourceTable {
  readonly #types = new Map<string, ResourceType>()
  readonly podCertificateRequests: ResourceType

  constructor(options: {
    readonly podCertificateVersions: readonly string[]
    /** On unless told. */
    readonly podCertificateGate?: boolean
  }) {
    this.podCertificateRequests = podCertificateRequests(options.podCertificateVersions)
    const builtIn = [
      namespaces,
      serviceAccounts,
      pods,
      nodes,
      services,
      configMaps,
      secrets,
      events,
      this.podCertificateRequests,
      clusterTrustBundles,
      leases,
      roles,
      clusterRoles,
      roleBindings,
      clusterRoleBindings,
      customResourceDefinitions,
      admissionPolicies,
      admissionPolicyBindings,
      ...workloads,
    ]
    const gate = options.podCertificateGate ?? true
    for (const type of builtIn) {
      this.#types.set(resourceKey(type), gate ? type : withoutCertificateSources(type))
    }
  }

  all(): readonly ResourceType[] {
    return [...this.#types.values()]
  }

  find(group: string, version: string, plural: string): ResourceType | undefined {
    const type = this.#types.get(resourceKey({ group, plural }))
    return type?.versions.includes(version) === true ? type : undefined
  }

  /** Serves what the definition says from now on. */
  define(definition: KubeObject): void {
    const type = customResource(definition)
    if (type !== undefined) this.#types.set(resourceKey(type), type)
  }

  /** Serves it no more. */
  undefine(definition: KubeObject): void {
    const plural = textAt(objectAt(definition.spec, 'names'), 'plural')
    this.#types.delete(resourceKey({ group: textAt(definition.spec, 'group'), plural }))
  }
}
