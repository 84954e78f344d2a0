import { readFields, readTextMap } from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

export interface Secret extends KubernetesObject {
  /** Base64 by name. */
  readonly data: Readonly<Record<string, string>>
}

export const secrets: Resource<Secret> = {
  group: '',
  version: 'v1',
  plural: 'secrets',
  kind: 'Secret',
  namespaced: true,
  parse: (raw) => ({
    metadata: readMetadata(raw),
    data: readTextMap(readFields(raw, 'secret')['data'], 'data'),
  }),
}
