/**
 * What the guard costs a call, beside the same server with our library in it.
 *
 * One caller on one connection, as a gateway keeps one: calls with a transaction token each, one after the other, in turns of both. Signing is not
 * in the time. The processor's time is that of all processes of the one side.
 *
 *     npm run bench guard -- [--json] [--calls=2000] [--rounds=5]
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { createTokenSigner } from '../src/token/sign.ts'
import { eventually } from '../test/support/eventually.ts'
import { freePort } from '../test/support/free-port.ts'
import { createTestAuthority } from '../test/support/test-authority.ts'
import { cpuMicroseconds, residentMebibytes } from './rig/process-figures.ts'
import { median, quantile, report, rounded } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    calls: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '5' },
  },
})

const calls = Number(values.calls)
const authority = createTestAuthority()
const gateway = authority.issue({
  namespace: 'system',
  serviceAccount: 'gateway',
  role: 'tool-broker',
})
const server = authority.issue({ namespace: 'tools', serviceAccount: 'files', role: 'tool-server' })
const agent = authority.issue({ serviceAccount: 'agent', role: 'agent', toolScopes: 'files:*' })

/** One way to have a tool server verified. */
interface Side {
  readonly name: string
  readonly port: number
  readonly pids: readonly number[]
  readonly microseconds: number[]
  /** CPU of each round, a call. */
  readonly cpu: number[]
}

async function start(opened: AsyncDisposableStack, folder: string): Promise<readonly Side[]> {
  const [credentialBundle, trustBundle] = [join(folder, 'key.pem'), join(folder, 'trust.pem')]
  await writeFile(credentialBundle, server.credentialPem, { mode: 0o600 })
  await writeFile(trustBundle, authority.bundlePem)
  const { uri } = gateway.identity.spiffeId
  const { trustDomain } = authority
  const common = { credentialBundle, trustBundle, server: 'files', production: false }
  const library = await startServer(opened, [
    JSON.stringify({ ...common, trustDomain, gateways: [uri] }),
  ])
  const plain = await startServer(opened, [])
  const port = await freePort()
  const words = {
    to: `http://127.0.0.1:${plain.port}/mcp`,
    gateway: uri,
    server: 'files',
    'credential-bundle': credentialBundle,
    'trust-bundle': trustBundle,
    listen: `127.0.0.1:${port}`,
    admin: `127.0.0.1:${await freePort()}`,
  }
  const main = join(import.meta.dirname, '../src/cli/main.ts')
  const options = Object.entries(words).flatMap(([name, word]) => [`--${name}`, word])
  const guard = spawnTool(opened, [main, 'guard', ...options, '--no-production'])
  await eventually('the guard is ready', () =>
    fetch(`http://${words.admin}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  const side = (name: string, at: number, pids: readonly number[]): Side => {
    return { name, port: at, pids, microseconds: [], cpu: [] }
  }
  return [
    side('library', library.port, [library.pid]),
    side('guard', port, [guard.pid ?? 0, plain.pid]),
  ]
}

function spawnTool(opened: AsyncDisposableStack, words: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'ignore'] })
  opened.defer(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  return child
}

async function startServer(
  opened: AsyncDisposableStack,
  words: readonly string[],
): Promise<{ readonly port: number; readonly pid: number }> {
  const child = spawnTool(opened, [join(import.meta.dirname, 'guard/server.ts'), ...words])
  const lines = createInterface({ input: child.stdout ?? process.stdin })
  const [port] = (await once(lines, 'line')) as [string]
  return { port: Number(port), pid: child.pid ?? 0 }
}

const current = (): typeof gateway.credential => gateway.credential
const tokens = createTokenSigner({
  credential: { current, onChange: () => () => {} },
  now: Date.now,
})
const body = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'echo', arguments: { n: 1 } },
})

async function headersOf(): Promise<Readonly<Record<string, string>>> {
  const token = await tokens.sign({
    caller: agent.credential.svid,
    upstream: { server: 'files', spiffeId: server.identity.spiffeId },
    method: 'tools/call',
    tool: 'echo',
    target: undefined,
    argumentsSha256: createHash('sha256').update('{"n":1}').digest('base64url'),
    transactionId: 'decision-1',
  })
  return {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2025-11-25',
    'txn-token': token,
  }
}

/** The first calls are not counted: they open the connection, and are compiled. */
async function measure(side: Side, connection: Agent, isCounted: boolean): Promise<void> {
  const cpu = (): number => side.pids.reduce((sum, pid) => sum + cpuMicroseconds(pid), 0)
  const before = cpu()
  for (let index = 0; index < calls; index += 1) {
    const headers = await headersOf()
    const since = performance.now()
    await call(side.port, connection, headers)
    if (isCounted) side.microseconds.push((performance.now() - since) * 1000)
  }
  if (isCounted) side.cpu.push((cpu() - before) / calls)
}

async function call(
  port: number,
  connection: Agent,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const asked = request({
    host: '127.0.0.1',
    port,
    path: '/mcp',
    method: 'POST',
    agent: connection,
    headers,
  })
  asked.end(body)
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.resume()
  await once(answer, 'end')
  if (answer.statusCode !== 200) throw new Error(`want=200 got=${answer.statusCode}`)
}

function print(sides: readonly Side[]): void {
  const [library] = sides
  const p50 = ({ microseconds }: Side): number => quantile(microseconds, 0.5)
  const cpu = (side: Side): number => median(side.cpu)
  report(
    {
      bench: 'guard',
      title: `${calls} calls a round, one after the other, ${values.rounds} rounds in turns`,
      columns: ['p50 µs', 'p99 µs', 'added p50 µs', 'CPU µs', 'added CPU µs', 'resident MiB'],
      rows: sides.map((side) => ({
        name: side.name,
        cells: [
          Math.round(p50(side)),
          Math.round(quantile(side.microseconds, 0.99)),
          library === undefined ? undefined : Math.round(p50(side) - p50(library)),
          Math.round(cpu(side)),
          library === undefined ? undefined : Math.round(cpu(side) - cpu(library)),
          rounded(
            side.pids.reduce((sum, pid) => sum + residentMebibytes(pid), 0),
            0,
          ),
        ],
      })),
    },
    values,
  )
}

const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-guard-'))
try {
  await using opened = new AsyncDisposableStack()
  const sides = await start(opened, folder)
  const { chainPem: cert, privateKeyPem: key } = gateway.credential
  const tls = { ca: authority.bundlePem, cert, key, checkServerIdentity: () => undefined }
  const connections = sides.map(() => new Agent({ keepAlive: true, maxSockets: 1, ...tls }))
  opened.defer(() => connections.forEach((each) => each.destroy()))
  for (let round = 0; round <= Number(values.rounds); round += 1) {
    for (const [index, side] of sides.entries()) {
      const connection = connections[index]
      if (connection !== undefined) await measure(side, connection, round > 0)
    }
  }
  print(sides)
} finally {
  await rm(folder, { recursive: true, force: true })
}
