import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { Cluster } from '../../dev/cluster.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import {
  createSelfSignedAuthority,
  parseAuthority,
  staticAuthoritySource,
  type AuthoritySource,
} from '../../src/pki/authority.ts'
import { createProfile, type Profile } from '../../src/pki/profile.ts'
import { profile as anyProfile, startSigner, type SignerWorld } from '../signer/signer-world.ts'
import { eventually } from './eventually.ts'
import { FakeCluster } from './fake-cluster.ts'
import { createPlainClient, type PlainClient } from './plain-client.ts'
import { root } from './source-tree.ts'

/*
 * Two clusters, a hub with the CAs and an edge, each with an API server of its own; the signers of both run on the hub.
 */

const system = 'countersign-system'
export const namespace = 'tools' as const
const agent = { namespace: system, serviceAccount: 'agent' }
const definitions = ['issuedcertificates', 'revocations'].map((name) =>
  join(root, `charts/countersign/files/crds/${name}.yaml`),
)
export const requestsPath: string = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
export const issuedPath: string = `/apis/countersign.dev/v1alpha1/namespaces/${namespace}/issuedcertificates`

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

/** The rights of docs/REACH.md. */
export const agentRules: readonly Rule[] = [
  {
    apiGroups: ['countersign.dev'],
    resources: ['issuedcertificates'],
    verbs: ['get', 'list', 'watch'],
  },
  { apiGroups: ['countersign.dev'], resources: ['issuedcertificates/status'], verbs: ['patch'] },
  { apiGroups: [''], resources: ['serviceaccounts'], verbs: ['get'] },
  { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'create', 'patch'] },
  {
    apiGroups: ['certificates.k8s.io'],
    resources: ['certificatesigningrequests'],
    verbs: ['create', 'get'],
  },
  { apiGroups: ['certificates.k8s.io'], resources: ['clustertrustbundles'], verbs: ['get'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
  ...['replicasets', 'statefulsets', 'daemonsets'].map((resource) => ({
    apiGroups: ['apps'],
    resources: [resource],
    verbs: ['get'],
  })),
  { apiGroups: [''], resources: ['pods/eviction'], verbs: ['create'] },
  { apiGroups: [''], resources: ['events'], verbs: ['create'] },
  { apiGroups: ['countersign.dev'], resources: ['revocations'], verbs: ['list', 'watch'] },
]

/** One cluster with its agent, and the signer that answers it from elsewhere. */
export interface Site extends AsyncDisposable {
  readonly admin: PlainClient
  readonly trustDomain: string
  /** Path: of the administrator. */
  readonly kubeconfig: string
  /** Path: with the token of the agent's pod. */
  readonly agentKubeconfig: string
  readonly signer: () => SignerWorld
  stopSigner(): Promise<void>
  startSigner(): Promise<void>
}

export async function create(
  admin: PlainClient,
  path: string,
  body: object,
): Promise<{ uid: string }> {
  const answer = await admin({ method: 'POST', path, body })
  assert.equal(answer.status, 201, `${path}: ${JSON.stringify(answer.body)}`)
  return answer.body.metadata
}

async function prepare(admin: PlainClient, node: string): Promise<string> {
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  for (const file of definitions) await create(admin, crds, parse(await readFile(file, 'utf8')))
  for (const name of [namespace, system])
    await create(admin, '/api/v1/namespaces', { metadata: { name } })
  await create(admin, `/api/v1/namespaces/${namespace}/serviceaccounts`, {
    metadata: { name: 'search' },
  })
  await create(admin, `/api/v1/namespaces/${system}/serviceaccounts`, {
    metadata: { name: agent.serviceAccount },
  })
  for (const name of ['countersign-trust-bundle', 'countersign-trust-bundle-members']) {
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${system}/leases`
    await create(admin, leases, { metadata: { name } })
  }
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  const metadata = { name: 'countersign-agent' }
  await create(admin, `${rbac}/clusterroles`, { metadata, rules: agentRules })
  await create(admin, `${rbac}/clusterrolebindings`, {
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', ...metadata },
    subjects: [{ kind: 'ServiceAccount', name: agent.serviceAccount, namespace: system }],
  })
  const found = await admin({ path: `/api/v1/nodes/${node}` })
  if (found.status === 404) await create(admin, '/api/v1/nodes', { metadata: { name: node } })
  const { uid } = await create(admin, `/api/v1/namespaces/${system}/pods`, {
    metadata: { name: 'agent-0' },
    spec: {
      nodeName: node,
      serviceAccountName: agent.serviceAccount,
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image: 'example.invalid/main' }],
    },
  })
  await eventually('issuedcertificates are served', async () => {
    return (await admin({ path: issuedPath })).status === 200
  })
  return uid
}

async function writeAgentKubeconfig(
  cluster: Cluster,
  admin: PlainClient,
  { uid, file }: { readonly uid: string; readonly file: string },
): Promise<void> {
  const pod = { apiVersion: 'v1', kind: 'Pod', name: 'agent-0', uid }
  const { body } = await admin({
    method: 'POST',
    path: `/api/v1/namespaces/${system}/serviceaccounts/${agent.serviceAccount}/token`,
    body: { spec: { audiences: [], expirationSeconds: 3600, boundObjectRef: pod } },
  })
  const kubeconfig = parse(await readFile(cluster.adminKubeconfig, 'utf8'))
  kubeconfig.users[0].user = { token: body.status.token }
  await writeFile(file, stringify(kubeconfig), { mode: 0o600 })
}

function authoritiesOf(profile: Profile): AuthoritySource {
  const { trustDomain } = profile
  const made = createSelfSignedAuthority({ trustDomain, lifetimeSeconds: 864_000, now: Date.now })
  return staticAuthoritySource(parseAuthority({ ...made, trustDomain, now: Date.now }))
}

export async function openSite(
  start: () => Promise<Cluster>,
  { name, folder }: { readonly name: string; readonly folder: string },
): Promise<Site> {
  await using opened = new AsyncDisposableStack()
  const cluster = opened.use(await start())
  const admin = await createPlainClient(cluster.adminKubeconfig)
  const uid = await prepare(admin, 'node-b')
  const agentKubeconfig = join(folder, `${name}.yaml`)
  await writeAgentKubeconfig(cluster, admin, { uid, file: agentKubeconfig })
  const trustDomain = parseTrustDomain(`${name}.example`)
  const profile = createProfile({ ...anyProfile, trustDomain, cluster: name, production: false })
  const client = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  opened.defer(() => client.close())
  const authorities = authoritiesOf(profile)
  let signer: SignerWorld | undefined
  opened.defer(async () => signer?.stop())
  const site = {
    admin,
    kubeconfig: cluster.adminKubeconfig,
    trustDomain,
    agentKubeconfig,
    signer: () => signer ?? assert.fail('no signer'),
    stopSigner: async () => signer?.stop(),
    async startSigner() {
      signer = await startSigner(new FakeCluster(), {
        client,
        profile,
        authorities,
        propagationSeconds: 0,
        signingRequests: { approve: true, issuedCertificates: agent },
      })
      await eventually(`the signer of ${name} is ready`, () => signer?.signer.ready === true)
    },
  }
  await site.startSigner()
  const parts = opened.move()
  return { ...site, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}
