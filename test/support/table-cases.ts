import { generateKeyPairSync } from 'node:crypto'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'

/** An object whose row in a table of `kubectl get` a real API server is asked for. */
export interface TableCase {
  readonly title: string
  readonly path: string
  readonly object: {
    readonly metadata: { readonly name: string; readonly [member: string]: unknown }
    readonly [member: string]: unknown
  }
  /** Written to /status once the object is there. */
  readonly status?: object
  /** Deleted before it is looked at; a finalizer keeps it. */
  readonly deleted?: boolean
}

export const namespace = 'tables'

const core = `/api/v1/namespaces/${namespace}`
const rbac = '/apis/rbac.authorization.k8s.io/v1'
const since = '2026-01-02T03:04:05Z'
const later = '2026-01-02T03:05:06Z'

function pod(
  title: string,
  options: { readonly spec?: object; readonly status?: object; readonly deleted?: boolean },
): TableCase {
  const { spec = {}, status, deleted = false } = options
  const name = title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  const finalizers = deleted ? { finalizers: ['countersign.dev/tables'] } : {}
  return {
    title: `a pod: ${title}`,
    path: `${core}/pods`,
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, ...finalizers },
      spec: { nodeName: 'table-node', containers: [{ name: 'main', image: 'none' }], ...spec },
    },
    ...(status === undefined ? {} : { status }),
    deleted,
  }
}

function container(name: string, members: object): object {
  return { name, image: 'none', imageID: '', restartCount: 0, ready: false, ...members }
}

const running = { running: { startedAt: since } }
const exited = (exitCode: number, members: object = {}): object => ({
  terminated: { exitCode, startedAt: since, finishedAt: later, ...members },
})
const inits = [
  { name: 'first', image: 'none' },
  { name: 'second', image: 'none' },
]
const sidecar = { name: 'proxy', image: 'none', restartPolicy: 'Always' }
const two = [
  { name: 'main', image: 'none' },
  { name: 'side', image: 'none' },
]

const pods: readonly TableCase[] = [
  pod('not scheduled yet', { spec: { nodeName: '' } }),
  pod('just bound', {}),
  pod('running', {
    status: {
      phase: 'Running',
      podIPs: [{ ip: '10.0.0.7' }],
      podIP: '10.0.0.7',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [container('main', { ready: true, state: running })],
    },
  }),
  pod('running, one of two ready', {
    spec: { containers: two },
    status: {
      phase: 'Running',
      containerStatuses: [
        container('main', { ready: true, state: running }),
        container('side', { state: running }),
      ],
    },
  }),
  pod('waiting for its certificate', {
    status: {
      phase: 'Pending',
      containerStatuses: [
        container('main', { state: { waiting: { reason: 'ContainerCreating' } } }),
      ],
    },
  }),
  pod('crashing', {
    status: {
      phase: 'Running',
      containerStatuses: [
        container('main', {
          restartCount: 7,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: exited(1),
        }),
      ],
    },
  }),
  pod('killed by a signal', {
    status: {
      phase: 'Failed',
      containerStatuses: [container('main', { state: exited(137, { signal: 9 }) })],
    },
  }),
  pod('failed', {
    status: { phase: 'Failed', containerStatuses: [container('main', { state: exited(3) })] },
  }),
  pod('evicted', { status: { phase: 'Failed', reason: 'Evicted' } }),
  pod('done', {
    status: {
      phase: 'Succeeded',
      containerStatuses: [container('main', { state: exited(0, { reason: 'Completed' }) })],
    },
  }),
  pod('one done and one running', {
    spec: { containers: two },
    status: {
      phase: 'Running',
      containerStatuses: [
        container('main', { state: exited(0, { reason: 'Completed' }) }),
        container('side', { ready: true, state: running }),
      ],
    },
  }),
  pod('initializing', {
    spec: { initContainers: inits },
    status: {
      phase: 'Pending',
      initContainerStatuses: [
        container('first', { state: exited(0) }),
        container('second', { state: running }),
      ],
    },
  }),
  pod('failing to initialize', {
    spec: { initContainers: inits },
    status: {
      phase: 'Pending',
      initContainerStatuses: [
        container('first', {
          restartCount: 2,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: exited(1),
        }),
      ],
    },
  }),
  pod('with a sidecar', {
    spec: { initContainers: [sidecar] },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Initialized', status: 'True' }],
      initContainerStatuses: [
        container('proxy', { ready: true, started: true, state: running, restartCount: 1 }),
      ],
      containerStatuses: [container('main', { ready: true, state: running, restartCount: 2 })],
    },
  }),
  pod('with readiness gates', {
    spec: { readinessGates: [{ conditionType: 'a.example/b' }, { conditionType: 'a.example/c' }] },
    status: { phase: 'Running', conditions: [{ type: 'a.example/b', status: 'True' }] },
  }),
  pod('being deleted', { deleted: true, status: { phase: 'Running' } }),
]

function service(name: string, spec: object, status?: object): TableCase {
  return {
    title: `a service: ${name}`,
    path: `${core}/services`,
    object: { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec },
    ...(status === undefined ? {} : { status }),
  }
}

const ports = [
  { name: 'a', port: 80 },
  { name: 'b', port: 53, protocol: 'UDP' },
]

const services: readonly TableCase[] = [
  service('headless', { clusterIP: 'None', ports, selector: { app: 'b', 'a.example/c': 'd' } }),
  service('external-name', { type: 'ExternalName', externalName: 'www.example.com' }),
  service('external-ips', {
    clusterIP: '10.0.0.50',
    externalIPs: ['192.0.2.1', '192.0.2.2'],
    ports,
  }),
  service('node-port', {
    clusterIP: '10.0.0.51',
    type: 'NodePort',
    ports: [{ port: 80, nodePort: 30080 }],
  }),
  service('balancer-pending', {
    clusterIP: '10.0.0.52',
    type: 'LoadBalancer',
    ports: [{ port: 80, nodePort: 30081 }],
  }),
  service(
    'balancer',
    { clusterIP: '10.0.0.53', type: 'LoadBalancer', ports: [{ port: 80, nodePort: 30082 }] },
    { loadBalancer: { ingress: [{ ip: '192.0.2.9' }, { hostname: 'b.example.com' }] } },
  ),
]

function node(
  name: string,
  options: { labels?: object; spec?: object; status?: object },
): TableCase {
  const { labels = {}, spec = {}, status } = options
  return {
    title: `a node: ${name}`,
    path: '/api/v1/nodes',
    object: { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec },
    ...(status === undefined ? {} : { status }),
  }
}

const nodes: readonly TableCase[] = [
  node('table-bare', {}),
  node('table-ready', {
    labels: { 'node-role.kubernetes.io/worker': '', 'kubernetes.io/role': 'control-plane' },
    spec: { unschedulable: true },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [
        { type: 'InternalIP', address: '10.1.0.1' },
        { type: 'ExternalIP', address: '192.0.2.4' },
      ],
      nodeInfo: {
        kubeletVersion: 'v1.37.0',
        osImage: 'Some OS 1',
        kernelVersion: '6.1.0',
        architecture: 'amd64',
        containerRuntimeVersion: 'containerd://2.0.0',
        machineID: '',
        systemUUID: '',
        bootID: '',
        kubeProxyVersion: '',
        operatingSystem: 'linux',
      },
    },
  }),
  node('table-lost', { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } }),
]

function event(name: string, members: object): TableCase {
  return {
    title: `an event: ${name}`,
    path: `${core}/events`,
    object: {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name },
      involvedObject: { kind: 'Pod', name: 'p', namespace, fieldPath: 'spec.containers{main}' },
      ...members,
    },
  }
}

const events: readonly TableCase[] = [
  event('counted', {
    type: 'Warning',
    reason: 'FailedMount',
    message: ' no certificate yet \n',
    firstTimestamp: since,
    lastTimestamp: later,
    count: 4,
    source: { component: 'kubelet', host: 'node-a' },
  }),
  event('series', {
    type: 'Normal',
    reason: 'Issued',
    message: 'here it is',
    eventTime: '2026-01-02T03:04:05.000001Z',
    series: { count: 9, lastObservedTime: '2026-01-02T03:05:06.000001Z' },
    reportingComponent: 'countersign.dev/signer',
    reportingInstance: 'signer-0',
    action: 'Issue',
  }),
  event('bare', { involvedObject: { namespace } }),
]

const subjects = [
  { kind: 'User', name: 'alice', apiGroup: 'rbac.authorization.k8s.io' },
  { kind: 'Group', name: 'dev', apiGroup: 'rbac.authorization.k8s.io' },
  { kind: 'Group', name: 'ops', apiGroup: 'rbac.authorization.k8s.io' },
  { kind: 'ServiceAccount', name: 'robot', namespace: 'default' },
]

function plain(kind: string, path: string, members: object = {}, apiVersion = 'v1'): TableCase {
  return {
    title: `a ${kind}`,
    path,
    object: { apiVersion, kind, metadata: { name: 'table-case' }, ...members },
  }
}

const certificates = 'certificates.k8s.io/v1'
const rbacVersion = 'rbac.authorization.k8s.io/v1'
const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' }

function certificateRequest(name: string, annotations: object): TableCase {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    title: `a certificate request ${name}`,
    path: `/apis/${certificates}/namespaces/${namespace}/podcertificaterequests`,
    object: {
      apiVersion: certificates,
      kind: 'PodCertificateRequest',
      metadata: { name },
      spec: {
        signerName: 'countersign.dev/identity',
        podName: 'p',
        podUID: 'p-uid',
        serviceAccountName: 's',
        serviceAccountUID: 's-uid',
        nodeName: 'n',
        nodeUID: 'n-uid',
        stubPKCS10Request: encodeCertificateRequest({ privateKey }).toString('base64'),
        unverifiedUserAnnotations: annotations,
      },
    },
  }
}

const others: readonly TableCase[] = [
  plain('Namespace', '/api/v1/namespaces'),
  plain('ServiceAccount', `${core}/serviceaccounts`),
  plain('ConfigMap', `${core}/configmaps`, { data: { a: '1' }, binaryData: { b: 'AA==', c: '' } }),
  plain('Secret', `${core}/secrets`, { data: { a: 'AA==' } }),
  plain(
    'Lease',
    `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`,
    { spec: { holderIdentity: 'signer-0' } },
    'coordination.k8s.io/v1',
  ),
  plain('Role', `${rbac}/namespaces/${namespace}/roles`, { rules: [] }, rbacVersion),
  plain('ClusterRole', `${rbac}/clusterroles`, { rules: [] }, rbacVersion),
  plain(
    'RoleBinding',
    `${rbac}/namespaces/${namespace}/rolebindings`,
    { roleRef, subjects },
    rbacVersion,
  ),
  plain('ClusterRoleBinding', `${rbac}/clusterrolebindings`, { roleRef, subjects }, rbacVersion),
  certificateRequest('plain', {}),
  certificateRequest('annotated', { 'countersign.dev/role': 'agent', 'a.example/b': 'c' }),
]

const columns = [
  { name: 'Text', type: 'string', jsonPath: '.spec.text' },
  { name: 'Whole', type: 'integer', jsonPath: '.spec.whole' },
  { name: 'Real', type: 'number', jsonPath: '.spec.real', priority: 1 },
  { name: 'Flag', type: 'boolean', jsonPath: '.spec.flag' },
  { name: 'When', type: 'date', jsonPath: '.spec.when' },
  { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'First', type: 'string', jsonPath: '.spec.list[0]' },
  { name: 'List', type: 'string', jsonPath: '.spec.list' },
  { name: 'Label', type: 'string', jsonPath: '.metadata.labels.a\\.example/b' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
]

/** Two definitions: one with columns of its own, one without. */
export const definitions: readonly TableCase['object'][] = ['shown', 'plainer'].map((plural) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.tables.countersign.dev` },
  spec: {
    group: 'tables.countersign.dev',
    scope: 'Namespaced',
    names: { plural, singular: plural, kind: plural === 'shown' ? 'Shown' : 'Plainer' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        },
        ...(plural === 'shown' ? { additionalPrinterColumns: columns } : {}),
      },
    ],
  },
}))

function custom(name: string, kind: 'Shown' | 'Plainer', members: object): TableCase {
  return {
    title: `a custom resource: ${name}`,
    path: `/apis/tables.countersign.dev/v1/namespaces/${namespace}/${kind.toLowerCase()}`,
    object: {
      apiVersion: 'tables.countersign.dev/v1',
      kind,
      metadata: { name, labels: { 'a.example/b': 'c' } },
      ...members,
    },
  }
}

const customs: readonly TableCase[] = [
  custom('full', 'Shown', {
    spec: { text: 'a', whole: 7, real: 1.5, flag: true, when: since, list: ['x', 'y'] },
    status: {
      conditions: [
        { type: 'Other', status: 'False' },
        { type: 'Ready', status: 'True' },
      ],
    },
  }),
  custom('empty', 'Shown', {}),
  custom('of-other-types', 'Shown', {
    spec: { text: 5, whole: 'seven', real: 'x', flag: 'yes', when: 'yesterday', list: [] },
  }),
  custom('without-columns', 'Plainer', {}),
]

export const tableCases: readonly TableCase[] = [
  ...nodes,
  ...pods,
  ...services,
  ...events,
  ...others,
  ...customs,
]
