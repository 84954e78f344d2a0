import { encode } from './decode.ts'
import type { KubeObject } from './kube-object.ts'
import type { ResourceType } from './resource-type.ts'

/** JSON of stored objects, each made once per version however many watchers want it. */
export interface Encoder {
  (object: KubeObject, type: ResourceType, version: string): string
}

export function createEncoder(): Encoder {
  const known = new WeakMap<KubeObject, Map<string, string>>()
  return (object, type, version) => {
    const versions = known.get(object) ?? new Map<string, string>()
    known.set(object, versions)
    const json = versions.get(version) ?? JSON.stringify(encode(object, type, version))
    versions.set(version, json)
    return json
  }
}
