/**
 * How long signer and gateway take from nothing to ready, and what memory they hold then: the bundled programs of the image, each
 * a process of its own, against the embedded control plane. The same from the sources, beside it. Two minutes are idle: V8 looks
 * after a quiet heap a hundred seconds after its last full collection.
 *   npm run bench start -- [--rounds=3] [--idle-seconds=120] [--json]
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startEmbeddedCluster } from '../dev/embedded-cluster.ts'
import { readInstalled } from '../dev/session/open-session.ts'
import { platformUsers } from '../dev/story/manifests.ts'
import { stage } from '../dev/story/cast.ts'
import { findPorts, setStage } from '../dev/story/stage.ts'
import { bundleProgram, mainModule } from '../image/bundle.ts'
import { config } from '../image/product.ts'
import { createApiClient } from '../src/kubernetes/api-client.ts'
import { createTestAuthority } from '../test/support/test-authority.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    'idle-seconds': { type: 'string', default: '120' },
    json: { type: 'boolean', default: false },
  },
})

const root = join(import.meta.dirname, '..')
const programs = ['signer', 'gateway'] as const
type Program = (typeof programs)[number]

interface Start {
  readonly form: string
  readonly program: Program
  readonly readyMilliseconds: number
  /** Of the processor, until ready: what a busy machine does not lengthen. */
  readonly processorMilliseconds: number
  readonly idleMegabytes: number
}

await main()

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-start-'))
  try {
    await measure(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(folder: string): Promise<void> {
  await using cluster = await startEmbeddedCluster({ folder, nodeNames: [] })
  const admin = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  await setStage({ admin }, await readInstalled())
  admin.close()
  const kubeconfigs = {
    signer: await cluster.kubeconfigFor(userOf(platformUsers.signer)),
    gateway: await cluster.kubeconfigFor(userOf(platformUsers.gateway)),
  }
  const forms: Readonly<Record<string, readonly string[]>> = {
    bundle: [...config.Entrypoint.slice(1, -1), await writeBundle(folder)],
    sources: [join(root, 'src', 'cli', 'main.ts')],
  }
  const starts: Start[] = []
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const [form, command] of Object.entries(forms)) {
      const running: { readonly program: Program; readonly started: Started }[] = []
      for (const program of programs) {
        const { gateway: port } = await findPorts()
        const file = await writeConfiguration(folder, program, kubeconfigs[program], port)
        const started = await start([...command, program, '--config', file], port)
        running.push({ program, started })
      }
      await delay(Number(values['idle-seconds']) * 1000)
      for (const { program, started } of running) {
        const { child, ...figures } = started
        starts.push({ form, program, ...figures, idleMegabytes: residentMegabytes(child) })
        child.kill()
        if (child.exitCode === null) await once(child, 'exit')
      }
    }
  }
  report(starts)
}

function userOf(name: string): { name: string; groups: readonly string[] } {
  return { name, groups: ['system:serviceaccounts', `system:serviceaccounts:${stage.system}`] }
}

async function writeBundle(folder: string): Promise<string> {
  const into = join(folder, 'product', 'dist', 'cli')
  mkdirSync(into, { recursive: true })
  for (const [name, data] of (await bundleProgram(root)).files)
    writeFileSync(join(into, name), data)
  cpSync(join(root, 'policies', 'bundle'), join(folder, 'product', 'policies', 'bundle'), {
    recursive: true,
  })
  return join(into, mainModule)
}

async function writeConfiguration(
  folder: string,
  program: Program,
  kubeconfig: string,
  port: number,
): Promise<string> {
  const own = mkdtempSync(join(folder, `${program}-`))
  const file = join(own, `${program}.yaml`)
  const shared = { trustDomain: stage.trustDomain, kubeconfig, admin: { port }, production: false }
  writeFileSync(
    file,
    JSON.stringify({ ...shared, ...(program === 'signer' ? signerOf() : gatewayOf(own)) }),
  )
  return file
}

function signerOf(): object {
  return {
    cluster: stage.cluster,
    replica: 'bench',
    authority: { selfSigned: { namespace: stage.system } },
    ledger: { file: 'ledger.jsonl' },
  }
}

function gatewayOf(folder: string): object {
  const authority = createTestAuthority({ trustDomain: stage.trustDomain })
  const leaf = authority.issue({
    namespace: stage.system,
    serviceAccount: 'gateway',
    role: 'tool-broker',
  })
  writeFileSync(join(folder, 'credential.pem'), leaf.credentialPem, { mode: 0o600 })
  writeFileSync(join(folder, 'anchors.pem'), authority.bundlePem)
  const spiffeId = `spiffe://${stage.trustDomain}/ns/tools/sa/github`
  return {
    listen: { host: '127.0.0.1', port: 0 },
    credentialBundle: 'credential.pem',
    trustBundle: 'anchors.pem',
    hosts: ['gateway.bench'],
    upstreams: [{ server: 'github', url: 'https://127.0.0.1:9/mcp', spiffeId }],
    decisionLog: { file: 'decisions.jsonl' },
  }
}

interface Started {
  readonly child: ChildProcess
  readonly readyMilliseconds: number
  readonly processorMilliseconds: number
}

async function start(words: readonly string[], adminPort: number): Promise<Started> {
  const file = join(dirname(words.at(-1) ?? ''), 'log')
  const log = openSync(file, 'w')
  const began = performance.now()
  const env = Object.fromEntries((config.Env ?? []).map((each) => each.split('=')))
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', log, log] })
  while (!(await isReady(adminPort))) {
    if (child.exitCode !== null || performance.now() - began > 60_000) {
      child.kill()
      throw new Error(`not ready: ${words.join(' ')}\n${readFileSync(file, 'utf8')}`)
    }
    await delay(5)
  }
  const readyMilliseconds = performance.now() - began
  return { child, readyMilliseconds, processorMilliseconds: processorTime(child) }
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ port, host: '127.0.0.1', path: '/readyz', agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    }).once('error', () => resolve(false))
  })
}

/** User and system time are the 14th and 15th field; the second, in brackets, has no blank here. The unit is 10 ms. */
function processorTime({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10
}

function residentMegabytes({ pid }: ChildProcess): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return (Number(kibibytes) * 1024) / 1e6
}

function report(starts: readonly Start[]): void {
  const groups = Map.groupBy(starts, ({ form, program }) => `${form} ${program}`)
  for (const [name, group] of groups) {
    const ready = spread(group.map(({ readyMilliseconds }) => readyMilliseconds))
    const processor = spread(group.map(({ processorMilliseconds }) => processorMilliseconds))
    const idle = spread(group.map(({ idleMegabytes }) => idleMegabytes))
    if (values.json) {
      const row = {
        bench: 'start',
        case: name,
        readyMilliseconds: ready,
        processorMilliseconds: processor,
      }
      process.stdout.write(`${JSON.stringify({ ...row, idleMegabytes: idle })}\n`)
    } else {
      process.stdout.write(
        `${name}: ready in ${ready.median} ms (most ${ready.most}), of the processor ${processor.median} ms, idle at ${idle.median} MB (most ${idle.most})\n`,
      )
    }
  }
}

function spread(figures: readonly number[]): { readonly median: number; readonly most: number } {
  const sorted = figures.map((figure) => Math.round(figure)).toSorted((a, b) => a - b)
  return { median: sorted[Math.floor(sorted.length / 2)] ?? 0, most: sorted.at(-1) ?? 0 }
}
