import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import type { Cluster } from '../../dev/cluster.ts'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import { intermediateSchema } from '../../src/cli/intermediate/intermediate-configuration.ts'
import { runIntermediates } from '../../src/cli/intermediate/run-intermediates.ts'
import type { Running } from '../../src/cli/running.ts'
import { intermediateRights } from '../../src/intermediate/rights.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { createCertificateSigningRequest } from '../../src/kubernetes/certificate-signing-request.ts'
import { readLedger } from '../../src/ledger/ledger.ts'
import { silentLog } from '../../src/log.ts'
import { createIssuer } from '../../src/pki/issue.ts'
import { createProfile } from '../../src/pki/profile.ts'
import { parseSubjectKey } from '../../src/pki/subject-key.ts'
import { requester, rules } from '../intermediate/intermediate-world.ts'
import { requirement } from '../requirements.ts'
import { atOnce } from '../support/at-once.ts'
import { seededSpki } from '../support/craft-certificate.ts'
import { eventually } from '../support/eventually.ts'
import { grantRights } from '../support/grant-rights.ts'
import { createHubCa, dnsSuffixes, trustDomain } from '../support/hub-authority.ts'
import { askGo, askOpenssl, goVerifier } from '../support/other-verifiers.ts'
import { createPlainClient, type PlainAnswer, type PlainClient } from '../support/plain-client.ts'
import { writePodKubeconfig } from '../support/pod-kubeconfig.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import {
  openRequestingSigner,
  secretName,
  type RequestingSigner,
} from '../support/requesting-signer.ts'
import { testIdentity } from '../support/test-authority.ts'

/*
 * The cluster that signs for itself is a real API server; the hub is what runs beside, with a kubeconfig that has the documented rights
 * and no others.
 */

const { namespace, serviceAccount } = requester
const requestsPath = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const hub = createHubCa({ now: Date.now() })

let folder: string
let cluster: Cluster
let admin: PlainClient

async function create(path: string, body: object): Promise<void> {
  const answer = await admin({ method: 'POST', path, body })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-intermediates-'))
  cluster = await startRealCluster({ serverOnly: true })
  admin = await createPlainClient(cluster.adminKubeconfig)
  await create('/api/v1/namespaces', { metadata: { name: namespace } })
  const within = `/api/v1/namespaces/${namespace}`
  for (const name of [serviceAccount, 'other']) {
    await create(`${within}/serviceaccounts`, { metadata: { name } })
  }
  await create(`${within}/secrets`, { metadata: { name: secretName } })
  await create(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, {
    metadata: { name: 'countersign-trust-bundle' },
  })
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole' }
  await create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: 'signers' },
    roleRef: { ...roleRef, name: 'cluster-admin' },
    subjects: [
      { kind: 'Group', name: `system:serviceaccounts:${namespace}`, apiGroup: roleRef.apiGroup },
    ],
  })
  await grantRights(admin, 'hub', intermediateRights(rules))
  await writeFile(join(folder, 'tls.crt'), hub.certificatePem)
  await writeFile(join(folder, 'tls.key'), hub.privateKeyPem, { mode: 0o600 })
})

after(async () => {
  await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function startHub(): Promise<Running> {
  const written = {
    trustDomain,
    otherTrustDomains: ['hub.example'],
    kubeconfig: await cluster.kubeconfigFor({ name: 'hub', groups: [] }),
    authority: { files: { certificate: 'tls.crt', privateKey: 'tls.key' } },
    ledger: { file: 'ledger.jsonl' },
    admin: { host: '127.0.0.1', port: 0 },
  }
  const file = join(folder, 'intermediates.yaml')
  const config = parseConfiguration(stringify(written), intermediateSchema, file)
  return runIntermediates(config, { log: silentLog })
}

async function podKubeconfig(pod: string, account: string): Promise<string> {
  const file = join(folder, `${pod}.kubeconfig`)
  const parts = { cluster, admin, namespace, pod, serviceAccount: account }
  const { body } = await admin({ path: '/api/v1/nodes' })
  const nodeName: string = body.items[0]?.metadata.name ?? 'node-a'
  if (body.items.length === 0) await create('/api/v1/nodes', { metadata: { name: nodeName } })
  await writePodKubeconfig({ ...parts, nodeName, file })
  return file
}

/** The signer there, by the token of its pod. */
const openSigner = (holder: string, kubeconfig: string): Promise<RequestingSigner> =>
  openRequestingSigner({
    holder,
    kubeconfig,
    namespace,
    trustDomain,
    anchors: hub.certificatePem,
    signerName: rules.signerName,
    lifetimeSeconds: 30 * 86_400,
    dnsSuffixes,
  })

const list = async (): Promise<readonly PlainAnswer['body'][]> =>
  (await admin({ path: requestsPath })).body.items

test('a signer has its CA of the hub, and signs below it when the hub is away', async () => {
  requirement('intermediate.one-for-a-request')
  requirement('intermediate.bound-to-its-cluster')
  await using opened = new AsyncDisposableStack()
  const kubeconfig = await podKubeconfig('countersign-signer-0', serviceAccount)
  const signer = opened.use(await openSigner('signer-0', kubeconfig))
  await eventually('it asks', async () => (await list()).length === 1)
  const running = await startHub()
  await eventually('the hub is ready', () => running.ready())
  await eventually('it has a CA', () => signer.current() !== undefined)
  await running[Symbol.asyncDispose]()

  const [request] = await list()
  const types = request?.status.conditions.map(({ type }: { readonly type: string }) => type)
  assert.deepEqual(types, ['Approved'])
  const records = []
  for await (const { record } of readLedger(join(folder, 'ledger.jsonl'))) records.push(record)
  const verdicts = records.filter((record) => record.kind === 'authority-verdict')
  assert.deepEqual(
    verdicts.map(({ outcome }) => outcome),
    ['unknown', 'published'],
  )
  assert.equal(verdicts[1]?.certificateSha256, signer.current())

  const { authorities } = signer
  const profile = createProfile({ trustDomain, cluster: 'edge-1', production: false })
  const issuer = createIssuer({ profile, authorities, now: Date.now })
  const identity = testIdentity({
    namespace: 'tools',
    role: 'tool-server',
    trustDomain,
    cluster: 'edge-1',
  })
  const dnsName = 'github.tools.svc'
  const prepared = issuer.prepare({
    identity,
    dnsNames: [dnsName],
    key: parseSubjectKey(seededSpki(2)),
    lifetimeSeconds: 3600,
  })
  const leaf = atOnce(issuer.issue(prepared)).der
  const { chain: intermediates, anchors } = authorities.current()
  const chain = { leaf, intermediates, anchors, dnsName, now: Date.now() }
  assert.equal(askOpenssl(chain) ?? '', '')
  const go = await goVerifier()
  if (go !== undefined) assert.deepEqual(askGo(go, [chain]), [''])
})

test('nobody but that signer is answered, and not for a key of before', async () => {
  requirement('intermediate.requester-proved')
  await using running = await startHub()
  const [answered] = await list()
  const ask = async (name: string, kubeconfig: string): Promise<void> => {
    const client = createApiClient({ kubeconfig, environment: {}, userAgent: 'test' })
    const { signerName, usages, request } = answered?.spec ?? assert.fail()
    const spec = { signerName, usages, request }
    const signal = AbortSignal.timeout(60_000)
    await createCertificateSigningRequest(client, { name, annotations: {}, spec, signal })
    client.close()
  }
  const statusOf = async (name: string): Promise<PlainAnswer['body']> =>
    (await admin({ path: `${requestsPath}/${name}` })).body.status
  await ask('of-another', await podKubeconfig('other-0', 'other'))
  await ask('of-admin', cluster.adminKubeconfig)
  const kubeconfig = await podKubeconfig('countersign-signer-1', serviceAccount)
  await ask('of-before', kubeconfig)
  await eventually('the copied key is denied', async () => {
    return (await statusOf('of-before')).conditions?.[0]?.type === 'Denied'
  })
  assert.equal((await statusOf('of-before')).conditions[0].reason, 'KeyAlreadyIssued')
  for (const name of ['of-another', 'of-admin']) assert.deepEqual(await statusOf(name), {})
  assert.ok(running.ready())
})
