import { resourceKey, type ResourceType } from './resource-type.ts'
import type { ResourceTable } from './resource-table.ts'

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const statusVerbs = ['get', 'patch', 'update']

/** A resource or a subresource as discovery lists it. */
export interface ServedResource {
  readonly name: string
  readonly singularName: string
  readonly namespaced: boolean
  readonly kind: string
  readonly verbs: readonly string[]
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  /** Of another group than the resource. */
  readonly group?: string
  readonly version?: string
}

export function versionsOf(table: ResourceTable, group: string): readonly string[] {
  const served = table.all().filter((type) => type.group === group)
  // v1 before v1beta1 before v1alpha1.
  return [...new Set(served.flatMap(({ versions }) => versions))].toSorted(
    (left, right) => rank(left) - rank(right),
  )
}

function rank(version: string): number {
  if (version.includes('alpha')) return 2
  return version.includes('beta') ? 1 : 0
}

export function typesOf(
  table: ResourceTable,
  group: string,
  version: string,
): readonly ResourceType[] {
  return table.all().filter((type) => type.group === group && type.versions.includes(version))
}

/** What `kubectl get all` means. */
const inAll = new Set(['pods', 'services'])

/** The resource, then its subresources. */
export function describeResource(
  type: ResourceType,
): readonly [ServedResource, ...ServedResource[]] {
  const { plural, singular, kind, namespaced, shortNames = [], categories = [] } = type
  const all = inAll.has(resourceKey(type)) ? ['all'] : categories
  const resource = {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs,
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(all.length === 0 ? {} : { categories: all }),
  }
  const status = {
    name: `${plural}/status`,
    singularName: '',
    namespaced,
    kind,
    verbs: statusVerbs,
  }
  const token = {
    name: `${plural}/token`,
    singularName: '',
    namespaced,
    group: 'authentication.k8s.io',
    version: 'v1',
    kind: 'TokenRequest',
    verbs: ['create'],
  }
  return [
    resource,
    ...(type.hasStatus === true ? [status] : []),
    ...(resourceKey(type) === 'serviceaccounts' ? [token] : []),
  ]
}

/** One document for these groups, where plain discovery takes one request a group and version. */
export function aggregatedDiscovery(table: ResourceTable, groups: readonly string[]): object {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map((name) => ({
      metadata: name === '' ? {} : { name },
      versions: versionsOf(table, name).map((version) => ({
        version,
        resources: typesOf(table, name, version).map((type) => aggregatedResource(type, version)),
        freshness: 'Current',
      })),
    })),
  }
}

function aggregatedResource(type: ResourceType, version: string): object {
  const [resource, ...subresources] = describeResource(type)
  const { shortNames, categories } = resource
  return {
    resource: type.plural,
    responseKind: { group: type.group, version, kind: type.kind },
    scope: type.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: type.singular,
    verbs: resource.verbs,
    ...(shortNames === undefined ? {} : { shortNames }),
    ...(categories === undefined ? {} : { categories }),
    ...(subresources.length === 0
      ? {}
      : { subresources: subresources.map((inner) => aggregatedSubresource(inner, type, version)) }),
  }
}

function aggregatedSubresource(
  subresource: ServedResource,
  type: ResourceType,
  version: string,
): object {
  const { name, group = type.group, kind } = subresource
  return {
    subresource: name.slice(type.plural.length + 1),
    responseKind: { group, version: subresource.version ?? version, kind },
    verbs: subresource.verbs,
  }
}
