import { readFields, readTextMap } from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

export interface ConfigMap extends KubernetesObject {
  readonly data: Readonly<Record<string, string>>
}

export const configMaps: Resource<ConfigMap> = {
  group: '',
  version: 'v1',
  plural: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
  parse: (raw) => ({
    metadata: readMetadata(raw),
    data: readTextMap(readFields(raw, 'configmap')['data'], 'data'),
  }),
}
