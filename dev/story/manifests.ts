import { namespaces, serviceAccounts, spiffeIdOf, stage, type CastPod } from './cast.ts'

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string } & Record<
    string,
    unknown
  >
  readonly [member: string]: unknown
}

/** The users that the signer and the gateway are to the API server, as their service accounts would be. */
export const platformUsers: { readonly signer: string; readonly gateway: string } = {
  signer: `system:serviceaccount:${stage.system}:countersign-signer`,
  gateway: `system:serviceaccount:${stage.system}:countersign-gateway`,
}

const read: readonly string[] = ['get', 'list', 'watch']

function clusterRole(name: string, rules: readonly object[]): Manifest {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name },
    rules,
  }
}

function binding(name: string): Manifest {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace: stage.system }],
  }
}

/** What the signer may do in its own namespace, and that it may. */
function signerRole(name: string, rules: readonly object[]): readonly Manifest[] {
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  const metadata = { name, namespace: stage.system }
  return [
    { apiVersion, kind: 'Role', metadata, rules },
    {
      apiVersion,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name: 'countersign-signer', namespace: stage.system }],
    },
  ]
}

/** What the signer and the gateway may do, by name. */
export const permissions: readonly Manifest[] = [
  clusterRole('countersign-signer', [
    { apiGroups: ['certificates.k8s.io'], resources: ['podcertificaterequests'], verbs: read },
    {
      apiGroups: ['certificates.k8s.io'],
      resources: ['podcertificaterequests/status'],
      verbs: ['patch'],
    },
    {
      apiGroups: ['certificates.k8s.io'],
      resources: ['signers'],
      resourceNames: [stage.signerName],
      verbs: ['sign', 'attest'],
    },
    {
      apiGroups: ['certificates.k8s.io'],
      resources: ['clustertrustbundles'],
      verbs: ['get', 'create', 'patch'],
    },
    {
      apiGroups: [''],
      resources: ['pods', 'namespaces', 'serviceaccounts', 'nodes', 'services'],
      verbs: read,
    },
    { apiGroups: [''], resources: ['events'], verbs: ['create'] },
  ]),
  binding('countersign-signer'),
  clusterRole('countersign-gateway', [
    { apiGroups: [''], resources: ['pods'], verbs: read },
    { apiGroups: ['countersign.dev'], resources: ['revocations'], verbs: read },
  ]),
  binding('countersign-gateway'),
  ...signerRole('countersign-authority', [
    { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
    {
      apiGroups: [''],
      resources: ['secrets'],
      resourceNames: ['countersign-authority'],
      verbs: ['get'],
    },
  ]),
  ...signerRole('countersign-trust-bundle', [
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
    {
      apiGroups: ['coordination.k8s.io'],
      resources: ['leases'],
      resourceNames: ['countersign-trust-bundle'],
      verbs: ['get', 'patch'],
    },
  ]),
]

export function namespaceManifests(): readonly Manifest[] {
  return namespaces.map(({ name, labels }) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels },
  }))
}

export function serviceAccountManifests(): readonly Manifest[] {
  const platform = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'countersign-signer', namespace: stage.system },
  }
  const cast = serviceAccounts.map(({ namespace, name, role, models, toolScopes }) => ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: {
      name,
      namespace,
      labels: { 'countersign.dev/role': role },
      annotations: {
        ...(models === undefined ? {} : { 'countersign.dev/models': models }),
        ...(toolScopes === undefined ? {} : { 'countersign.dev/tool-scopes': toolScopes }),
      },
    },
  }))
  return [platform, ...cast]
}

/** A Service for everybody who serves: it is what gives a certificate its DNS name. */
export function serviceManifests(): readonly Manifest[] {
  const serving = [
    [stage.system, 'countersign-gateway'],
    ['tools', 'github'],
    ['tools', 'notes'],
    ['acme', 'inference-worker'],
  ] as const
  return serving.map(([namespace, name]) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port: 443 }] },
  }))
}

/** A pod with one projected volume: its certificate and the anchors it trusts. */
export function podManifest(pod: CastPod, command: readonly string[]): Manifest {
  const { signerName, volume, credentialBundle, trustBundle } = stage
  const podCertificate = {
    signerName,
    keyType: pod.keyType ?? 'ECDSAP256',
    maxExpirationSeconds: 3600,
    credentialBundlePath: credentialBundle,
    ...(Object.keys(pod.asks).length === 0 ? {} : { userAnnotations: pod.asks }),
  }
  const clusterTrustBundle = { signerName, labelSelector: {}, path: trustBundle }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod.name, namespace: pod.namespace, labels: { app: pod.name } },
    spec: {
      nodeName: stage.node,
      serviceAccountName: pod.serviceAccount,
      automountServiceAccountToken: false,
      containers: [
        {
          name: 'main',
          image: `countersign.dev/example/${pod.workload ?? 'none'}`,
          command,
          env: environmentOf(pod),
          volumeMounts: [{ name: volume, mountPath: '/var/run/countersign' }],
        },
      ],
      volumes: [
        { name: volume, projected: { sources: [{ podCertificate }, { clusterTrustBundle }] } },
      ],
    },
  }
}

function environmentOf(pod: CastPod): readonly { name: string; value: string }[] {
  const all = {
    TRUST_DOMAIN: stage.trustDomain,
    GATEWAY_SPIFFE_ID: spiffeIdOf(stage.system, 'countersign-gateway'),
    ...pod.environment,
  }
  return Object.entries(all).map(([name, value]) => ({ name, value }))
}

/** A pod that asks for no certificate at all. */
export const bystander: Manifest = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'bystander', namespace: 'acme', labels: { app: 'bystander' } },
  spec: {
    nodeName: stage.node,
    serviceAccountName: 'researcher',
    automountServiceAccountToken: false,
    containers: [{ name: 'main', image: 'countersign.dev/example/none' }],
  },
}
