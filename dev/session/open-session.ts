import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Cluster } from '../cluster.ts'
import { grantsOf, spiffeIdOf, stage, type Ports } from '../story/cast.ts'
import { platformUsers, type Manifest } from '../story/manifests.ts'
import { ownName, type OwnServer } from '../story/own-server.ts'
import { createPodRunner, type PodRunner } from '../story/pod-runner.ts'
import { enterPods, findPorts, awaitServers, setStage } from '../story/stage.ts'
import { eventually, type World } from '../story/world.ts'
import { CountersignError, quoted } from '../../src/errors.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { segmentOctetsDefault } from '../../src/ledger/ledger.ts'
import { acquireLock, type Lock } from '../../src/ledger/lock.ts'
import type { Log } from '../../src/log.ts'
import { defaultLimits } from '../../src/gateway/limits.ts'
import type { GatewayConfig } from '../../src/cli/gateway/gateway-configuration.ts'
import { runGateway } from '../../src/cli/gateway/run-gateway.ts'
import type { PolicyConfig } from '../../src/cli/shared-configuration.ts'
import { runSigner } from '../../src/cli/signer/run-signer.ts'
import type { SignerConfig } from '../../src/cli/signer/signer-configuration.ts'

/** The whole product, running on one machine, with everybody of the story on stage. */
export interface DevSession extends AsyncDisposable {
  readonly world: World
  readonly gateway: { readonly url: string; readonly adminUrl: string }
  /** Rejects when the signer cannot go on. */
  readonly ended: Promise<void>
}

export interface DevSessionOptions {
  /** There already, and private (0700). */
  readonly folder: string
  readonly log: Log
  /** Brings up a control plane whose pods `runner` runs. */
  readonly startCluster: (runner: PodRunner) => Promise<Cluster>
  readonly progress: (line: string) => void
  /** A server that was brought along, and the environment that its program is started with. */
  readonly own?: OwnServer | undefined
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** What the gateway decides by in place of what is shipped, beside the grants. */
  readonly policy?: PolicyConfig
}

const trustDomain = parseTrustDomain(stage.trustDomain)

/** Starts the control plane, the signer and every pod; the gateway is one of them. Disposal stops all of it. */
export async function openDevSession(options: DevSessionOptions): Promise<DevSession> {
  const { folder, log, progress, own, environment = {}, policy = { data: [] } } = options
  await using opened = new AsyncDisposableStack()
  const lock = await lockFolder(folder)
  opened.defer(() => lock.release())
  await mkdir(join(folder, 'pods'), { recursive: true, mode: 0o700 })
  const ports = await findPorts()
  const paths = pathsIn(folder)
  await writeFile(paths.policyData, JSON.stringify(grantsOf(own)), { mode: 0o600 })
  const gateway = prepareGateway({ ports, paths, log, own, policy })
  const runner = createPodRunner({
    folder: join(folder, 'pods'),
    builtIn: { gateway: gateway.container },
    // One's own program is started as one starts it oneself; its secrets are in no spec.
    inherited: ({ metadata }) =>
      metadata.namespace === 'tools' && metadata.name === ownName ? environment : {},
  })
  progress('starting the control plane')
  const cluster = opened.use(await options.startCluster(runner))
  gateway.cluster.resolve(cluster)
  // Registered after the cluster, so stopped before it: kubelets must not restart what ends here.
  opened.use(runner)

  const admin = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  opened.defer(() => admin.close())
  progress('namespaces, service accounts, permissions')
  await setStage({ admin, own }, await readInstalled())
  progress('starting the signer')
  const signerKubeconfig = await cluster.kubeconfigFor(userOf(platformUsers.signer))
  const config = signerConfig(paths, signerKubeconfig)
  // For commands that say what this signer would say. JSON is YAML.
  await writeFile(paths.signerConfig, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
  const signer = await runSigner(config, { log })
  opened.use(signer)
  // Whoever waits for it is told; until somebody does, a failure is no unhandled one.
  signer.ended.catch(() => {})
  await eventually('a ready signer', () => Promise.resolve(signer.ready() || undefined))

  const { setGatewayClock } = gateway
  const world: World = { cluster, admin, runner, ports, own, folder, paths, log, setGatewayClock }
  progress('pods ask for their certificates')
  await enterPods(world)
  const addresses = await gateway.addresses
  await awaitServers(world)
  await writeTrustBundle(world)
  const parts = opened.move()
  const { ended } = signer
  return { world, gateway: addresses, ended, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

/** The gateway's container: this process, on a clock of its own. */
function prepareGateway(options: {
  readonly ports: Ports
  readonly paths: Paths
  readonly log: Log
  readonly own: OwnServer | undefined
  readonly policy: PolicyConfig
}): {
  /** Settled by whoever starts the cluster. */
  readonly cluster: PromiseWithResolvers<Cluster>
  readonly container: (volumes: Readonly<Record<string, string>>) => Promise<AsyncDisposable>
  readonly addresses: Promise<DevSession['gateway']>
  readonly setGatewayClock: World['setGatewayClock']
} {
  const { ports, paths, log, own, policy } = options
  const cluster = Promise.withResolvers<Cluster>()
  const addresses = Promise.withResolvers<DevSession['gateway']>()
  // Whoever waits for them is told; until somebody does, a failure is no unhandled one.
  addresses.promise.catch(() => {})
  let offsetSeconds = 0
  const now = (): number => Date.now() + offsetSeconds * 1000
  const run = async (volumes: Readonly<Record<string, string>>): Promise<AsyncDisposable> => {
    const started = await cluster.promise
    const kubeconfig = await started.kubeconfigFor(userOf(platformUsers.gateway))
    const volume = volumes[stage.volume] ?? ''
    const config = gatewayConfig({ ports, paths, kubeconfig, volume, own, policy })
    const { adminUrl, ...running } = await runGateway(config, { log, now })
    await eventually('a ready gateway', () => Promise.resolve(running.ready() || undefined))
    addresses.resolve({ url: `https://127.0.0.1:${ports.gateway}`, adminUrl })
    return running
  }
  return {
    cluster,
    container: async (volumes) => {
      const running = run(volumes)
      running.catch((error: unknown) => addresses.reject(error))
      return running
    },
    addresses: addresses.promise,
    setGatewayClock: (seconds) => {
      offsetSeconds = seconds
    },
  }
}

/** Before anything is written: the files of another session that runs there are its own. */
async function lockFolder(folder: string): Promise<Lock> {
  try {
    return await acquireLock(join(folder, 'dev.lock'), { now: Date.now })
  } catch (cause) {
    if (!(cause instanceof CountersignError && cause.code === 'ledger/locked')) throw cause
    const message = `another countersign dev runs in ${quoted(folder, 300)}`
    const hint = 'give --dir another folder, or stop the other one'
    throw new CountersignError('cli/usage', message, { hint })
  }
}

type Paths = World['paths']

function pathsIn(folder: string): Paths {
  return {
    ledger: join(folder, 'ledger'),
    decisionLog: join(folder, 'decisions.jsonl'),
    trustBundle: join(folder, 'trust-bundle.pem'),
    devFile: join(folder, 'dev.json'),
    signerConfig: join(folder, 'signer.yaml'),
    policyData: join(folder, 'policy-data.json'),
  }
}

function userOf(name: string): { name: string; groups: readonly string[] } {
  return { name, groups: ['system:serviceaccounts', `system:serviceaccounts:${stage.system}`] }
}

function signerConfig(paths: Paths, kubeconfig: string): SignerConfig {
  return {
    trustDomain,
    cluster: stage.cluster,
    signerName: stage.signerName,
    clusterDomain: 'cluster.local',
    kubeconfig,
    replica: 'dev',
    authority: {
      selfSigned: {
        namespace: stage.system,
        secret: 'countersign-authority',
        lifetimeSeconds: 7 * 86_400,
      },
    },
    profile: { keyTypes: stage.keyTypes, lifetimeSecondsMax: 3600, backdateSeconds: 90 },
    production: false,
    lease: { namespace: stage.system, name: 'countersign-trust-bundle' },
    enforcement: { namespaces: {} },
    trustBundle: {
      propagationSeconds: 300,
      ownerClusterRole: `countersign-signer.${stage.system}`,
    },
    ledger: { file: paths.ledger, segmentOctets: segmentOctetsDefault },
    policy: { data: [paths.policyData] },
    admin: { host: '127.0.0.1', port: 0 },
    log: { level: 'info' },
  }
}

function gatewayConfig(options: {
  readonly ports: Ports
  readonly paths: Paths
  readonly kubeconfig: string
  readonly volume: string
  readonly own: OwnServer | undefined
  readonly policy: PolicyConfig
}): GatewayConfig {
  const { ports, paths, kubeconfig, volume, own, policy } = options
  const service = `countersign-gateway.${stage.system}.svc`
  const upstream = (
    server: 'github' | 'notes' | 'own',
    eras: readonly ('modern' | 'legacy')[],
  ): GatewayConfig['upstreams'][number] => ({
    server,
    url: `https://127.0.0.1:${ports[server]}/mcp`,
    spiffeId: parseSpiffeId(spiffeIdOf('tools', server)),
    eras,
    timeoutSeconds: 30,
  })
  return {
    trustDomain,
    production: false,
    kubeconfig,
    listen: { host: '127.0.0.1', port: ports.gateway },
    credentialBundle: join(volume, stage.credentialBundle),
    trustBundle: join(volume, stage.trustBundle),
    hosts: [`127.0.0.1:${ports.gateway}`, `localhost:${ports.gateway}`, service],
    origins: [],
    upstreams: [
      upstream('github', ['modern', 'legacy']),
      upstream('notes', ['legacy']),
      ...(own === undefined ? [] : [upstream(ownName, ['modern', 'legacy'])]),
    ],
    toolServers: false,
    denials: 'explicit',
    staleSecondsMax: 120,
    // Nobody balances between gateways here.
    drain: { graceSeconds: 0, callSecondsMax: 10 },
    decisionLog: {
      file: paths.decisionLog,
      fileBytesMax: 268_435_456,
      files: 2,
      whenFull: 'block',
      drops: 'forbid',
      lists: 'digest',
    },
    workers: 1,
    replicas: 1,
    limits: defaultLimits,
    policy: { ...policy, data: [paths.policyData, ...policy.data] },
    admin: { host: '127.0.0.1', port: 0 },
    log: { level: 'info' },
  }
}

/** Beside the programs themselves: what they may do, and what they find there. */
const installedKinds: readonly string[] = [
  'CustomResourceDefinition',
  'ServiceAccount',
  'Secret',
  'Lease',
  'ClusterRole',
  'ClusterRoleBinding',
  'Role',
  'RoleBinding',
]

/** What the chart installs, as it was rendered with the story's names: the story runs with these rights and no others. */
export async function readInstalled(): Promise<readonly Manifest[]> {
  const file = new URL('../../test/vectors/chart/default.yaml', import.meta.url)
  const documents = parseAllDocuments(await readFile(file, 'utf8'), { version: '1.1' })
  return documents
    .map((document) => document.toJS() as Manifest)
    .filter(({ kind }) => installedKinds.includes(kind))
}

/** A copy of the published anchors, for whoever wants to try a call. */
async function writeTrustBundle(world: World): Promise<void> {
  const list = await world.admin.request<{
    items: { spec: { signerName?: string; trustBundle: string } }[]
  }>({ method: 'GET', path: '/apis/certificates.k8s.io/v1/clustertrustbundles' })
  const anchors = list.items
    .filter((item) => item.spec.signerName === stage.signerName)
    .map((item) => item.spec.trustBundle)
  await writeFile(world.paths.trustBundle, anchors.join('\n'), { mode: 0o600 })
}
