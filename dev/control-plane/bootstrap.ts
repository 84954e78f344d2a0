import { metadataForCreate } from './metadata.ts'
import type { KubeObject } from './kube-object.ts'
import type { ObjectStore } from './object-store.ts'
import type { ResourceType } from './resource-type.ts'
import { namespaces } from './resources/plain.ts'
import { clusterRoleBindings, clusterRoles, rbacGroup } from './resources/rbac.ts'

interface BootstrapRole {
  readonly name: string
  readonly rules: readonly object[]
  readonly group: string
}

/** The roles that every cluster is born with, as far as our clients lean on them. */
const bootstrapRoles: readonly BootstrapRole[] = [
  {
    name: 'cluster-admin',
    group: 'system:masters',
    rules: [
      { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
      { nonResourceURLs: ['*'], verbs: ['*'] },
    ],
  },
  {
    name: 'system:discovery',
    group: 'system:authenticated',
    rules: [
      {
        nonResourceURLs: [
          '/api',
          '/api/*',
          '/apis',
          '/apis/*',
          '/healthz',
          '/livez',
          '/openapi',
          '/openapi/*',
          '/readyz',
          '/version',
          '/version/',
        ],
        verbs: ['get'],
      },
    ],
  },
  {
    name: 'system:basic-user',
    group: 'system:authenticated',
    rules: [
      {
        apiGroups: ['authorization.k8s.io'],
        resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
        verbs: ['create'],
      },
    ],
  },
  {
    name: 'system:cluster-trust-bundle-discovery',
    group: 'system:serviceaccounts',
    rules: [
      {
        apiGroups: ['certificates.k8s.io'],
        resources: ['clustertrustbundles'],
        verbs: ['get', 'list', 'watch'],
      },
    ],
  },
]

const bootstrapNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

/** Fills an empty store with what a new cluster has. */
export function bootstrap(store: ObjectStore, now: () => number): void {
  const put = (type: ResourceType, name: string, body: object): void => {
    const metadata = metadataForCreate({ raw: { name }, type, namespace: '', now: now() })
    const object: KubeObject = { ...body, metadata }
    const context = { user: { name: '', groups: [] }, authorize: refuse, now }
    store.put(type, type.prepareForCreate?.(object, context) ?? object)
  }
  for (const name of bootstrapNamespaces) put(namespaces, name, {})
  for (const { name, rules, group } of bootstrapRoles) {
    put(clusterRoles, name, { rules })
    put(clusterRoleBindings, name, {
      subjects: [{ kind: 'Group', name: group }],
      roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name },
    })
  }
}

function refuse(): { allowed: boolean; reason: string } {
  return { allowed: false, reason: '' }
}
