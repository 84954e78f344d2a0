import { readFields, readOptionalFields, readOptionalInteger } from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

/** What makes a pod anew that is gone. */
export interface PodController extends KubernetesObject {
  /** How many pods there are to be. */
  readonly wanted: number
}

/** ReplicaSets and StatefulSets: one, unless told. */
function parseReplicated(raw: unknown): PodController {
  const spec = readOptionalFields(readFields(raw, 'controller')['spec'], 'spec')
  const wanted = readOptionalInteger(spec['replicas'], 'spec.replicas') ?? 1
  return { metadata: readMetadata(raw), wanted }
}

function parseDaemonSet(raw: unknown): PodController {
  const status = readOptionalFields(readFields(raw, 'controller')['status'], 'status')
  const name = 'desiredNumberScheduled'
  const wanted = readOptionalInteger(status[name], `status.${name}`) ?? 0
  return { metadata: readMetadata(raw), wanted }
}

const apps = { group: 'apps', version: 'v1', namespaced: true } as const

/** By kind, those of which it is known how many pods they want. */
export const podControllers: Readonly<Record<string, Resource<PodController>>> = {
  ReplicaSet: { ...apps, plural: 'replicasets', kind: 'ReplicaSet', parse: parseReplicated },
  StatefulSet: { ...apps, plural: 'statefulsets', kind: 'StatefulSet', parse: parseReplicated },
  DaemonSet: { ...apps, plural: 'daemonsets', kind: 'DaemonSet', parse: parseDaemonSet },
}
