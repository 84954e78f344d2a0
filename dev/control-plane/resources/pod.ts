import {
  forbidden,
  invalid,
  missing,
  notSupported,
  required,
  type FieldError,
} from '../field-error.ts'
import {
  isJsonObject,
  objectAt,
  objectsAt,
  semanticallyEqual,
  textAt,
  type JsonObject,
} from '../json-object.ts'
import type { KubeObject } from '../kube-object.ts'
import {
  checkLabel,
  checkSubdomain,
  isKubernetesSigner,
  validateSignerName,
  validateUserAnnotations,
} from '../names.ts'
import type { ResourceType } from '../resource-type.ts'

const keyTypes = ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519']
const day = 86_400
const expirationSecondsMin = 3600
const graceSeconds = 30

function defaulted(pod: KubeObject): KubeObject {
  const spec = objectAt(pod, 'spec')
  return {
    ...pod,
    spec: {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: graceSeconds,
      dnsPolicy: 'ClusterFirst',
      schedulerName: 'default-scheduler',
      ...spec,
      serviceAccountName: textAt(spec, 'serviceAccountName') || 'default',
      ...(Array.isArray(spec['volumes']) ? { volumes: spec['volumes'].map(defaultedVolume) } : {}),
    },
  }
}

function defaultedVolume(volume: unknown): unknown {
  if (!isJsonObject(volume) || !isJsonObject(volume['projected'])) return volume
  const projected = volume['projected']
  const sources = objectsAt(projected, 'sources').map((source) =>
    isJsonObject(source['podCertificate'])
      ? { ...source, podCertificate: { maxExpirationSeconds: day, ...source['podCertificate'] } }
      : source,
  )
  return { ...volume, projected: { defaultMode: 0o644, ...projected, sources } }
}

function validateCreate(pod: KubeObject): readonly FieldError[] {
  const spec = objectAt(pod, 'spec')
  const containers = objectsAt(spec, 'containers')
  const nodeName = textAt(spec, 'nodeName')
  const account = textAt(spec, 'serviceAccountName')
  return [
    ...(containers.length === 0 ? [required('spec.containers')] : []),
    ...containers.flatMap(validateContainer),
    ...(nodeName === '' ? [] : checkSubdomain(nodeName)).map((message) =>
      invalid('spec.nodeName', nodeName, message),
    ),
    ...checkSubdomain(account).map((message) =>
      invalid('spec.serviceAccountName', account, message),
    ),
    ...objectsAt(spec, 'volumes').flatMap(validateVolume),
    ...validateMounts(spec),
  ]
}

function validateContainer(container: JsonObject, index: number): readonly FieldError[] {
  const field = `spec.containers[${index}]`
  const name = textAt(container, 'name')
  return [
    ...(name === '' ? [required(`${field}.name`)] : []),
    ...(name === '' ? [] : checkLabel(name)).map((text) => invalid(`${field}.name`, name, text)),
    ...(textAt(container, 'image') === '' ? [required(`${field}.image`)] : []),
  ]
}

function validateMounts(spec: JsonObject): readonly FieldError[] {
  const names = new Set(objectsAt(spec, 'volumes').map((volume) => textAt(volume, 'name')))
  return objectsAt(spec, 'containers').flatMap((container, index) =>
    objectsAt(container, 'volumeMounts').flatMap((mount, mountIndex) => {
      const field = `spec.containers[${index}].volumeMounts[${mountIndex}]`
      const name = textAt(mount, 'name')
      return [
        ...(names.has(name) ? [] : [missing(`${field}.name`, name)]),
        ...(textAt(mount, 'mountPath') === '' ? [required(`${field}.mountPath`)] : []),
      ]
    }),
  )
}

function validateVolume(volume: JsonObject, index: number): readonly FieldError[] {
  const field = `spec.volumes[${index}]`
  const name = textAt(volume, 'name')
  const projected = objectAt(volume, 'projected')
  const paths = new Set<string>()
  return [
    ...checkLabel(name).map((message) => invalid(`${field}.name`, name, message)),
    ...objectsAt(projected, 'sources').flatMap((source, sourceIndex) => {
      const sourceField = `${field}.projected.sources[${sourceIndex}]`
      return [
        ...validateSource(source, sourceField),
        ...pathsOf(source).flatMap((path) => validatePath(path, `${field}.projected`, paths)),
      ]
    }),
  ]
}

function pathsOf(source: JsonObject): readonly string[] {
  const certificate = objectAt(source, 'podCertificate')
  const named = ['credentialBundlePath', 'keyPath', 'certificateChainPath']
    .map((member) => textAt(certificate, member))
    .filter((path) => path !== '')
  const bundle = source['clusterTrustBundle']
  return isJsonObject(bundle) ? [...named, textAt(bundle, 'path')] : named
}

function validateSource(source: JsonObject, field: string): readonly FieldError[] {
  const errors: FieldError[] = []
  if (Object.values(source).filter(isJsonObject).length > 1) {
    errors.push(forbidden(field, 'may not specify more than 1 volume type per source'))
  }
  if (isJsonObject(source['podCertificate'])) {
    errors.push(...validatePodCertificate(source['podCertificate'], `${field}.podCertificate`))
  }
  if (isJsonObject(source['clusterTrustBundle'])) {
    const bundle = source['clusterTrustBundle']
    errors.push(...validateTrustBundle(bundle, `${field}.clusterTrustBundle`))
  }
  return errors
}

function validatePodCertificate(source: JsonObject, field: string): readonly FieldError[] {
  const signerName = textAt(source, 'signerName')
  const keyType = textAt(source, 'keyType')
  const seconds = Number(source['maxExpirationSeconds'])
  const most = isKubernetesSigner(signerName) ? day : 91 * day
  const paths = ['credentialBundlePath', 'keyPath', 'certificateChainPath']
  return [
    ...validateSignerName(`${field}.signerName`, signerName),
    ...validateUserAnnotations(`${field}.userAnnotations`, objectAt(source, 'userAnnotations')),
    ...(keyTypes.includes(keyType) ? [] : [notSupported(`${field}.keyType`, keyType, keyTypes)]),
    ...(seconds >= expirationSecondsMin && seconds <= most
      ? []
      : [
          invalid(
            `${field}.maxExpirationSeconds`,
            source['maxExpirationSeconds'],
            `must be in the range [${expirationSecondsMin}, ${most}]`,
          ),
        ]),
    ...(paths.some((member) => textAt(source, member) !== '')
      ? []
      : [required(field, `specify at least one of ${paths.join(', ')}`)]),
  ]
}

function validateTrustBundle(source: JsonObject, field: string): readonly FieldError[] {
  const named = textAt(source, 'name') !== ''
  const bySigner = textAt(source, 'signerName') !== ''
  if (named === bySigner) {
    return [invalid(field, source, 'exactly one of name and signerName must be set')]
  }
  if (named && source['labelSelector'] !== undefined) {
    return [invalid(field, source, 'labelSelector goes with signerName only')]
  }
  return []
}

/** Relative, without parents, and not where kubelet keeps its own links (`..data`). */
function validatePath(path: string, field: string, taken: Set<string>): readonly FieldError[] {
  if (path === '') return [required(`${field}.path`)]
  const parts = path.split('/')
  const errors: FieldError[] = []
  if (path.startsWith('/')) errors.push(invalid(field, path, 'must be a relative path'))
  if (parts.includes('..')) errors.push(invalid(field, path, "must not contain '..'"))
  if (path.startsWith('..')) errors.push(invalid(field, path, "must not start with '..'"))
  if (taken.has(path)) errors.push(invalid(field, path, 'conflicting duplicate paths'))
  taken.add(path)
  return errors
}

function withoutImages(spec: JsonObject | undefined): JsonObject {
  const containers = objectsAt(spec, 'containers')
  return { ...spec, containers: containers.map((container) => ({ ...container, image: '' })) }
}

function validateUpdate(next: KubeObject, previous: KubeObject): readonly FieldError[] {
  if (semanticallyEqual(withoutImages(next.spec), withoutImages(previous.spec))) return []
  return [
    forbidden('spec', 'pod updates may not change fields other than `spec.containers[*].image`'),
  ]
}

function gracePeriodSeconds(pod: KubeObject, asked: number | undefined): number | undefined {
  const phase = textAt(pod.status, 'phase')
  // Nobody would finish the deletion of a pod that no kubelet runs.
  if (textAt(pod.spec, 'nodeName') === '' || ['Succeeded', 'Failed'].includes(phase))
    return undefined
  const seconds = asked ?? Number(pod.spec?.['terminationGracePeriodSeconds'] ?? graceSeconds)
  return seconds <= 0 ? undefined : seconds
}

export const pods: ResourceType = {
  group: '',
  versions: ['v1'],
  plural: 'pods',
  singular: 'pod',
  kind: 'Pod',
  namespaced: true,
  shortNames: ['po'],
  hasStatus: true,
  unconditionalUpdate: true,
  countsGenerations: true,
  returnsDeleted: true,
  selectableFields: {
    'metadata.namespace': (pod) => pod.metadata.namespace ?? '',
    'spec.nodeName': (pod) => textAt(pod.spec, 'nodeName'),
    'spec.restartPolicy': (pod) => textAt(pod.spec, 'restartPolicy'),
    'spec.schedulerName': (pod) => textAt(pod.spec, 'schedulerName'),
    'spec.serviceAccountName': (pod) => textAt(pod.spec, 'serviceAccountName'),
    'status.phase': (pod) => textAt(pod.status, 'phase'),
    'status.podIP': (pod) => textAt(pod.status, 'podIP'),
  },
  gracePeriodSeconds,
  prepareForCreate: (pod) => ({ ...defaulted(pod), status: { phase: 'Pending' } }),
  prepareForUpdate: defaulted,
  validateCreate,
  validateUpdate,
}
