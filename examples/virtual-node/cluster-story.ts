/** A virtual node: its pod asks for the serving certificate, an approver proves each name, the controller manager signs, and no connection ends for a renewal. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkServerIdentity, type TLSSocket } from 'node:tls'
import { parse, stringify } from 'yaml'
import type { Cluster } from '../../dev/cluster.ts'
import { approverRights } from '../../src/approver/rights.ts'
import { readLedger } from '../../src/ledger/ledger.ts'
import { requestOf } from '../../test/approver/request.ts'
import { eventually } from '../../test/support/eventually.ts'
import { freePort } from '../../test/support/free-port.ts'
import { grantRights } from '../../test/support/grant-rights.ts'
import { createPlainClient, type PlainClient } from '../../test/support/plain-client.ts'
import { writePodKubeconfig } from '../../test/support/pod-kubeconfig.ts'
import { startRealCluster } from '../../test/support/real-cluster.ts'
import { serveLogs } from './virtual-kubelet.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')
const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const namespace = 'interlink'
const node = 'slurm-1'
const address = '10.88.0.20'

interface Stage {
  readonly cluster: Cluster
  readonly admin: PlainClient
  readonly folder: string
}

async function create(admin: PlainClient, path: string, body: object): Promise<void> {
  const answer = await admin({ method: 'POST', path, body })
  assert.equal(answer.status, 201, `${path}: ${JSON.stringify(answer.body)}`)
}

/** What an administrator sets up. */
async function setStage({ cluster, admin, folder }: Stage): Promise<void> {
  await create(admin, '/api/v1/nodes', { metadata: { name: node } })
  await create(admin, '/api/v1/namespaces', { metadata: { name: namespace } })
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  const metadata = { name: 'asks-for-certificates' }
  const resources = ['certificatesigningrequests']
  const rules = [{ apiGroups: ['certificates.k8s.io'], resources, verbs: ['create', 'get'] }]
  await create(admin, `${rbac}/clusterroles`, { metadata, rules })
  await create(admin, `${rbac}/clusterrolebindings`, {
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', ...metadata },
    subjects: [{ kind: 'Group', name: `system:serviceaccounts:${namespace}` }],
  })
  const accounts = [{ namespace, name: node, ofPod: true }]
  await grantRights(admin, 'approver', approverRights({ signers: ['serving'], accounts }))
  // As the API server of a cluster writes it; this one writes none.
  await create(admin, '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    metadata: { name: 'kubernetes', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.88.0.1'] }],
    ports: [{ name: 'https', port: 6443 }],
  })
  // A pod beside the virtual kubelet's: the same namespace, and bound to no node.
  for (const [serviceAccount, pod] of [
    [node, 'virtual-kubelet-0'],
    ['batch', 'batch-0'],
  ] as const) {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts`
    await create(admin, path, { metadata: { name: serviceAccount } })
    const file = join(folder, `${serviceAccount}.kubeconfig`)
    const nodeName = 'node-b'
    await writePodKubeconfig({ cluster, admin, namespace, pod, serviceAccount, nodeName, file })
  }
  const path = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication'
  const { body } = await admin({ path })
  await writeFile(join(folder, 'kubelet-signer.pem'), body.data['client-ca-file'])
}

/** Runs `countersign …` with one of the files here, and what only this run knows. */
async function start(
  folder: string,
  { command, kubeconfig, ready }: { command: string; kubeconfig: string; ready: boolean },
): Promise<AsyncDisposable> {
  const name = command === 'agent' ? 'agent.yaml' : 'approver.yaml'
  const port = await freePort()
  const written = parse(await readFile(join(import.meta.dirname, name), 'utf8'))
  const admin = { host: '127.0.0.1', port }
  const config = { ...written, kubeconfig, admin, log: { level: 'warn' } }
  await writeFile(join(folder, name), stringify(config))
  const child = spawn(process.execPath, [main, command, '--config', join(folder, name)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  await eventually(`${command} is ${ready ? 'ready' : 'there'}`, async () => {
    assert.equal(child.exitCode, null)
    const path = ready ? 'readyz' : 'healthz'
    return fetch(`http://127.0.0.1:${port}/${path}`).then(
      ({ ok }) => ok,
      () => false,
    )
  })
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}

/** As the API server connects to a node: by its address, which the certificate has to be for. */
async function openLogs(port: number, ca: string): Promise<IncomingMessage> {
  const sent = request({
    host: '127.0.0.1',
    port,
    ca,
    agent: false,
    checkServerIdentity: (_host, certificate) => checkServerIdentity(address, certificate),
  })
  sent.end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  return answer
}

function certificateOf(answer: IncomingMessage): X509Certificate {
  return (answer.socket as TLSSocket).getPeerX509Certificate() ?? assert.fail('no certificate')
}

interface Request {
  readonly metadata: { readonly name: string }
  readonly spec: { readonly username: string }
  readonly status: {
    readonly certificate?: string
    readonly conditions?: readonly { readonly type: string; readonly message: string }[]
  }
}

async function requestsOf(admin: PlainClient, account: string): Promise<readonly Request[]> {
  const { body } = await admin({ path: requests })
  const all = body.items as readonly Request[]
  return all.filter(({ spec }) => spec.username.endsWith(`:${namespace}:${account}`))
}

/** Another pod of the namespace asks for the same names, with the right that each of them has. */
async function askAsAnother({ folder }: Stage): Promise<number> {
  const kubeconfig = parse(await readFile(join(folder, 'batch.kubeconfig'), 'utf8'))
  const [{ cluster }] = kubeconfig.clusters
  const [{ user }] = kubeconfig.users
  const sent = request(new URL(requests, cluster.server), {
    method: 'POST',
    ca: Buffer.from(cluster['certificate-authority-data'], 'base64'),
    headers: { authorization: `Bearer ${user.token}`, 'content-type': 'application/json' },
  })
  const asked = requestOf({ commonName: `system:node:${node}`, addresses: [address] })
  const signerName = 'kubernetes.io/kubelet-serving'
  const usages = ['digital signature', 'server auth']
  sent.end(
    JSON.stringify({
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: 'of-batch' },
      spec: { signerName, request: asked, usages },
    }),
  )
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  answer.resume()
  return answer.statusCode ?? 0
}

/** A virtual kubelet that is called all the while. Gives how many connections were opened. */
async function untilRenewed(
  folder: string,
  { kubelet, first, stream }: { kubelet: number; first: string; stream: IncomingMessage },
): Promise<number> {
  const ca = await readFile(join(folder, 'kubelet-signer.pem'), 'utf8')
  let lines = 0
  stream.on('data', (chunk: Buffer) => (lines += chunk.toString().split('\n').length - 1))
  let connections = 0
  await eventually(
    'another certificate is served',
    async () => {
      const answer = await openLogs(kubelet, ca)
      connections += 1
      const { fingerprint256 } = certificateOf(answer)
      answer.destroy()
      await new Promise((resolve) => setTimeout(resolve, 100))
      return fingerprint256 !== first
    },
    170,
  )
  const before = lines
  await eventually('the stream of before goes on', () => lines > before + 2)
  assert.equal(stream.destroyed, false)
  return connections
}

async function walk(stage: Stage): Promise<void> {
  const { admin, folder } = stage
  await setStage(stage)

  // 1. The agent asks, and waits: a request is approved by nobody for what it says of itself.
  await using programs = new AsyncDisposableStack()
  const agent = await start(folder, {
    command: 'agent',
    kubeconfig: `${node}.kubeconfig`,
    ready: false,
  })
  programs.use(agent)
  await eventually('it asks', async () => (await requestsOf(admin, node)).length === 1)
  assert.equal(await askAsAnother(stage), 201)
  for (const account of [node, 'batch']) {
    const [request] = await requestsOf(admin, account)
    assert.deepEqual(request?.status, {}, account)
  }

  // 2. The approver proves every name, for the account that is bound to that node; the controller manager signs.
  await mkdir(join(folder, 'ledger'))
  const approverKubeconfig = await stage.cluster.kubeconfigFor({ name: 'approver', groups: [] })
  const approver = await start(folder, {
    command: 'approve-requests',
    kubeconfig: approverKubeconfig,
    ready: true,
  })
  programs.use(approver)
  const kept = join(folder, 'kept')
  await eventually('there is a certificate', () =>
    readFile(join(kept, 'tls.crt')).then(
      () => true,
      () => false,
    ),
  )
  const [approved] = await requestsOf(admin, node)
  const said = approved?.status.conditions?.[0]?.message ?? ''
  assert.match(said, /address 10\.88\.0\.20 by configuration/)
  console.log(`approved: ${said}`)

  // 3. The virtual kubelet serves with it, and those who call it see no renewal.
  await using kubelet = await serveLogs(kept)
  const ca = await readFile(join(folder, 'kubelet-signer.pem'), 'utf8')
  const stream = await openLogs(kubelet.port, ca)
  const before = certificateOf(stream)
  assert.equal(before.subjectAltName, `IP Address:${address}`)
  const first = before.fingerprint256
  const connections = await untilRenewed(folder, { kubelet: kubelet.port, first, stream })
  const next = await openLogs(kubelet.port, ca)
  const after = certificateOf(next)
  assert.notDeepEqual(
    after.publicKey.export({ format: 'jwk' }),
    before.publicKey.export({ format: 'jwk' }),
  )
  console.log(`renewed: ${connections} connections opened, 1 kept, 0 failed`)
  next.destroy()
  stream.destroy()
  await settleAccounts(stage)
}

/** One request for each certificate, and none of another pod's was ever approved. */
async function settleAccounts({ admin, folder }: Stage): Promise<void> {
  assert.equal((await requestsOf(admin, node)).length, 2)
  const [other] = await requestsOf(admin, 'batch')
  assert.deepEqual(other?.status, {})
  const outcomes: string[] = []
  for await (const { record } of readLedger(join(folder, 'ledger/approver.jsonl'))) {
    if (record.kind === 'node-verdict') outcomes.push(`${record.verdict} ${record.outcome}`)
  }
  assert.deepEqual(outcomes.toSorted(), [
    'approved published',
    'approved published',
    'approved unknown',
    'approved unknown',
  ])
}

const folder = await mkdtemp(join(tmpdir(), 'countersign-virtual-node-'))
try {
  await using cluster = await startRealCluster({ signingDuration: '3m' })
  await walk({ cluster, admin: await createPlainClient(cluster.adminKubeconfig), folder })
} finally {
  await rm(folder, { recursive: true, force: true })
}
