import { isJsonObject, objectAt, objectsAt, type JsonObject } from './json-object.ts'
import type { KubeObject } from './kube-object.ts'
import type { ResourceType } from './resource-type.ts'

/**
 * A resource as it is with the gate PodCertificateRequest off: the sources of pods and of their templates lose what they say, and stay
 * as empty objects, without an error (dropDisabledPodCertificateProjection in kube-apiserver 1.37).
 */
export function withoutCertificateSources(type: ResourceType): ResourceType {
  if (!['pods', 'jobs', 'cronjobs'].includes(type.plural) && type.group !== 'apps') return type
  return {
    ...type,
    prepareForCreate: (object, context) => {
      const prepared = type.prepareForCreate?.(object, context) ?? object
      return emptied(prepared)
    },
  }
}

function emptied(object: KubeObject): KubeObject {
  return { ...object, ...(object.spec === undefined ? {} : { spec: emptiedSpec(object.spec) }) }
}

/** Of a pod, or of what has one further down. */
function emptiedSpec(spec: JsonObject): JsonObject {
  const below = ['template', 'jobTemplate'].find((member) => isJsonObject(spec[member]))
  if (below !== undefined) {
    const template = objectAt(spec, below)
    return { ...spec, [below]: { ...template, spec: emptiedSpec(objectAt(template, 'spec')) } }
  }
  if (!Array.isArray(spec['volumes'])) return spec
  return { ...spec, volumes: spec['volumes'].map(emptiedVolume) }
}

function emptiedVolume(volume: unknown): unknown {
  if (!isJsonObject(volume) || !isJsonObject(volume['projected'])) return volume
  const sources = objectsAt(volume['projected'], 'sources').map(
    ({ podCertificate: _dropped, ...source }) => source,
  )
  return { ...volume, projected: { ...volume['projected'], sources } }
}
