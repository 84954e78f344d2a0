import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parse, stringify } from 'yaml'
import type { Cluster } from '../../dev/cluster.ts'
import { issuedSchema } from '../../src/cli/issued/issued-configuration.ts'
import { runIssued } from '../../src/cli/issued/run-issued.ts'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import type { Running } from '../../src/cli/running.ts'
import { issuedRights } from '../../src/issued/rights.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import {
  createSelfSignedAuthority,
  parseAuthority,
  staticAuthoritySource,
  type AuthoritySource,
} from '../../src/pki/authority.ts'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import { createProfile, type Profile } from '../../src/pki/profile.ts'
import { requirement } from '../requirements.ts'
import { signerName } from '../signer/asked.ts'
import { profile as anyProfile, startSigner, type SignerWorld } from '../signer/signer-world.ts'
import { newKey, pemOf } from '../signer/signing-request.ts'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'
import { eventually } from './eventually.ts'
import { FakeCluster } from './fake-cluster.ts'
import { createPlainClient, type PlainClient } from './plain-client.ts'
import { root } from './source-tree.ts'

/*
 * Two clusters, a hub with the CAs and an edge, each with an API server of its own; the signers of both run on the hub.
 */

const system = 'countersign-system'
const namespace = 'tools'
const agent = { namespace: system, serviceAccount: 'agent' }
const crdFile = join(root, 'charts/countersign/files/crds/issuedcertificates.yaml')
const requestsPath = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const issuedPath = `/apis/countersign.dev/v1alpha1/namespaces/${namespace}/issuedcertificates`

/** The rights of docs/REACH.md. */
const agentRules = [
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
]

/** One cluster with its agent, and the signer that answers it from elsewhere. */
interface Site extends AsyncDisposable {
  readonly admin: PlainClient
  readonly trustDomain: string
  /** Path: with the token of the agent's pod. */
  readonly agentKubeconfig: string
  readonly signer: () => SignerWorld
  stopSigner(): Promise<void>
  startSigner(): Promise<void>
}

async function create(admin: PlainClient, path: string, body: object): Promise<{ uid: string }> {
  const answer = await admin({ method: 'POST', path, body })
  assert.equal(answer.status, 201, `${path}: ${JSON.stringify(answer.body)}`)
  return answer.body.metadata
}

async function prepare(admin: PlainClient, node: string): Promise<string> {
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  await create(admin, crds, parse(await readFile(crdFile, 'utf8')))
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

async function openSite(
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

interface Status {
  readonly state?: string
  readonly error?: string
  readonly notAfter?: string
}

/** The suite, on two clusters that `start` gives. */
export function issuedSuite(title: string, start: (folder: string) => Promise<Cluster>): void {
  describe(title, () => {
    let folder: string
    let hub: Site
    let edge: Site
    let keeper: Running

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'issued-'))
      const open = (name: string): Promise<Site> =>
        openSite(() => start(join(folder, name)), { name, folder })
      hub = await open('hub')
      edge = await open('edge')
      keeper = await startKeeper()
    })

    after(async () => {
      await (keeper as Running | undefined)?.[Symbol.asyncDispose]()
      await (edge as Site | undefined)?.[Symbol.asyncDispose]()
      await (hub as Site | undefined)?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    function startKeeper(): Promise<Running> {
      const { trustDomain, agentKubeconfig: kubeconfig } = edge
      const text = stringify({ trustDomain, kubeconfig, admin: { port: 0 } })
      return runIssued(parseConfiguration(text, issuedSchema, 'x.yaml'), silentLog)
    }

    test('the rights that are documented are those that the agent uses, and no others', async () => {
      await eventually('it is ready', () => keeper.ready())
      // An API server learns of rights by a watch of its own, and the agent asks again.
      await eventually(
        'it has its rights',
        () => keeper.conditions().find(({ name }) => name === 'rights')?.ok === true,
      )
      const given = agentRules.flatMap(({ apiGroups: [group], resources: [resource], verbs }) =>
        verbs.map((verb) => `${verb} ${group} ${resource}`),
      )
      const used = issuedRights({ trustBundle: 'x' }).map(
        ({ verb, group, resource, subresource }) =>
          [verb, group, [resource, subresource].filter(Boolean).join('/')].join(' '),
      )
      assert.deepEqual(used.toSorted(), given.toSorted())
    })

    const uriOf = (site: Site): string => `spiffe://${site.trustDomain}/ns/${namespace}/sa/search`

    function issued(name: string, spec: object = {}): object {
      const wanted = { hosts: [uriOf(edge)], issuedCertificateSecret: `${name}-identity` }
      return {
        apiVersion: 'countersign.dev/v1alpha1',
        kind: 'IssuedCertificate',
        metadata: { name },
        spec: { ...wanted, ...spec },
      }
    }

    async function statusOf(name: string): Promise<Status> {
      return (await edge.admin({ path: `${issuedPath}/${name}` })).body.status ?? {}
    }

    async function reaches(name: string, state: string): Promise<Status> {
      await eventually(`${name} is ${state}`, async () => (await statusOf(name)).state === state)
      return statusOf(name)
    }

    async function secretOf(name: string): Promise<Readonly<Record<string, string>>> {
      const { body } = await edge.admin({ path: `/api/v1/namespaces/${namespace}/secrets/${name}` })
      const data = (body.data ?? {}) as Record<string, string>
      const decode = (text: string): string => Buffer.from(text, 'base64').toString()
      return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, decode(text)]))
    }

    test('the hub signs what the edge proves, under its own name, and the key never leaves it', async () => {
      requirement('issued.as-declared')
      await create(edge.admin, issuedPath, issued('search'))
      const { notAfter } = await reaches('search', 'Finished')
      const secret = await secretOf('search-identity')
      const { 'tls.crt': chain = '', 'tls.key': key = '' } = secret
      const leaf = new X509Certificate(chain)
      assert.equal(leaf.subjectAltName, `URI:${uriOf(edge)}`)
      assert.ok(leaf.checkPrivateKey(createPrivateKey(key)))
      assert.equal(leaf.validToDate.toISOString().replace('.000', ''), notAfter)
      const { identityExtensionOid } = anyProfile
      const { svid } = parseCredentialBundle(secret['credential-bundle.pem'] ?? '', {
        identityExtensionOid,
      })
      const { uid } = (await edge.admin({ path: `${issuedPath}/search` })).body.metadata
      assert.equal(svid.identity?.cluster, 'edge')
      assert.deepEqual(svid.identity.pod, { name: 'search', uid })
      const [intent] = edge.signer().ledger.records
      assert.ok(intent?.kind === 'issuance-intent')
      assert.deepEqual(intent.pod, { name: 'search', uid })
      for (const { admin } of [hub, edge]) {
        const told = JSON.stringify((await admin({ path: requestsPath })).body)
        assert.ok(!told.includes(Buffer.from(key).toString('base64').slice(40, 120)))
      }
      assert.deepEqual((await hub.admin({ path: requestsPath })).body.items, [])
    })

    test('what is asked of the hub in the name of the edge is denied, by whomever', async () => {
      requirement('issued.as-declared')
      const { uid } = (await edge.admin({ path: `${issuedPath}/search` })).body.metadata
      const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts/search`
      const account = (await edge.admin({ path: accounts })).body.metadata.uid
      const reference = [namespace, 'search', uid, 'search', account].join('/')
      const body = {
        metadata: {
          name: 'stolen',
          annotations: { 'countersign.dev/issued-certificate': reference },
        },
        spec: {
          signerName,
          request: Buffer.from(pemOf(encodeCertificateRequest({ privateKey: newKey() }))).toString(
            'base64',
          ),
          usages: ['digital signature', 'client auth', 'server auth'],
        },
      }
      // Of the agent of the hub itself, whose namespaces, accounts and names are the same.
      const own = createApiClient({ kubeconfig: hub.agentKubeconfig })
      const request = {
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        ...body,
      }
      await own.request({ method: 'POST', path: requestsPath, body: request })
      own.close()
      const conditions = async (): Promise<readonly { type: string; reason: string }[]> =>
        (await hub.admin({ path: `${requestsPath}/stolen` })).body.status.conditions ?? []
      await eventually('it is answered', async () => (await conditions()).length > 0)
      const [condition] = await conditions()
      assert.equal(condition?.type, 'Denied')
      assert.ok(['RequestNotDeclared', 'ServiceAccountMismatch'].includes(condition.reason))
    })

    test('while the hub is away it is requested and no more, and a killed agent goes on with the same request', async () => {
      requirement('issued.resumes-anywhere')
      await edge.stopSigner()
      await create(edge.admin, issuedPath, issued('patient'))
      await reaches('patient', 'Requested')
      await keeper[Symbol.asyncDispose]()
      const count = async (): Promise<number> =>
        (await edge.admin({ path: requestsPath })).body.items.length
      const before = await count()
      keeper = await startKeeper()
      await edge.startSigner()
      await reaches('patient', 'Finished')
      assert.equal(await count(), before)
    })

    test('what is refused says why, and is asked again when it is changed', async () => {
      await create(edge.admin, issuedPath, issued('of-acme', { org: 'acme' }))
      const { error } = await reaches('of-acme', 'Failed')
      assert.match(error ?? '', /^denied: "TenantNotProved": ".*acme/)
      const patch = { spec: { org: null } }
      await edge.admin({ method: 'PATCH', path: `${issuedPath}/of-acme`, body: patch })
      assert.equal((await reaches('of-acme', 'Finished')).error, undefined)
    })

    for (const [name, spec] of [
      ['two-hosts', { hosts: ['spiffe://a/ns/tools/sa/a', 'spiffe://a/ns/tools/sa/b'] }],
      ['dns-host', { hosts: ['search.example'] }],
      ['two-tenants', { org: 'acme', annotations: { 'countersign.dev/tenant': 'other' } }],
      ['no-secret', { issuedCertificateSecret: '../other' }],
    ] as const) {
      test(`the API server takes no IssuedCertificate that can never be issued: ${name}`, async () => {
        const body = issued(name, spec)
        const answer = await edge.admin({ method: 'POST', path: issuedPath, body })
        assert.equal(answer.status, 422, JSON.stringify(answer.body))
      })
    }
  })
}
