import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import type { Cluster } from '../../dev/cluster.ts'
import { approverRights } from '../../src/approver/rights.ts'
import { approverSchema } from '../../src/cli/approver/approver-configuration.ts'
import { run } from '../../src/cli/program.ts'
import { runApprover } from '../../src/cli/approver/run-approver.ts'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import type { Running } from '../../src/cli/running.ts'
import { readLedger } from '../../src/ledger/ledger.ts'
import type { NodeVerdict } from '../../src/ledger/record.ts'
import { silentLog } from '../../src/log.ts'
import { newNodeKey, requestOf, type AskedNames } from '../approver/request.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { grantRights } from '../support/grant-rights.ts'
import { writePodKubeconfig } from '../support/pod-kubeconfig.ts'
import { createPlainClient, type PlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'

/*
 * Certificates of nodes, of the real API server: who asks is what it states, and its controller manager signs what we approve.
 */

const requestsPath = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const serving = 'kubernetes.io/kubelet-serving'
const client = 'kubernetes.io/kube-apiserver-client-kubelet'
const own = '10.77.0.2'

let cluster: Cluster
let admin: PlainClient
let node: PlainClient
let folder: string
let approver: Running

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'node-certificates-'))
  // Without the plugin, as an API server is by itself: what it would refuse is refused here, too.
  cluster = await startRealCluster({ nodeRestriction: false })
  admin = await createPlainClient(cluster.adminKubeconfig)
  // As the API server of a cluster writes it; this one writes none.
  await create('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    metadata: { name: 'kubernetes', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.77.0.1'] }],
    ports: [{ name: 'https', port: 6443 }],
  })
  node = await clientOf('system:node:node-b', ['system:nodes'])
  await setAddresses('node-b', [
    { type: 'Hostname', address: 'node-b' },
    { type: 'InternalIP', address: own },
  ])
  await create('/api/v1/nodes', { metadata: { name: 'node-c' } })
  await setAddresses('node-c', [
    { type: 'Hostname', address: 'node-c' },
    { type: 'InternalIP', address: '10.77.0.3' },
  ])
  approver = await startApprover()
})

after(async () => {
  await (approver as Running | undefined)?.[Symbol.asyncDispose]()
  await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function clientOf(name: string, groups: readonly string[]): Promise<PlainClient> {
  return createPlainClient(await cluster.kubeconfigFor({ name, groups }))
}

/** As a user of its own, who has the rights of the list and no other. */
async function startApprover(): Promise<Running> {
  const accounts = [{ namespace: 'default', name: 'virtual', ofPod: true }]
  await grantRights(admin, 'approver', approverRights({ signers: ['serving', 'client'], accounts }))
  const file = join(folder, 'approver.yaml')
  const written = {
    kubeconfig: await cluster.kubeconfigFor({ name: 'approver', groups: [] }),
    kubeletServing: true,
    kubeletClient: true,
    bootstrap: { groups: ['system:bootstrappers:test'], nodes: ['node-new', 'node-c'] },
    nodes: [
      {
        name: 'virtual-1',
        serviceAccount: { namespace: 'default', name: 'virtual' },
        addresses: ['10.88.0.1'],
      },
    ],
    addressRanges: ['10.77.0.0/16'],
    ledger: { file: join(folder, 'ledger.jsonl') },
    admin: { host: '127.0.0.1', port: 0 },
  }
  await writeFile(file, stringify(written))
  const config = parseConfiguration(stringify(written), approverSchema, file)
  const running = await runApprover(config, { log: silentLog })
  await eventually('the approver is ready', () => running.ready())
  return running
}

async function create(path: string, body: object): Promise<void> {
  const answer = await admin({ method: 'POST', path, body })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
}

async function setAddresses(
  name: string,
  addresses: readonly { readonly type: string; readonly address: string }[],
): Promise<void> {
  const answer = await admin({
    method: 'PATCH',
    path: `/api/v1/nodes/${name}/status`,
    body: { status: { addresses } },
  })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
}

let made = 0

/** Gives the name under which it stands. */
async function ask(
  asked: AskedNames,
  options: { readonly as?: PlainClient; readonly spec?: object; readonly signer?: string } = {},
): Promise<string> {
  const { as = node, spec = {}, signer = serving } = options
  const name = `asked-${++made}`
  const purpose = signer === serving ? 'server auth' : 'client auth'
  const answer = await as({
    method: 'POST',
    path: requestsPath,
    body: {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name },
      spec: {
        signerName: signer,
        request: requestOf(asked, newNodeKey()),
        usages: ['digital signature', purpose],
        ...spec,
      },
    },
  })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return name
}

interface Status {
  readonly certificate?: string
  readonly conditions?: readonly { type: string; reason: string; message: string }[]
}

async function statusOf(name: string): Promise<Status> {
  return (await admin({ path: `${requestsPath}/${name}` })).body.status
}

async function issued(name: string): Promise<X509Certificate> {
  await eventually(`${name} is issued`, async () => {
    const { certificate, conditions = [] } = await statusOf(name)
    assert.ok(
      conditions.every(({ type }) => type === 'Approved'),
      JSON.stringify(conditions),
    )
    return certificate !== undefined
  })
  const { certificate = '' } = await statusOf(name)
  return new X509Certificate(Buffer.from(certificate, 'base64'))
}

async function denied(name: string): Promise<string> {
  await eventually(`${name} is denied`, async () => {
    const { conditions = [] } = await statusOf(name)
    assert.ok(
      conditions.every(({ type }) => type === 'Denied'),
      JSON.stringify(conditions),
    )
    return conditions.length > 0
  })
  const [condition] = (await statusOf(name)).conditions ?? []
  return `${condition?.reason}: ${condition?.message}`
}

/** What is said of a request that stays as it is, by its event. */
async function waiting(name: string, said: RegExp): Promise<void> {
  await eventually(`${name} waits: ${said}`, async () => {
    const { conditions = [], certificate } = await statusOf(name)
    assert.deepEqual([conditions, certificate], [[], undefined])
    const { body } = await admin({
      path: `/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=${name}`,
    })
    return body.items.some((event: { message: string }) => said.test(event.message))
  })
}

async function recordsOf(name: string): Promise<readonly NodeVerdict[]> {
  const found: NodeVerdict[] = []
  for await (const { record } of readLedger(join(folder, 'ledger.jsonl'))) {
    if (record.kind === 'node-verdict' && record.request.name === name) found.push(record)
  }
  return found
}

test('a node has its serving certificate from the controller manager, with what proved each name', async () => {
  requirement('approver.names-proved')
  const name = await ask({ dnsNames: ['node-b'], addresses: [own] })
  const certificate = await issued(name)
  assert.equal(certificate.subjectAltName, `DNS:node-b, IP Address:${own}`)
  assert.match(certificate.subject, /CN=system:node:node-b/)
  const [condition] = (await statusOf(name)).conditions ?? []
  assert.equal(condition?.reason, 'EvidenceProved')
  assert.match(condition?.message ?? '', /address 10\.77\.0\.2 by InternalIP of the Node object/)
  await eventually('both records are there', async () => (await recordsOf(name)).length === 2)
  const records = await recordsOf(name)
  assert.deepEqual(
    records.map(({ verdict, outcome }) => [verdict, outcome]),
    [
      ['approved', 'unknown'],
      ['approved', 'published'],
    ],
  )
})

test('names and addresses that are not the node’s own are denied, or wait', async () => {
  requirement('approver.names-proved')
  const cases = [
    [{ addresses: ['10.77.0.3'] }, /^NamesNotProved: address 10\.77\.0\.3 is that of node node-c/],
    [{ dnsNames: ['node-c'] }, /^NamesNotProved: DNS name node-c is that of node node-c/],
    [{ dnsNames: ['*.example.org'] }, /^NamesNotProved: .*one machine/],
    [{ dnsNames: ['kubernetes.default.svc'] }, /^NamesNotProved: .*never that of a node/],
    [{ addresses: ['127.0.0.1'] }, /^NamesNotProved: .*no address by which others reach/],
    [{ addresses: ['192.0.2.1'] }, /^NamesNotProved: .*outside of the ranges/],
    [{ commonName: 'system:node:node-c', addresses: [own] }, /^SubjectNotProved: common name/],
    [{ organizations: ['system:masters'], addresses: [own] }, /^SubjectNotProved: organizations/],
    [{}, /^NamesNotProved: alternative names: want=a DNS name/],
  ] as const
  for (const [asked, said] of cases) {
    assert.match(await denied(await ask(asked)), said, JSON.stringify(asked))
  }
  // What a node says of itself may change.
  const name = await ask({ addresses: [own, '10.77.0.99'] })
  await waiting(name, /10\.77\.0\.99 is not among the addresses of node node-b/)
})

test('the address of the API server is no node’s, though its kubelet says so', async () => {
  requirement('approver.names-proved')
  const { body } = await admin({ path: '/api/v1/namespaces/default/services/kubernetes' })
  const address: string = body.spec.clusterIP
  await setAddresses('node-b', [
    { type: 'InternalIP', address: own },
    { type: 'ExternalIP', address },
    { type: 'Hostname', address: 'node-b' },
  ])
  assert.match(await denied(await ask({ addresses: [address] })), /that of the API server/)
})

test('a node asks for the usages of its certificate, and for a life within bounds', async () => {
  requirement('approver.usages-exact')
  const asked = { addresses: [own] }
  const usages = (...more: readonly string[]): object => ({
    usages: ['digital signature', 'server auth', ...more],
  })
  const cases = [
    [usages('client auth'), /^UsagesNotAllowed/],
    [usages('key encipherment'), /^UsagesNotAllowed/],
    [{ usages: ['server auth'] }, /^UsagesNotAllowed/],
    [{ expirationSeconds: 86_401 }, /^LifetimeNotAllowed: expirationSeconds: want=\.\.86400/],
  ] as const
  for (const [spec, said] of cases) assert.match(await denied(await ask(asked, { spec })), said)
})

test('a node renews its client certificate, and logs in with it', async () => {
  requirement('approver.requester-proved')
  const certificate = await issued(await ask({}, { signer: client }))
  assert.match(certificate.subject, /O=system:nodes\nCN=system:node:node-b/)
  assert.equal(certificate.subjectAltName, undefined)
  const other = await ask({ commonName: 'system:node:node-c' }, { signer: client })
  assert.match(await denied(other), /^SubjectNotProved/)
  assert.match(await denied(await ask({ addresses: [own] }, { signer: client })), /^NamesNotProved/)
})

test('the first certificate of a node is for whom configuration names, once', async () => {
  requirement('approver.requester-proved')
  const bootstrap = await clientOf('system:bootstrap:abcdef', ['system:bootstrappers:test'])
  await allowToAsk('system:bootstrappers:test')
  const of = (name: string): AskedNames => ({ commonName: `system:node:${name}` })
  const asks = { as: bootstrap, signer: client }
  await issued(await ask(of('node-new'), asks))
  const left = await ask(of('node-x'), asks)
  await waiting(await ask(of('node-c'), asks), /node node-c is there already/)
  assert.deepEqual((await statusOf(left)).conditions ?? [], [])
})

async function allowToAsk(group: string): Promise<void> {
  await create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: `asks-${group.replaceAll(':', '-')}` },
    roleRef: {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'system:node-bootstrapper',
    },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: group }],
  })
}

test('who is no node is left to others', async () => {
  requirement('approver.requester-proved')
  const name = await ask({ addresses: [own] }, { as: admin })
  const later = await ask({ addresses: [own] })
  await issued(later)
  assert.deepEqual((await statusOf(name)).conditions ?? [], [])
})

test('the approver may approve for the signers of nodes, and sign for none', async () => {
  requirement('approver.never-signs')
  const as = await clientOf('approver', [])
  const may = async (verb: string, name: string): Promise<boolean> => {
    const { body } = await as({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: {
          resourceAttributes: { group: 'certificates.k8s.io', resource: 'signers', verb, name },
        },
      },
    })
    return body.status.allowed
  }
  assert.equal(await may('approve', serving), true)
  assert.equal(await may('sign', serving), false)
  assert.equal(await may('approve', 'kubernetes.io/kube-apiserver-client'), false)
  const certificate = Buffer.from('x').toString('base64')
  const pending = await ask({ addresses: ['10.77.0.98'] })
  const { status } = await as({
    method: 'PATCH',
    path: `${requestsPath}/${pending}/status`,
    body: { status: { certificate } },
  })
  assert.equal(status, 403)
})

test('an agent keeps the serving certificate of a virtual node, by the token of its pod', async () => {
  requirement('approver.requester-proved')
  await create('/api/v1/nodes', { metadata: { name: 'virtual-1' } })
  await create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'virtual' } })
  await allowToAsk('system:serviceaccounts:default')
  const files = { kubeconfig: 'virtual.kubeconfig', trustBundle: 'ca.pem', config: 'agent.yaml' }
  const at = (name: string): string => join(folder, name)
  await writePodKubeconfig({
    cluster,
    admin,
    namespace: 'default',
    pod: 'vk-0',
    serviceAccount: 'virtual',
    nodeName: 'node-b',
    file: at(files.kubeconfig),
  })
  const authentication =
    '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication'
  const { body: map } = await admin({ path: authentication })
  await writeFile(at(files.trustBundle), map.data['client-ca-file'])
  const config = {
    kubeconfig: files.kubeconfig,
    trustBundle: files.trustBundle,
    folder: 'kept',
    kubeletServing: { node: 'virtual-1', addresses: ['10.88.0.1'] },
    log: { level: 'error' },
  }
  await writeFile(at(files.config), stringify(config))
  let told = ''
  const tell = (text: string): void => void (told += text)
  const command = (...options: readonly string[]): Promise<number> =>
    run(['agent', '--config', at(files.config), ...options], {
      out: tell,
      err: tell,
      signal: AbortSignal.timeout(60_000),
    })
  assert.equal(await command('--check'), 1, told)
  assert.equal(await command('--check', '--days'), 255, told)
  assert.equal(await command('--days'), 2, told)
  assert.equal(await command('--once'), 0, told)
  assert.equal(await command('--check'), 0, told)
  const certificate = new X509Certificate(await readFile(join(at('kept'), 'tls.crt')))
  assert.equal(certificate.subjectAltName, 'IP Address:10.88.0.1')
  const key = createPrivateKey(await readFile(join(at('kept'), 'tls.key')))
  assert.ok(certificate.checkPrivateKey(key))
})
