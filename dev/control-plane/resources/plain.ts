import { forbidden, invalid, required, type FieldError } from '../field-error.ts'
import { listAt, objectAt, objectsAt, textAt, type JsonObject } from '../json-object.ts'
import type { KubeObject } from '../kube-object.ts'
import { checkLabel, checkPathSegment } from '../names.ts'
import type { ResourceType } from '../resource-type.ts'

const namespaceField = {
  'metadata.namespace': (object: KubeObject): string => object.metadata.namespace ?? '',
}

export const namespaces: ResourceType = {
  group: '',
  versions: ['v1'],
  plural: 'namespaces',
  singular: 'namespace',
  kind: 'Namespace',
  namespaced: false,
  shortNames: ['ns'],
  hasStatus: true,
  unconditionalUpdate: true,
  returnsDeleted: true,
  nameRule: () => checkLabel,
  selectableFields: { 'status.phase': (namespace) => textAt(namespace.status, 'phase') },
  prepareForCreate: (namespace) => ({
    ...withNameLabel(namespace),
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  }),
  prepareForUpdate: (next, previous) => ({
    ...withNameLabel(next),
    ...(previous.spec === undefined ? {} : { spec: previous.spec }),
  }),
}

/** The label that lets selectors name a namespace; nobody can take it away. */
function withNameLabel(namespace: KubeObject): KubeObject {
  const { metadata } = namespace
  const labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name }
  return { ...namespace, metadata: { ...metadata, labels } }
}

export const serviceAccounts: ResourceType = {
  group: '',
  versions: ['v1'],
  plural: 'serviceaccounts',
  singular: 'serviceaccount',
  kind: 'ServiceAccount',
  namespaced: true,
  shortNames: ['sa'],
  unconditionalUpdate: true,
  returnsDeleted: true,
  selectableFields: namespaceField,
}

export const nodes: ResourceType = {
  group: '',
  versions: ['v1'],
  plural: 'nodes',
  singular: 'node',
  kind: 'Node',
  namespaced: false,
  shortNames: ['no'],
  hasStatus: true,
  unconditionalUpdate: true,
  selectableFields: {
    'spec.unschedulable': (node) => String(node.spec?.['unschedulable'] === true),
  },
}

function validateService(service: KubeObject): readonly FieldError[] {
  const spec = objectAt(service, 'spec')
  const portless = textAt(spec, 'type') === 'ExternalName' || textAt(spec, 'clusterIP') === 'None'
  return portless || listAt(spec, 'ports').length > 0 ? [] : [required('spec.ports')]
}

function withDefaultedPorts(spec: JsonObject | undefined): JsonObject {
  if (spec?.['ports'] === undefined) return spec ?? {}
  const ports = objectsAt(spec, 'ports').map((port) => {
    return { protocol: 'TCP', targetPort: port['port'], ...port }
  })
  return { ...spec, ports }
}

export const services: ResourceType = {
  group: '',
  versions: ['v1'],
  plural: 'services',
  singular: 'service',
  kind: 'Service',
  namespaced: true,
  shortNames: ['svc'],
  hasStatus: true,
  unconditionalUpdate: true,
  returnsDeleted: true,
  nameRule: () => checkLabel,
  selectableFields: {
    ...namespaceField,
    'spec.clusterIP': (service) => textAt(service.spec, 'clusterIP'),
    'spec.type': (service) => textAt(service.spec, 'type'),
  },
  prepareForCreate: (service) => ({
    ...service,
    spec: {
      type: 'ClusterIP',
      sessionAffinity: 'None',
      ...withDefaultedPorts(service.spec),
    },
    status: { loadBalancer: {} },
  }),
  prepareForUpdate: (service) => ({ ...service, spec: withDefaultedPorts(service.spec) }),
  validateCreate: validateService,
  validateUpdate: validateService,
}

export const configMaps: ResourceType = {
  group: '',
  versions: ['v1'],
  plural: 'configmaps',
  singular: 'configmap',
  kind: 'ConfigMap',
  namespaced: true,
  shortNames: ['cm'],
  unconditionalUpdate: true,
  selectableFields: namespaceField,
  validateUpdate: validateUnchangedWhenImmutable,
}

/** `stringData` is for writers only: it goes into `data`, in base64. */
function withEncodedText(secret: KubeObject): KubeObject {
  const { stringData, ...rest } = secret
  const encoded = Object.entries(objectAt({ stringData }, 'stringData')).map(
    ([key, value]): [string, string] => [key, Buffer.from(String(value)).toString('base64')],
  )
  const data = { ...objectAt(rest, 'data'), ...Object.fromEntries(encoded) }
  return { type: 'Opaque', ...rest, ...(Object.keys(data).length === 0 ? {} : { data }) }
}

export const secrets: ResourceType = {
  group: '',
  versions: ['v1'],
  plural: 'secrets',
  singular: 'secret',
  kind: 'Secret',
  namespaced: true,
  unconditionalUpdate: true,
  selectableFields: { ...namespaceField, type: (secret) => textAt(secret, 'type') },
  prepareForCreate: withEncodedText,
  prepareForUpdate: withEncodedText,
  validateUpdate: (next, previous) => [
    ...(next['type'] === previous['type']
      ? []
      : [invalid('type', next['type'], 'field is immutable')]),
    ...validateUnchangedWhenImmutable(next, previous),
  ],
}

function validateUnchangedWhenImmutable(
  next: KubeObject,
  previous: KubeObject,
): readonly FieldError[] {
  if (previous['immutable'] !== true) return []
  const same = JSON.stringify(next['data']) === JSON.stringify(previous['data'])
  const rule = 'field is immutable when `immutable` is set'
  return [
    ...(same ? [] : [forbidden('data', rule)]),
    ...(next['immutable'] === true ? [] : [forbidden('immutable', rule)]),
  ]
}

const involved =
  (member: string) =>
  (event: KubeObject): string =>
    textAt(objectAt(event, 'involvedObject'), member)

export const events: ResourceType = {
  group: '',
  versions: ['v1'],
  plural: 'events',
  singular: 'event',
  kind: 'Event',
  namespaced: true,
  shortNames: ['ev'],
  // Only what a path cannot hold is refused: generated names of old clients end in a dot.
  nameRule: () => checkPathSegment,
  unconditionalUpdate: true,
  selectableFields: {
    ...namespaceField,
    'involvedObject.kind': involved('kind'),
    'involvedObject.namespace': involved('namespace'),
    'involvedObject.name': involved('name'),
    'involvedObject.uid': involved('uid'),
    'involvedObject.apiVersion': involved('apiVersion'),
    reason: (event) => textAt(event, 'reason'),
    source: (event) => textAt(objectAt(event, 'source'), 'component'),
    type: (event) => textAt(event, 'type'),
  },
  validateCreate(event) {
    // Events about cluster-scoped objects live in the default namespace.
    const namespace = involved('namespace')(event) || 'default'
    if (namespace === event.metadata.namespace) return []
    const rule = 'does not match event.namespace'
    return [invalid('involvedObject.namespace', involved('namespace')(event), rule)]
  },
}

export const leases: ResourceType = {
  group: 'coordination.k8s.io',
  versions: ['v1'],
  plural: 'leases',
  singular: 'lease',
  kind: 'Lease',
  namespaced: true,
  selectableFields: namespaceField,
  validateCreate: validateLease,
  validateUpdate: validateLease,
}

function validateLease(lease: KubeObject): readonly FieldError[] {
  const seconds = lease.spec?.['leaseDurationSeconds']
  const transitions = lease.spec?.['leaseTransitions']
  return [
    ...(typeof seconds === 'number' && seconds <= 0
      ? [invalid('spec.leaseDurationSeconds', seconds, 'must be greater than 0')]
      : []),
    ...(typeof transitions === 'number' && transitions < 0
      ? [invalid('spec.leaseTransitions', transitions, 'must be greater than or equal to 0')]
      : []),
  ]
}
