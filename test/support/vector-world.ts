import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { ApiError } from '../../src/kubernetes/api-error.ts'
import type { Cluster } from '../../dev/cluster.ts'
import { createMaterial, createRequest, generateKey, type Material } from './vector-material.ts'

export const signerName = 'countersign.dev/vectors'
export const namespace = 'vectors'
export const requestsPath: string = `/apis/certificates.k8s.io/v1/namespaces/${namespace}/podcertificaterequests`
export const oldRequestsPath: string = requestsPath.replace('/v1/', '/v1beta1/')
export const bundlesPath = '/apis/certificates.k8s.io/v1/clustertrustbundles'
export const revocationsPath = '/apis/countersign.dev/v1alpha1/revocations'
/** A bundle that is there already. */
export const storedBundle = 'countersign.dev:vectors:stored'

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly resourceNames?: readonly string[]
}

const certificates = { apiGroups: ['certificates.k8s.io'] } as const
const mayPatch = { ...certificates, resources: ['podcertificaterequests/status'], verbs: ['patch'] }
const mayUpdate = { ...mayPatch, verbs: ['update'] }
const mayCreate = { ...certificates, resources: ['podcertificaterequests'], verbs: ['create'] }
const mayPublish = {
  ...certificates,
  resources: ['clustertrustbundles'],
  verbs: ['create', 'patch', 'get'],
}

function onSigner(verb: 'sign' | 'attest', name: string): Rule {
  return { ...certificates, resources: ['signers'], resourceNames: [name], verbs: [verb] }
}

/** Users that hold nothing but these rights. */
const rights: Readonly<Record<string, readonly Rule[]>> = {
  signer: [mayPatch, onSigner('sign', signerName)],
  'domain-signer': [mayPatch, onSigner('sign', 'countersign.dev/*')],
  'star-signer': [mayPatch, onSigner('sign', '*')],
  'foreign-signer': [mayPatch, onSigner('sign', 'other.dev/*')],
  patcher: [mayPatch],
  updater: [mayUpdate, onSigner('sign', signerName)],
  creator: [mayCreate],
  attester: [mayPublish, onSigner('attest', signerName)],
  'domain-attester': [mayPublish, onSigner('attest', 'countersign.dev/*')],
  publisher: [mayPublish],
  stranger: [],
}

export interface World {
  /** One client a user; see `rights`, and admin, node, other-node and service-account. */
  readonly clients: ReadonlyMap<string, ApiClient>
  /** UIDs of node, other-node, service-account and the pods pod, plain (without volumes) and leaving. */
  readonly uids: ReadonlyMap<string, string>
  readonly material: Material
  /** SubjectPublicKeyInfo of the key of every stored request. */
  readonly spki: Buffer
  /** Base64 of the PKCS #10 request of that key. */
  readonly request: string
  close(): void
}

interface Made {
  readonly metadata: { readonly uid: string }
}

/** Makes the object, or reads it when somebody else (a controller) was faster. */
async function make(
  admin: ApiClient,
  path: string,
  body: Record<string, unknown>,
): Promise<string> {
  try {
    const made = await admin.request<Made>({ method: 'POST', path, body })
    return made.metadata.uid
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 409) throw error
    const { name } = body['metadata'] as { name: string }
    return (await admin.request<Made>({ method: 'GET', path: `${path}/${name}` })).metadata.uid
  }
}

/** NodeRestriction lets a node ask only for pods that declare a certificate of that signer. */
const volume = {
  name: 'identity',
  projected: {
    sources: [
      { podCertificate: { signerName, keyType: 'ECDSAP256', credentialBundlePath: 'c.pem' } },
    ],
  },
}

function pod(
  name: string,
  more: { readonly finalizers?: readonly string[]; readonly volumes?: readonly object[] } = {},
): Record<string, unknown> {
  const { finalizers = [], volumes = [volume] } = more
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, finalizers },
    spec: {
      nodeName: 'vectors-node',
      serviceAccountName: 'worker',
      automountServiceAccountToken: false,
      containers: [{ name: 'worker', image: 'example.invalid/worker' }],
      volumes,
    },
  }
}

/** The very definition that the chart ships. */
async function makeRevocations(admin: ApiClient): Promise<void> {
  const file = new URL('../../charts/countersign/files/crds/revocations.yaml', import.meta.url)
  const definition = parse(await readFile(file, 'utf8')) as Record<string, unknown>
  await make(admin, '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition)
}

async function makeObjects(admin: ApiClient): Promise<Map<string, string>> {
  const uids = new Map<string, string>()
  const inNamespace = `/api/v1/namespaces/${namespace}`
  const node = (name: string): Record<string, unknown> => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
  })
  await make(admin, '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace },
  })
  const account = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'worker', namespace },
  }
  uids.set('service-account', await make(admin, `${inNamespace}/serviceaccounts`, account))
  uids.set('node', await make(admin, '/api/v1/nodes', node('vectors-node')))
  uids.set('other-node', await make(admin, '/api/v1/nodes', node('vectors-other')))
  uids.set('pod', await make(admin, `${inNamespace}/pods`, pod('worker')))
  const plain = pod('plain', { volumes: [] })
  uids.set('plain', await make(admin, `${inNamespace}/pods`, plain))
  // The finalizer holds it, so that it stays terminating wherever no kubelet is.
  const leaving = pod('leaving', { finalizers: ['countersign.dev/vectors'] })
  uids.set('leaving', await make(admin, `${inNamespace}/pods`, leaving))
  await admin.request({ method: 'DELETE', path: `${inNamespace}/pods/leaving` })
  await makeRevocations(admin)
  return uids
}

async function grant(admin: ApiClient, user: string, rules: readonly Rule[]): Promise<void> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  const name = `vectors-${user}`
  await make(admin, `${rbac}/clusterroles`, {
    apiVersion,
    kind: 'ClusterRole',
    metadata: { name },
    rules,
  })
  await make(admin, `${rbac}/clusterrolebindings`, {
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name }],
  })
}

async function openClients(cluster: Cluster, admin: ApiClient): Promise<Map<string, ApiClient>> {
  const clients = new Map([['admin', admin]])
  const open = async (as: string, name: string, groups: readonly string[]): Promise<void> => {
    const kubeconfig = await cluster.kubeconfigFor({ name, groups })
    clients.set(as, createApiClient({ kubeconfig }))
  }
  await open('node', 'system:node:vectors-node', ['system:nodes'])
  await open('other-node', 'system:node:vectors-other', ['system:nodes'])
  await open('service-account', `system:serviceaccount:${namespace}:worker`, [
    'system:serviceaccounts',
    `system:serviceaccounts:${namespace}`,
  ])
  for (const [user, rules] of Object.entries(rights)) {
    if (rules.length > 0) await grant(admin, user, rules)
    await open(user, `vectors-${user}`, [])
  }
  return clients
}

/** Users, a node with a pod, another pod that is terminating, and what certificates are made of. */
export async function createWorld(cluster: Cluster): Promise<World> {
  const admin = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  const uids = await makeObjects(admin)
  const clients = await openClients(cluster, admin)
  const key = generateKey('ECDSAP256')
  return {
    clients,
    uids,
    material: await createMaterial(),
    spki: key.publicKey.export({ type: 'spki', format: 'der' }),
    request: createRequest(key).toString('base64'),
    close() {
      for (const client of clients.values()) client.close()
    },
  }
}
