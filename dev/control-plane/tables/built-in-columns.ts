import { objectAt, objectsAt, textAt, textsAt, type JsonObject } from '../json-object.ts'
import type { KubeObject } from '../kube-object.ts'
import { ageColumn, ageOf, nameColumn, none, text, wide, type Cell, type Column } from './column.ts'
import { podColumns } from './pod-columns.ts'

/** For resources without columns of their own. */
export const plainColumns: readonly Column[] = [
  nameColumn,
  { name: 'Created At', type: 'date', cell: ({ metadata }) => metadata.creationTimestamp },
]

function joinedLabels(labels: JsonObject): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`)
  return pairs.toSorted().join(',') || none
}

function numberAt(value: JsonObject, member: string): number {
  const number = value[member]
  return typeof number === 'number' ? number : 0
}

function sizeOf(object: KubeObject, ...members: readonly string[]): number {
  return members.reduce((sum, name) => sum + Object.keys(objectAt(object, name)).length, 0)
}

function nodeStatus({ spec, status }: KubeObject): string {
  const ready = objectsAt(status, 'conditions').findLast(({ type }) => type === 'Ready')
  const said = ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady'
  return spec?.['unschedulable'] === true ? `${said},SchedulingDisabled` : said
}

const rolePrefix = 'node-role.kubernetes.io/'

function nodeRoles({ metadata }: KubeObject): string {
  const labels = metadata.labels ?? {}
  const prefixed = Object.keys(labels)
    .filter((key) => key.startsWith(rolePrefix))
    .map((key) => key.slice(rolePrefix.length))
  const roles = new Set([...prefixed, labels['kubernetes.io/role'] ?? ''])
  roles.delete('')
  return [...roles].toSorted().join(',') || none
}

function addressOf({ status }: KubeObject, type: string): string {
  const found = objectsAt(status, 'addresses').find((address) => address['type'] === type)
  return found === undefined ? none : textAt(found, 'address')
}

function nodeInfo({ status }: KubeObject, member: string): string {
  return textAt(objectAt(status, 'nodeInfo'), member)
}

const nodeColumns: readonly Column[] = [
  nameColumn,
  text('Status', nodeStatus),
  text('Roles', nodeRoles),
  ageColumn,
  text('Version', (node) => nodeInfo(node, 'kubeletVersion')),
  wide('Internal-IP', (node) => addressOf(node, 'InternalIP')),
  wide('External-IP', (node) => addressOf(node, 'ExternalIP')),
  wide('OS-Image', (node) => nodeInfo(node, 'osImage') || '<unknown>'),
  wide('Kernel-Version', (node) => {
    const architecture = nodeInfo(node, 'architecture')
    const version = nodeInfo(node, 'kernelVersion') || '<unknown>'
    return architecture === '' ? version : `${version} (${architecture})`
  }),
  wide('Container-Runtime', (node) => nodeInfo(node, 'containerRuntimeVersion') || '<unknown>'),
]

function externalIp({ spec, status }: KubeObject): string {
  const ips = textsAt(spec, 'externalIPs')
  switch (textAt(spec, 'type')) {
    case 'ClusterIP':
    case 'NodePort':
      return ips.join(',') || none
    case 'LoadBalancer': {
      const balancers = objectsAt(objectAt(status, 'loadBalancer'), 'ingress')
        .map((ingress) => textAt(ingress, 'ip') || textAt(ingress, 'hostname'))
        .toSorted()
      return [...new Set(balancers), ...ips].join(',') || '<pending>'
    }
    case 'ExternalName':
      return textAt(spec, 'externalName')
    default:
      return '<unknown>'
  }
}

function ports({ spec }: KubeObject): string {
  const shown = objectsAt(spec, 'ports').map((port) => {
    const nodePort = numberAt(port, 'nodePort')
    const node = nodePort > 0 ? `:${nodePort}` : ''
    return `${numberAt(port, 'port')}${node}/${textAt(port, 'protocol')}`
  })
  return shown.join(',') || none
}

const serviceColumns: readonly Column[] = [
  nameColumn,
  text('Type', ({ spec }) => textAt(spec, 'type')),
  text('Cluster-IP', ({ spec }) => textsAt(spec, 'clusterIPs')[0] ?? none),
  text('External-IP', externalIp),
  text('Port(s)', ports),
  ageColumn,
  wide('Selector', ({ spec }) => joinedLabels(objectAt(spec, 'selector'))),
]

function firstSeen(event: KubeObject, now: number): string {
  return ageOf(textAt(event, 'firstTimestamp') || event['eventTime'], now)
}

function lastSeen(event: KubeObject, now: number): string {
  const series = objectAt(event, 'series')
  if (event['series'] !== undefined) return ageOf(series['lastObservedTime'], now)
  const last = textAt(event, 'lastTimestamp')
  return last === '' ? firstSeen(event, now) : ageOf(last, now)
}

function eventTarget(event: KubeObject): string {
  const object = objectAt(event, 'involvedObject')
  const kind = textAt(object, 'kind').toLowerCase()
  const name = textAt(object, 'name')
  return name === '' ? kind : `${kind}/${name}`
}

function eventSource(event: KubeObject): string {
  const source = objectAt(event, 'source')
  const component = textAt(source, 'component') || textAt(event, 'reportingComponent')
  const instance = textAt(source, 'host') || textAt(event, 'reportingInstance')
  return instance === '' ? component : `${component}, ${instance}`
}

function eventCount(event: KubeObject): Cell {
  if (event['series'] !== undefined) return numberAt(objectAt(event, 'series'), 'count')
  return numberAt(event, 'count') || 1
}

const eventColumns: readonly Column[] = [
  text('Last Seen', lastSeen),
  text('Type', (event) => textAt(event, 'type')),
  text('Reason', (event) => textAt(event, 'reason')),
  text('Object', eventTarget),
  wide('Subobject', (event) => textAt(objectAt(event, 'involvedObject'), 'fieldPath')),
  wide('Source', eventSource),
  text('Message', (event) => textAt(event, 'message').trim()),
  wide('First Seen', firstSeen),
  wide('Count', eventCount),
  { ...nameColumn, priority: 1 },
]

function subjects(binding: KubeObject, kind: string): string {
  return objectsAt(binding, 'subjects')
    .filter((subject) => subject['kind'] === kind)
    .map((subject) => {
      const name = textAt(subject, 'name')
      return kind === 'ServiceAccount' ? `${textAt(subject, 'namespace')}/${name}` : name
    })
    .join(', ')
}

const bindingColumns: readonly Column[] = [
  nameColumn,
  text('Role', (binding) => {
    const role = objectAt(binding, 'roleRef')
    return `${textAt(role, 'kind')}/${textAt(role, 'name')}`
  }),
  ageColumn,
  wide('Users', (binding) => subjects(binding, 'User')),
  wide('Groups', (binding) => subjects(binding, 'Group')),
  wide('ServiceAccounts', (binding) => subjects(binding, 'ServiceAccount')),
]

function requestState({ status }: KubeObject): string {
  const ends = ['Issued', 'Denied', 'Failed']
  const types = objectsAt(status, 'conditions').map((condition) => textAt(condition, 'type'))
  return types.findLast((type) => ends.includes(type)) ?? 'Pending'
}

const requestColumns: readonly Column[] = [
  nameColumn,
  text('PodName', ({ spec }) => textAt(spec, 'podName')),
  text('ServiceAccountName', ({ spec }) => textAt(spec, 'serviceAccountName')),
  text('NodeName', ({ spec }) => textAt(spec, 'nodeName')),
  text('SignerName', ({ spec }) => textAt(spec, 'signerName')),
  text('State', requestState),
  text('UnverifiedUserAnnotations', ({ spec }) =>
    joinedLabels(objectAt(spec, 'unverifiedUserAnnotations')),
  ),
]

/** By resource; whatever is not here has `plainColumns`. */
export const builtInColumns: Readonly<Record<string, readonly Column[]>> = {
  namespaces: [nameColumn, text('Status', ({ status }) => textAt(status, 'phase')), ageColumn],
  serviceaccounts: [nameColumn, ageColumn],
  pods: podColumns,
  nodes: nodeColumns,
  services: serviceColumns,
  configmaps: [nameColumn, text('Data', (map) => sizeOf(map, 'data', 'binaryData')), ageColumn],
  secrets: [
    nameColumn,
    text('Type', (secret) => textAt(secret, 'type')),
    text('Data', (secret) => sizeOf(secret, 'data')),
    ageColumn,
  ],
  events: eventColumns,
  'leases.coordination.k8s.io': [
    nameColumn,
    text('Holder', ({ spec }) => textAt(spec, 'holderIdentity')),
    ageColumn,
  ],
  'rolebindings.rbac.authorization.k8s.io': bindingColumns,
  'clusterrolebindings.rbac.authorization.k8s.io': bindingColumns,
  'podcertificaterequests.certificates.k8s.io': requestColumns,
  'clustertrustbundles.certificates.k8s.io': [
    nameColumn,
    text('SignerName', ({ spec }) => textAt(spec, 'signerName') || none),
  ],
}
