import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from '../../dev/cluster.ts'
import { toolPath } from '../tools/build.ts'
import type { ToolName } from '../tools/programs.ts'
import { createAuthority, writeKubeconfig, type Authority } from './cluster-credentials.ts'
import { followEveryCertificate, type EveryCertificate } from './every-certificate.ts'
import { createPlainClient, type PlainClient } from './plain-client.ts'
import { ProcessGroup } from './process-group.ts'

const kubeletNode = 'node-a'
/** A Node object only: its credentials stand for a node that another one must not act for. */
const bareNode = 'node-b'

interface Ports {
  readonly etcdClient: number
  readonly etcdPeer: number
  readonly server: number
}

/** All held at once before any is released, so that they differ from each other. */
async function freePorts(): Promise<Ports> {
  const servers: Server[] = [createServer(), createServer(), createServer()]
  const ports = await Promise.all(
    servers.map(async (server) => {
      await once(server.listen(0, '127.0.0.1'), 'listening')
      return (server.address() as AddressInfo).port
    }),
  )
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  const [etcdClient = 0, etcdPeer = 0, server = 0] = ports
  return { etcdClient, etcdPeer, server }
}

function requireTool(name: ToolName): string {
  const path = toolPath(name)
  if (path === undefined)
    throw new Error(`${name} is not built: run node test/tools/build.ts first`)
  return path
}

interface Layout {
  readonly folder: string
  readonly ports: Ports
  readonly serverUrl: string
  readonly caFile: string
  readonly clientCaFile: string
  readonly clientCaKeyFile: string
  readonly serverCertificateFile: string
  readonly serverKeyFile: string
  readonly accountKeyFile: string
  readonly accountPublicKeyFile: string
  /** The kubelet puts Unix sockets in it, so the whole path has to stay short (107 octets). */
  readonly kubeletRoot: string
}

function layOut(folder: string, ports: Ports): Layout {
  return {
    folder,
    ports,
    serverUrl: `https://127.0.0.1:${ports.server}`,
    caFile: join(folder, 'serving-ca.pem'),
    clientCaFile: join(folder, 'client-ca.pem'),
    clientCaKeyFile: join(folder, 'client-ca-key.pem'),
    serverCertificateFile: join(folder, 'server.pem'),
    serverKeyFile: join(folder, 'server-key.pem'),
    accountKeyFile: join(folder, 'service-account-key.pem'),
    accountPublicKeyFile: join(folder, 'service-account-public.pem'),
    kubeletRoot: join(folder, 'kubelet'),
  }
}

async function writeKeys(layout: Layout, serving: Authority, clients: Authority): Promise<void> {
  const server = await serving.issueServer([
    { type: 'ip', value: '127.0.0.1' },
    { type: 'dns', value: 'localhost' },
    { type: 'dns', value: 'kubernetes.default.svc' },
  ])
  const accounts = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const files = [
    [layout.caFile, serving.certificatePem],
    [layout.clientCaFile, clients.certificatePem],
    [layout.clientCaKeyFile, clients.privateKeyPem],
    [layout.serverCertificateFile, server.certificatePem],
    [layout.serverKeyFile, server.privateKeyPem],
    [layout.accountKeyFile, accounts.privateKey],
    [layout.accountPublicKeyFile, accounts.publicKey],
  ] as const
  for (const [path, text] of files) await writeFile(path, text, { mode: 0o600 })
}

function startEtcd(group: ProcessGroup, { folder, ports }: Layout): void {
  const client = `http://127.0.0.1:${ports.etcdClient}`
  const peer = `http://127.0.0.1:${ports.etcdPeer}`
  group.start({
    name: 'etcd',
    path: requireTool('etcd'),
    args: [
      `--name=default`,
      `--data-dir=${join(folder, 'etcd')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      '--unsafe-no-fsync',
    ],
  })
}

interface ServerSettings {
  /** API versions besides the default ones, such as `certificates.k8s.io/v1beta1=true`. */
  readonly runtimeConfig?: readonly string[]
  /** Such as `PodCertificateRequest=false`. */
  readonly featureGates?: readonly string[]
  /** The plugin is in force unless told. */
  readonly nodeRestriction?: boolean
  /** How long what the controller manager signs is good for, unless less is asked for: two hours unless told. */
  readonly signingDuration?: string
  /** Without controller manager and kubelet: what is asked of it is what an API server does by itself. */
  readonly serverOnly?: boolean
  /** The test signs by hand what nobody has to take: else OpenSSL and Go verify every certificate at the end. */
  readonly signsByHand?: boolean
}

function startApiServer(group: ProcessGroup, layout: Layout, settings: ServerSettings): void {
  const { runtimeConfig = [], featureGates = [], nodeRestriction = true } = settings
  group.start({
    name: 'kube-apiserver',
    path: requireTool('kube-apiserver'),
    args: [
      `--etcd-servers=http://127.0.0.1:${layout.ports.etcdClient}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${layout.ports.server}`,
      '--advertise-address=127.0.0.1',
      // The lease reconciler refuses to publish a loopback address and ends the server.
      '--endpoint-reconciler-type=none',
      `--tls-cert-file=${layout.serverCertificateFile}`,
      `--tls-private-key-file=${layout.serverKeyFile}`,
      `--client-ca-file=${layout.clientCaFile}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${layout.accountPublicKeyFile}`,
      `--service-account-signing-key-file=${layout.accountKeyFile}`,
      '--service-cluster-ip-range=10.0.0.0/24',
      '--authorization-mode=Node,RBAC',
      ...(nodeRestriction ? ['--enable-admission-plugins=NodeRestriction'] : []),
      // A test's pods need no token, and may come before their namespace's default account.
      '--disable-admission-plugins=ServiceAccount',
      ...runtimeConfig.map((setting) => `--runtime-config=${setting}`),
      ...(featureGates.length === 0 ? [] : [`--feature-gates=${featureGates.join(',')}`]),
    ],
  })
}

function startControllerManager(
  group: ProcessGroup,
  layout: Layout,
  {
    kubeconfig,
    signingDuration = '2h',
  }: { kubeconfig: string; signingDuration: string | undefined },
): void {
  group.start({
    name: 'kube-controller-manager',
    path: requireTool('kube-controller-manager'),
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--service-account-private-key-file=${layout.accountKeyFile}`,
      `--root-ca-file=${layout.caFile}`,
      '--leader-elect=false',
      // It signs what is approved for the signers of Kubernetes, so that a node can log in with it.
      `--cluster-signing-cert-file=${layout.clientCaFile}`,
      `--cluster-signing-key-file=${layout.clientCaKeyFile}`,
      `--cluster-signing-duration=${signingDuration}`,
      '--secure-port=0',
      // The bare node never reports: its taints would evict the pods that tests put there.
      '--controllers=*,-node-lifecycle-controller,-taint-eviction-controller',
    ],
  })
}

function startKubelet(group: ProcessGroup, layout: Layout, kubeconfig: string): void {
  group.start({
    name: 'kubelet',
    path: requireTool('kubemark'),
    args: [`--name=${kubeletNode}`, `--kubeconfig=${kubeconfig}`, `--root=${layout.kubeletRoot}`],
  })
}

async function nodeIsReady(client: PlainClient): Promise<boolean> {
  const { body } = await client({ path: `/api/v1/nodes/${kubeletNode}` })
  const conditions: readonly { type: string; status: string }[] = body.status?.conditions ?? []
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}

async function createBareNode(client: PlainClient): Promise<void> {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: bareNode } }
  const { status } = await client({ method: 'POST', path: '/api/v1/nodes', body: node })
  if (status !== 201) throw new Error(`creating ${bareNode}: want=201 got=${status}`)
}

/** Starts the programs of `node test/tools/build.ts` on loopback, everything in one temporary folder. */
export async function startRealCluster(
  options: ServerSettings & { readonly onProgress?: (line: string) => void },
): Promise<Cluster> {
  const report = options.onProgress ?? (() => undefined)
  const beside = ['kube-controller-manager', 'kubemark'] as const
  const names = ['etcd', 'kube-apiserver', ...(options.serverOnly === true ? [] : beside)] as const
  for (const name of names) requireTool(name)
  const keep = Boolean(process.env['COUNTERSIGN_KEEP'])
  const folder = await mkdtemp(join(tmpdir(), 'countersign-'))
  const group = new ProcessGroup({ folder, removeFolderAtEnd: !keep })

  let every: EveryCertificate | undefined
  async function dispose(): Promise<void> {
    try {
      const verified = (await every?.verify()) ?? 0
      report(`OpenSSL and Go take the ${verified} certificates that were issued`)
    } finally {
      await group[Symbol.asyncDispose]()
      if (keep) report(`kept ${folder}`)
      else await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    }
  }

  try {
    const cluster = await startIn({ folder, group, settings: options, report, dispose })
    if (options.signsByHand !== true) every = followEveryCertificate(cluster.adminKubeconfig)
    return cluster
  } catch (error) {
    await dispose()
    throw error
  }
}

async function startBeside(options: {
  readonly group: ProcessGroup
  readonly layout: Layout
  readonly client: PlainClient
  readonly report: (line: string) => void
  readonly kubeconfigs: { readonly admin: string; readonly node: string }
  readonly signingDuration: string | undefined
}): Promise<void> {
  const { group, layout, client, report, kubeconfigs, signingDuration } = options
  report('starting kube-controller-manager and the kubelet')
  startControllerManager(group, layout, { kubeconfig: kubeconfigs.admin, signingDuration })
  startKubelet(group, layout, kubeconfigs.node)
  await group.until(`node ${kubeletNode} ready`, 60, () => nodeIsReady(client))
  await group.until('kube-controller-manager at work', 60, async () => {
    const path = '/api/v1/namespaces/default/serviceaccounts/default'
    return (await client({ path })).status === 200
  })
}

async function startIn(options: {
  readonly folder: string
  readonly group: ProcessGroup
  readonly settings: ServerSettings
  readonly report: (line: string) => void
  readonly dispose: () => Promise<void>
}): Promise<Cluster> {
  const { folder, group, settings, report, dispose } = options
  const layout = layOut(folder, await freePorts())
  const serving = await createAuthority('countersign test serving CA')
  const clients = await createAuthority('countersign test client CA')
  await writeKeys(layout, serving, clients)

  let kubeconfigs = 0
  const kubeconfigFor: Cluster['kubeconfigFor'] = async (user) =>
    writeKubeconfig({
      path: join(folder, `kubeconfig-${++kubeconfigs}.yaml`),
      server: layout.serverUrl,
      caPem: serving.certificatePem,
      credential: await clients.issueClient(user),
    })

  const adminKubeconfig = await kubeconfigFor({ name: 'admin', groups: ['system:masters'] })
  const client = await createPlainClient(adminKubeconfig)

  report('starting etcd and kube-apiserver')
  startEtcd(group, layout)
  startApiServer(group, layout, settings)
  await group.until('kube-apiserver ready', 60, async () => {
    return (await client({ path: '/readyz' })).status === 200
  })
  await createBareNode(client)
  if (settings.serverOnly !== true) {
    const user = { name: `system:node:${kubeletNode}`, groups: ['system:nodes'] }
    const kubeconfigs = { admin: adminKubeconfig, node: await kubeconfigFor(user) }
    const { signingDuration } = settings
    await startBeside({ group, layout, client, report, kubeconfigs, signingDuration })
  }
  report(`ready at ${layout.serverUrl}`)

  return {
    kind: 'real',
    server: layout.serverUrl,
    caFile: layout.caFile,
    adminKubeconfig,
    nodeNames: settings.serverOnly === true ? [] : [kubeletNode],
    kubeconfigFor,
    async volumeFolder(podUid, volumeName) {
      const volumes = join(layout.kubeletRoot, 'pods', podUid, 'volumes/kubernetes.io~projected')
      const path = join(volumes, volumeName)
      return (await stat(path).catch(() => undefined)) && path
    },
    [Symbol.asyncDispose]: dispose,
  }
}
