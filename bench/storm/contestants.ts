/** Two signers on one real API server: ours as the image runs it, and the plainest one that client-go makes easy. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster } from '../../dev/cluster.ts'
import { bundleProgram, mainModule } from '../../image/bundle.ts'
import { config } from '../../image/product.ts'
import { createTestAuthority } from '../../test/support/test-authority.ts'

export interface Contestant {
  readonly name: string
  readonly signerName: string
  readonly pid: number
  /** Stops it where it stands, and lets it go on. */
  hold(): void
  release(): void
  close(): Promise<void>
}

const system = 'countersign-system'
export const trustDomain = 'storm.example'

export const signerNames = {
  ours: 'countersign.dev/storm',
  before: 'countersign.dev/before',
  peer: 'peer.example/storm',
} as const

/** A contestant is no cluster administrator: the API server would let such a one pass all of its queues. */
function userOf(name: string): { name: string; groups: readonly string[] } {
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${system}`]
  return { name: `system:serviceaccount:${system}:${name}`, groups }
}

/** With more of the signer's configuration, if any. */
export function startOurs(
  cluster: Cluster,
  folder: string,
  more: object = {},
): Promise<Contestant> {
  const root = join(import.meta.dirname, '..', '..')
  return startSigner(cluster, { folder, root, who: 'ours', name: 'signer', more })
}

/** The signer of another tree, with its packages installed. */
export function startBefore(
  cluster: Cluster,
  options: { readonly folder: string; readonly root: string },
): Promise<Contestant> {
  return startSigner(cluster, { ...options, who: 'before', name: 'signer before', more: {} })
}

async function startSigner(
  cluster: Cluster,
  options: {
    readonly folder: string
    readonly root: string
    readonly who: 'ours' | 'before'
    readonly name: string
    readonly more: object
  },
): Promise<Contestant> {
  const { root, who, name, more } = options
  const folder = join(options.folder, who)
  const program = await writeProgram(folder, root)
  const authority = writeAuthority(folder)
  const port = 20_000 + Math.floor(Math.random() * 20_000)
  const configuration = join(folder, 'signer.json')
  writeFileSync(
    configuration,
    JSON.stringify({
      trustDomain,
      cluster: 'storm',
      signerName: signerNames[who],
      kubeconfig: await cluster.kubeconfigFor(userOf(who)),
      replica: who,
      authority: { files: authority },
      production: false,
      lease: { namespace: system, ...(who === 'ours' ? {} : { name: who }) },
      ledger: { file: join(folder, 'ledger') },
      admin: { port },
      log: { level: 'info' },
      ...more,
    }),
  )
  const words = [...config.Entrypoint.slice(1, -1), program, 'signer', '--config', configuration]
  const child = start(process.execPath, words, join(folder, 'signer.log'))
  await untilReady(child, port)
  return contestant({ name, signerName: signerNames[who] }, child)
}

export async function startPeer(
  cluster: Cluster,
  options: { readonly folder: string; readonly program: string },
): Promise<Contestant> {
  const { folder, program } = options
  const { certificate, privateKey } = writeAuthority(join(folder, 'peer'))
  const kubeconfig = await cluster.kubeconfigFor(userOf('peer'))
  const words = ['sign', kubeconfig, signerNames.peer, certificate, privateKey]
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  await Promise.race([once(lines, 'line'), diedOf(child)])
  return contestant({ name: 'client-go', signerName: signerNames.peer }, child)
}

async function writeProgram(folder: string, root: string): Promise<string> {
  const { files } = await bundleProgram(root)
  const target = join(folder, 'dist', 'cli')
  mkdirSync(target, { recursive: true })
  for (const [name, octets] of files) writeFileSync(join(target, name), octets)
  const policy = join('policies', 'bundle')
  cpSync(join(root, policy), join(folder, policy), { recursive: true })
  return join(target, mainModule)
}

/** In a folder of its own, as a Secret is mounted: that folder is watched, and nothing else is written there. */
function writeAuthority(beside: string): { certificate: string; privateKey: string } {
  const { certificatePem, privateKeyPem } = createTestAuthority({ trustDomain })
  const folder = join(beside, 'authority')
  mkdirSync(folder, { recursive: true })
  const certificate = join(folder, 'tls.crt')
  const privateKey = join(folder, 'tls.key')
  writeFileSync(certificate, certificatePem)
  writeFileSync(privateKey, privateKeyPem, { mode: 0o600 })
  return { certificate, privateKey }
}

function start(path: string, words: readonly string[], logFile: string): ChildProcess {
  const log = openSync(logFile, 'a', 0o600)
  const env = { ...process.env, MALLOC_ARENA_MAX: '1' }
  return spawn(path, words, { env, stdio: ['ignore', log, log] })
}

async function diedOf(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, 'exit')) as [number | null]
  throw new Error(`a contestant ended before it was ready: ${code}`)
}

async function untilReady(child: ChildProcess, port: number): Promise<void> {
  const ready = async (): Promise<void> => {
    while (!(await isReady(port))) await delay(100)
  }
  await Promise.race([ready(), diedOf(child)])
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = get({ host: '127.0.0.1', port, path: '/readyz' }, (answer) => {
      answer.resume()
      resolve(answer.statusCode === 200)
    })
    asked.once('error', () => resolve(false))
  })
}

function contestant(
  names: Pick<Contestant, 'name' | 'signerName'>,
  child: ChildProcess,
): Contestant {
  const { pid = 0 } = child
  return {
    ...names,
    pid,
    hold: () => void child.kill('SIGSTOP'),
    release: () => void child.kill('SIGCONT'),
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    },
  }
}
