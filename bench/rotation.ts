/**
 * Handshakes of pods that connect all the while, through whole rotations of the CA and beside the same load without one.
 *
 * Two replicas of the signer as far as they follow and publish the CA, on a real API server where `node test/tools/build.ts cluster` has
 * built one. Tool servers and agents with the product's own libraries; each request is a new connection with certificates on both sides.
 * Volumes are written late, each at another time: the certificate and the anchors, in any order. A rotation is given by `countersign ca`:
 * prepare, activate, taint and revoke, each as soon as it is taken. Quiet turns and rotations follow each other, and take as long.
 *
 *     npm run bench rotation -- [--json] [--rounds=3] [--agents=8] [--late=10] [--wait=22]
 *
 * `--wait` is `trustBundle.propagationSeconds`, twelve more than `--late` unless told; with less than volumes are late handshakes fail.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Cluster } from '../dev/cluster.ts'
import { startEmbeddedCluster } from '../dev/embedded-cluster.ts'
import { run } from '../src/cli/program.ts'
import { parseTrustDomain } from '../src/identity/trust-domain.ts'
import { createApiClient, type ApiClient } from '../src/kubernetes/api-client.ts'
import { trustBundleName } from '../src/kubernetes/cluster-trust-bundle.ts'
import { startRealCluster } from '../test/support/real-cluster.ts'
import { openReplica } from '../test/support/rotating-signer.ts'
import { toolPath } from '../test/tools/build.ts'
import { median, quantile, report, rounded } from './rig/report.ts'
import { startRotatingPods, type Handshakes } from './rig/rotating-pods.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    agents: { type: 'string', default: '8' },
    late: { type: 'string', default: '10' },
    wait: { type: 'string' },
  },
})

const namespace = 'countersign-system'
const secret = { namespace, name: 'countersign-authority' }
const signerName = 'countersign.dev/identity'
const trustDomain = parseTrustDomain('bench.example')
const lateSeconds = Number(values.late)
/** Kubelets are never later than this, and their readers look every ten seconds at the latest. */
const propagationSeconds = Number(values.wait ?? lateSeconds + 12)

const folder = mkdtempSync(join(tmpdir(), 'countersign-rotation-'))
try {
  await measure()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measure(): Promise<void> {
  await using cluster = await startCluster()
  const client = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  await install(client)
  const signer = { client, trustDomain, signerName, secret, propagationSeconds }
  await using one = await openReplica(signer, 'one')
  await using other = await openReplica(signer, 'other')
  await using pods = await startRotatingPods({
    folder,
    trustDomain,
    signers: [one.authorities, other.authorities],
    bundle: () => readBundle(client),
    servers: 2,
    agents: Number(values.agents),
    lateSeconds,
  })
  const ca = (...argv: readonly string[]): Promise<CaDocument> => command(cluster, argv)
  const quiet: Turn[] = []
  const rotating: Turn[] = []
  await delay(3000)
  for (let round = 0; round < Number(values.rounds); round += 1) {
    rotating.push(await turn(pods, () => rotate(ca)))
    const seconds = rotating.at(-1)?.seconds ?? 0
    quiet.push(await turn(pods, () => delay(seconds * 1000)))
  }
  report(
    {
      bench: 'rotation',
      title: `${values.rounds} rotations, ${values.agents} agents to 2 tool servers, volumes up to ${lateSeconds} s late, ${cluster.kind} API server`,
      columns: ['handshakes', 'failed', 'per s', 'p50 ms', 'p99 ms', 'most ms', 'seconds'],
      rows: [row('rotating', rotating), row('quiet', quiet)],
    },
    values,
  )
  for (const why of new Set([...rotating, ...quiet].flatMap(({ failures }) => failures))) {
    process.stderr.write(`failed: ${why}\n`)
    process.exitCode = 1
  }
  client.close()
}

type Turn = Handshakes & { readonly seconds: number }

async function turn(pods: { take(): Handshakes }, work: () => Promise<void>): Promise<Turn> {
  pods.take()
  const began = performance.now()
  await work()
  return { ...pods.take(), seconds: (performance.now() - began) / 1000 }
}

function row(name: string, turns: readonly Turn[]): { name: string; cells: readonly number[] } {
  const all = turns.flatMap(({ milliseconds }) => milliseconds)
  const seconds = turns.reduce((sum, each) => sum + each.seconds, 0)
  return {
    name,
    cells: [
      all.length,
      turns.reduce((sum, { failures }) => sum + failures.length, 0),
      Math.round(all.length / seconds),
      rounded(median(all), 1),
      rounded(quantile(all, 0.99), 1),
      rounded(
        all.reduce((most, each) => Math.max(most, each), 0),
        1,
      ),
      Math.round(seconds),
    ],
  }
}

interface CaDocument {
  readonly authorities: readonly {
    readonly sha256: string
    readonly state: string
    readonly published: boolean
    readonly waitSeconds?: number | null
  }[]
}

/** All of it: at the end one CA is trusted, as before. */
async function rotate(ca: (...argv: readonly string[]) => Promise<CaDocument>): Promise<void> {
  await ca('prepare')
  await until(async () => (await ca('status')).authorities.at(-1)?.waitSeconds === 0)
  const { authorities } = await ca('activate')
  const before = authorities.findLast(({ state }) => state === 'old')?.sha256.slice(0, 12) ?? ''
  await ca('taint', before)
  // As an operator evicts whoever has a certificate of it; here each has another one by then, and reads it.
  await delay((lateSeconds * 2 + 12) * 1000)
  await ca('revoke', before)
  await until(
    async () => (await ca('status')).authorities.filter((each) => each.published).length === 1,
  )
  await delay(propagationSeconds * 1000)
}

async function until(is: () => Promise<boolean>): Promise<void> {
  while (!(await is())) await delay(500)
}

async function command(cluster: Cluster, argv: readonly string[]): Promise<CaDocument> {
  let out = ''
  let err = ''
  const file = join(folder, 'signer.yaml')
  const options = ['--config', file, '--kubeconfig', cluster.adminKubeconfig, '--json']
  const code = await run(['ca', ...argv, ...options], {
    out: (text) => (out += text),
    err: (text) => (err += text),
    signal: new AbortController().signal,
  })
  if (code !== 0) throw new Error(`countersign ca ${argv.join(' ')}: ${err}`)
  return JSON.parse(out) as CaDocument
}

function startCluster(): Promise<Cluster> {
  if (toolPath('kube-apiserver') !== undefined) return startRealCluster({})
  process.stderr.write('NO REAL API SERVER IS BUILT: measured on the embedded one\n')
  return startEmbeddedCluster({ folder, nodeNames: [] })
}

/** What the chart makes: empty, for the signer to fill. */
async function install(client: ApiClient): Promise<void> {
  const make = (path: string, name: string): Promise<unknown> =>
    client.request({ method: 'POST', path, body: { metadata: { name } } })
  await make('/api/v1/namespaces', namespace)
  await make(`/api/v1/namespaces/${namespace}/secrets`, secret.name)
  await make(
    `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`,
    'countersign-trust-bundle',
  )
  const authority = { selfSigned: { namespace, secret: secret.name, lifetimeSeconds: 30 * 86_400 } }
  const rest = { ledger: { file: 'ledger' }, policy: { bundle: 'policy' } }
  const config = {
    trustDomain,
    cluster: 'bench',
    authority,
    trustBundle: { propagationSeconds },
    ...rest,
  }
  writeFileSync(join(folder, 'signer.yaml'), JSON.stringify(config))
}

async function readBundle(client: ApiClient): Promise<string> {
  const name = encodeURIComponent(trustBundleName(signerName, trustDomain))
  const path = `/apis/certificates.k8s.io/v1/clustertrustbundles/${name}`
  const found = await client.request<{ readonly spec: { readonly trustBundle: string } }>({
    method: 'GET',
    path,
  })
  return found.spec.trustBundle
}
