import { apiVersionOf, type ResourceType } from './resource-type.ts'
import type { ResourceTable } from './resource-table.ts'

export const gitVersion = 'v1.37.0+countersign'

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const statusVerbs = ['get', 'patch', 'update']

/** Answers of /version, /healthz and of discovery; undefined for other paths. */
export function describe(path: string, table: ResourceTable): unknown {
  const [, root, group, version, ...rest] = path.replace(/\/$/, '').split('/')
  if (['healthz', 'livez', 'readyz'].includes(root ?? '') && group === undefined) return 'ok'
  if (root === 'version' && group === undefined) return versionInfo()
  if (rest.length > 0) return undefined
  if (root === 'api') {
    if (group === undefined) return { kind: 'APIVersions', versions: ['v1'] }
    return version === undefined ? resourceList(table, '', group) : undefined
  }
  if (root !== 'apis') return undefined
  if (group === undefined) {
    return {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: groupNames(table).map((name) => groupOf(table, name)),
    }
  }
  if (version !== undefined) return resourceList(table, group, version)
  if (!groupNames(table).includes(group)) return undefined
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(table, group) }
}

function versionInfo(): object {
  return {
    major: '1',
    minor: '37',
    gitVersion,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: 'node',
    platform: `${process.platform}/${process.arch}`,
  }
}

function groupNames(table: ResourceTable): readonly string[] {
  return [...new Set(table.all().map(({ group }) => group))].filter((group) => group !== '')
}

function groupOf(table: ResourceTable, name: string): object {
  const served = table.all().filter(({ group }) => group === name)
  const versions = [...new Set(served.flatMap((type) => type.versions))]
    // v1 before v1beta1 before v1alpha1.
    .toSorted((left, right) => rank(left) - rank(right))
    .map((version) => ({ groupVersion: `${name}/${version}`, version }))
  return { name, versions, preferredVersion: versions[0] }
}

function rank(version: string): number {
  if (version.includes('alpha')) return 2
  return version.includes('beta') ? 1 : 0
}

function resourceList(table: ResourceTable, group: string, version: string): unknown {
  const served = table
    .all()
    .filter((type) => type.group === group && type.versions.includes(version))
  if (served.length === 0) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf(group, version),
    resources: served.flatMap(describeResource),
  }
}

function describeResource(type: ResourceType): readonly object[] {
  const { plural, singular, kind, namespaced, shortNames } = type
  const short = shortNames === undefined || shortNames.length === 0 ? {} : { shortNames }
  const resource = { name: plural, singularName: singular, namespaced, kind, verbs, ...short }
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
    ...(plural === 'serviceaccounts' ? [token] : []),
  ]
}
