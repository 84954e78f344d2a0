/**
 * What the product costs on a real node: kubelet, containerd and the chart, on this machine. Needs what `npm run test:node` needs.
 *
 *     npm run bench node -- [--pods=100] [--json]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { canCall, raiseCurtain } from '../test/node/chapters/calls.ts'
import { rollOut, underLoad } from '../test/node/chapters/rollouts.ts'
import { startNode, type Node } from '../test/node/rig/node.ts'
import { system, systemNamespace } from '../test/node/stage/cast.ts'
import { buildImages } from '../test/node/stage/images.ts'
import { install } from '../test/node/stage/install.ts'
import { eventually } from '../test/support/eventually.ts'

const { values } = parseArgs({
  options: { pods: { type: 'string', default: '100' }, json: { type: 'boolean', default: false } },
})

function report(name: string, figures: Readonly<Record<string, number>>): void {
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ bench: 'node', case: name, ...figures })}\n`)
    return
  }
  const cells = Object.entries(figures).map(([unit, value]) => `${value} ${unit}`)
  process.stdout.write(`${name.padEnd(44)}${cells.join(', ')}\n`)
}

function quantile(sorted: readonly number[], share: number): number {
  const at = Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)
  return Math.round(sorted[Math.max(0, at)] ?? Number.NaN)
}

interface Requests {
  readonly items: readonly { readonly status?: { readonly certificateChain?: string } }[]
}

async function firstCertificate(node: Node): Promise<void> {
  const path = '/apis/certificates.k8s.io/v1/podcertificaterequests'
  for (;;) {
    const { items } = await node.get<Requests>(path)
    if (items.some(({ status }) => status?.certificateChain !== undefined)) return
    await delay(50)
  }
}

/** One command on an empty cluster: until the first certificate is there, and until every pod is Ready. */
async function measureInstallation(node: Node): Promise<void> {
  await node.apply(systemNamespace)
  const begun = performance.now()
  const since = (): number => Math.round(performance.now() - begun)
  const [certificate] = await Promise.all([firstCertificate(node).then(since), install(node)])
  report('helm install to the first certificate', { ms: certificate })
  report('helm install to every pod Ready', { ms: since() })
}

interface Summary {
  readonly pods: readonly {
    readonly podRef: { readonly name: string; readonly namespace: string }
    readonly containers: readonly { readonly memory: { readonly workingSetBytes: number } }[]
  }[]
}

/** What kubelet counts against the limit of each of our pods. */
async function measureMemory(node: Node, when: string): Promise<void> {
  const { pods } = await node.get<Summary>('/api/v1/nodes/node-a/proxy/stats/summary')
  for (const kind of ['signer', 'gateway']) {
    const sizes = pods
      .filter(({ podRef }) => podRef.namespace === system && podRef.name.includes(kind))
      .flatMap(({ containers }) => containers.map(({ memory }) => memory.workingSetBytes))
    report(`memory of a ${kind}, ${when}`, { MiB: Math.round(Math.max(...sizes) / 2 ** 20) })
  }
}

async function measurePodStarts(node: Node): Promise<void> {
  const script = join(import.meta.dirname, 'node', 'pod-starts.ts')
  const words = [script, node.kubeconfig, values.pods]
  const timeoutSeconds = Number(values.pods) * 20
  const { code, stdout, stderr } = await node.run(process.execPath, words, { timeoutSeconds })
  if (code !== 0) throw new Error(stderr)
  const starts = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { certified: boolean; milliseconds: number })
  const quantiles = [true, false].map((certified) => {
    const sorted = starts
      .filter((start) => start.certified === certified)
      .map(({ milliseconds }) => milliseconds)
      .toSorted((a, b) => a - b)
    return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
  })
  const [withOne = { p50: 0, p99: 0 }, without = { p50: 0, p99: 0 }] = quantiles
  report(`pod created to Ready, with a certificate`, {
    'ms p50': withOne.p50,
    'ms p99': withOne.p99,
  })
  report('pod created to Ready, without', { 'ms p50': without.p50, 'ms p99': without.p99 })
  report('what a certificate costs a starting pod', {
    'ms p50': withOne.p50 - without.p50,
    'ms p99': withOne.p99 - without.p99,
  })
}

async function measureRollouts(node: Node): Promise<void> {
  for (const [what, namespace, deployment] of [
    ['gateway', system, 'countersign-gateway'],
    ['tool server', 'tools', 'github'],
  ] as const) {
    const loads = await underLoad(node, 30, () => rollOut(node, namespace, deployment))
    report(`${what} rolled out under three clients`, {
      calls: loads.reduce((sum, { calls }) => sum + calls, 0),
      failed: loads.reduce((sum, { failed }) => sum + failed, 0),
      'ms slowest': Math.max(...loads.map(({ slowestMilliseconds }) => slowestMilliseconds)),
    })
  }
}

const folder = await mkdtemp(join(tmpdir(), 'countersign-images-'))
try {
  const images = await buildImages(folder)
  const begun = performance.now()
  await using node = await startNode({ images })
  report('node from nothing to Ready', { ms: Math.round(performance.now() - begun) })
  await measureInstallation(node)
  await raiseCurtain(node)
  await eventually('a call', () => canCall(node), 30)
  await measureMemory(node, 'idle')
  await measurePodStarts(node)
  await measureRollouts(node)
  await measureMemory(node, 'after all that')
} finally {
  await rm(folder, { recursive: true, force: true })
}
