import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buildConnector, Client } from 'undici'
import { parseCredentialBundle } from '../../src/pki/credential.ts'

/** One round of calls. */
export interface Round {
  readonly requests: number
  readonly seconds: number
  readonly p50Milliseconds: number
  readonly p99Milliseconds: number
  readonly statuses: Readonly<Record<string, number>>
  /** Answers that do not hold what was wanted. */
  readonly wrong: number
}

export interface Load {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly want: string
  readonly connections: number
  readonly seconds: number
}

export interface Material {
  readonly folder: string
  readonly credentialPem: string
  readonly bundlePem: string
}

/** The load generator and upstream in Go; undefined where there is no Go. */
export function buildGoLoad(folder: string): string | undefined {
  const program = join(folder, 'go-load')
  const built = spawnSync('go', ['build', '-o', program, '.'], {
    cwd: join(import.meta.dirname, '..', 'go-load'),
    encoding: 'utf8',
  })
  return built.status === 0 ? program : undefined
}

/** Writes the files that Go reads, and gives their names. */
function filesOf(material: Material, name: string): Record<'chain' | 'key' | 'anchors', string> {
  const { chainPem, privateKeyPem } = parseCredentialBundle(material.credentialPem)
  const write = (kind: string, text: string): string => {
    const file = join(material.folder, `${name}-${kind}.pem`)
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }
  return {
    chain: write('chain', chainPem),
    key: write('key', privateKeyPem),
    anchors: write('anchors', material.bundlePem),
  }
}

export async function startGoUpstream(
  program: string,
  material: Material,
  said: { readonly answer: string; readonly list: string },
): Promise<{ readonly process: ChildProcess; readonly port: number }> {
  const process = spawn(program, ['serve'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { GOMAXPROCS: '1' },
  })
  process.stdin.end(JSON.stringify({ ...filesOf(material, 'upstream'), ...said }))
  const [line] = (await once(createInterface({ input: process.stdout }), 'line')) as [string]
  return { process, port: Number(line) }
}

export async function driveWithGo(program: string, material: Material, load: Load): Promise<Round> {
  const { port, ...rest } = load
  const process = spawn(program, ['drive'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const files = filesOf(material, 'caller')
  process.stdin.end(JSON.stringify({ ...files, ...rest, address: `127.0.0.1:${port}` }))
  let text = ''
  process.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const [code] = (await once(process, 'close')) as [number]
  if (code !== 0) throw new Error(`load generator ended with ${code}`)
  return JSON.parse(text) as Round
}

/** The same in Node: slower than what it measures, so its ratios are lower than they are. */
export async function driveWithNode(material: Material, load: Load): Promise<Round> {
  const { chainPem, privateKeyPem } = parseCredentialBundle(material.credentialPem)
  const connect = buildConnector({
    cert: chainPem,
    key: privateKeyPem,
    ca: material.bundlePem,
    checkServerIdentity: () => undefined,
  })
  const latencies: number[] = []
  const statuses: Record<string, number> = {}
  let wrong = 0
  const started = performance.now()
  const until = started + load.seconds * 1000
  async function call(): Promise<void> {
    const client = new Client(`https://127.0.0.1:${load.port}`, { connect })
    for (let before = performance.now(); before < until; before = performance.now()) {
      const { path, headers, body } = load
      const answer = await client.request({ method: 'POST', path, headers, body })
      if (!(await answer.body.text()).includes(load.want)) wrong += 1
      statuses[answer.statusCode] = (statuses[answer.statusCode] ?? 0) + 1
      latencies.push(performance.now() - before)
    }
    await client.close()
  }
  await Promise.all(Array.from({ length: load.connections }, call))
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0
  return {
    requests: latencies.length,
    seconds: (performance.now() - started) / 1000,
    p50Milliseconds: at(0.5),
    p99Milliseconds: at(0.99),
    statuses,
    wrong,
  }
}
