import { apiVersionOf } from './resource-type.ts'
import type { ResourceTable } from './resource-table.ts'
import { aggregatedDiscovery, describeResource, typesOf, versionsOf } from './served-resource.ts'

export const gitVersion = 'v1.37.0+countersign'

/** Answers of /version, /healthz and of discovery; undefined for other paths. */
export function describe(path: string, table: ResourceTable, isAggregated = false): unknown {
  const [, root, group, version, ...rest] = path.replace(/\/$/, '').split('/')
  if (isAggregated && group === undefined && (root === 'api' || root === 'apis')) {
    return aggregatedDiscovery(table, root === 'api' ? [''] : groupNames(table))
  }
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
  const versions = versionsOf(table, name).map((version) => ({
    groupVersion: `${name}/${version}`,
    version,
  }))
  return { name, versions, preferredVersion: versions[0] }
}

function resourceList(table: ResourceTable, group: string, version: string): unknown {
  const served = typesOf(table, group, version)
  if (served.length === 0) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf(group, version),
    resources: served.flatMap((type) => describeResource(type)),
  }
}
