import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { stringify } from 'yaml'
import { createAuthority, writeKubeconfig } from '../support/cluster-credentials.ts'
import { eventually } from '../support/eventually.ts'
import { createTestAuthority } from '../support/test-authority.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')
const children: ChildProcess[] = []
/** A port that somebody has. */
const taken = createServer()
let folder: string
let takenPort: number

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-main-'))
  await once(taken.listen(0, '127.0.0.1'), 'listening')
  takenPort = (taken.address() as AddressInfo).port
  await writeFile(join(folder, 'a-file'), 'text')
  await writeFile(join(folder, 'handle.key'), 'short')
  await mkdir(join(folder, 'no-policy'))
  await mkdir(join(folder, 'bad-policy'))
  await writeFile(join(folder, 'bad-policy', 'policy.wasm'), 'no module')
  await writeFile(join(folder, 'bad-policy', '.manifest'), '{"revision":"1","roots":[""]}')
  await writeFile(join(folder, 'grants.json'), '{"grants": ')
  await writeFile(join(folder, 'corrupt'), 'no ledger\n')
  const ca = createTestAuthority({ trustDomain: 'agents.example' })
  await writeFile(join(folder, 'credential.pem'), ca.issue().credentialPem)
  await writeFile(join(folder, 'bundle.pem'), ca.bundlePem)
  const cluster = await createAuthority('a cluster that is away')
  const credential = await cluster.issueClient({ name: 'countersign', groups: [] })
  await writeKubeconfig({
    path: join(folder, 'kubeconfig'),
    // Nobody listens on the port of the tcpmux service.
    server: 'https://127.0.0.1:1',
    caPem: cluster.certificatePem,
    credential,
  })
})

after(async () => {
  for (const child of children) child.kill('SIGKILL')
  taken.close()
  await rm(folder, { recursive: true, force: true })
})

const signer = {
  trustDomain: 'agents.example',
  cluster: 'test',
  production: false,
  kubeconfig: 'kubeconfig',
  authority: { files: { certificate: 'ca.pem', privateKey: 'ca.key' } },
  ledger: { file: 'ledger' },
  admin: { port: 0 },
}

const gateway = {
  trustDomain: 'agents.example',
  production: false,
  kubeconfig: 'kubeconfig',
  listen: { host: '127.0.0.1', port: 0 },
  credentialBundle: 'credential.pem',
  trustBundle: 'bundle.pem',
  hosts: ['gateway.example'],
  upstreams: [
    {
      server: 'github',
      url: 'https://127.0.0.1:1/mcp',
      spiffeId: 'spiffe://agents.example/ns/tools/sa/github',
    },
  ],
  decisionLog: { file: 'decisions.jsonl' },
  drain: { graceSeconds: 0 },
  admin: { port: 0 },
}

interface Ran {
  readonly child: ChildProcess
  /** What standard error has so far. */
  readonly said: () => string
}

async function start(command: string, config: object): Promise<Ran> {
  const file = join(folder, `${command}-${children.length}.yaml`)
  await writeFile(file, stringify(config))
  return spawned(command, '--config', file)
}

function spawned(...argv: readonly string[]): Ran {
  const child = spawn(process.execPath, [main, ...argv], { stdio: ['ignore', 'ignore', 'pipe'] })
  children.push(child)
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return { child, said: () => text }
}

/** Standard error without the lines of the log, when the process has ended by itself. */
async function complaint({ child, said }: Ran): Promise<{ code: number | null; lines: string[] }> {
  await once(child, 'close')
  const lines = said().split('\n').slice(0, -1)
  return { code: child.exitCode, lines: lines.filter((line) => !line.startsWith('{')) }
}

const here = (name: string): string => JSON.stringify(join(folder, name)).replaceAll('\\', '\\\\')

const wrong: readonly [
  what: string,
  run: () => Promise<Ran>,
  code: 1 | 2,
  message: () => string,
][] = [
  ['an unknown command', async () => spawned('sginer'), 2, () => "unknown command 'sginer'"],
  [
    'an unknown option',
    async () => spawned('signer', '--confg', 'x'),
    2,
    () => "unknown option '--confg'",
  ],
  [
    'no configuration',
    async () => spawned('gateway', '--config', join(folder, 'none')),
    2,
    () => `cannot read configuration ${here('none')}: ENOENT`,
  ],
  [
    'a misspelt field',
    () => start('signer', { ...signer, signername: 'x' }),
    2,
    () => 'signername: no such field, did you mean signerName',
  ],
  [
    'a field in the wrong place',
    () => start('gateway', { ...gateway, port: 1 }),
    2,
    () => 'port: no such field, did you mean listen.port',
  ],
  [
    'a former field',
    () => start('gateway', { ...gateway, extensionArc: '1.2' }),
    2,
    () => 'extensionArc: no such field, did you mean identityExtensionOid',
  ],
  [
    'no identity extension in production',
    () => start('signer', { ...signer, production: true }),
    2,
    () => 'identityExtensionOid',
  ],
  [
    'an admin port that is taken',
    () => start('signer', { ...signer, admin: { port: takenPort } }),
    1,
    () => `admin: "127.0.0.1:${takenPort}": a port that is taken`,
  ],
  [
    'an MCP port that is taken',
    () => start('gateway', { ...gateway, listen: { host: '127.0.0.1', port: takenPort } }),
    1,
    () => `listen: "127.0.0.1:${takenPort}": a port that is taken`,
  ],
  [
    'an address of another machine',
    () => start('signer', { ...signer, admin: { host: '192.0.2.1' } }),
    1,
    () => 'admin: "192.0.2.1:9443": an address that is not of this machine',
  ],
  [
    'no kubeconfig',
    () => start('signer', { ...signer, kubeconfig: 'none' }),
    2,
    () => `kubeconfig ${here('none')}`,
  ],
  [
    'no policy',
    () => start('signer', { ...signer, policy: { bundle: 'no-policy' } }),
    1,
    () => 'bundle',
  ],
  [
    'a policy that is no module',
    () => start('gateway', { ...gateway, policy: { bundle: 'bad-policy' } }),
    1,
    () => 'bundle',
  ],
  [
    'policy data that is no JSON',
    () => start('gateway', { ...gateway, policy: { data: ['grants.json'] } }),
    1,
    () => 'grants.json',
  ],
  [
    'a ledger in no folder',
    () => start('signer', { ...signer, ledger: { file: 'none/ledger' } }),
    1,
    () => 'ENOENT',
  ],
  [
    'a ledger below a file',
    () => start('signer', { ...signer, ledger: { file: 'a-file/ledger' } }),
    1,
    () => 'ENOTDIR',
  ],
  [
    'a ledger that is none',
    () => start('signer', { ...signer, ledger: { file: 'corrupt' } }),
    1,
    () => 'ledger',
  ],
  [
    'a decision log in no folder',
    () => start('gateway', { ...gateway, decisionLog: { file: 'none/log' } }),
    1,
    () => `decision log cannot be opened, got=${here('none/log')}`,
  ],
  [
    'no keys of handles',
    () => start('gateway', { ...gateway, handleKeys: 'none' }),
    2,
    () => `handleKeys: cannot read ${here('none')}, got=ENOENT`,
  ],
  [
    'a short key of handles',
    () => start('gateway', { ...gateway, handleKeys: 'handle.key' }),
    2,
    () => 'handleKeys: key "handle.key": want=32 octets got=5',
  ],
]

for (const [what, run, code, message] of wrong) {
  test(`${what} is one line that says so and one that helps, with exit code ${code}`, async () => {
    const ended = await complaint(await run())
    assert.equal(ended.lines.length, 2, ended.lines.join('\n'))
    const [error = '', hint = ''] = ended.lines
    assert.match(error, /^countersign: error: .* \([a-z]+\/[a-z-]+\)$/)
    assert.ok(error.includes(message()), `want=${message()} got=${error}`)
    assert.match(hint, /^hint: .{10,}$/)
    assert.equal(ended.code, code)
  })
}

/** The address of the admin listener, once the program has said it. */
async function adminOf(ran: Ran): Promise<string> {
  let admin: string | undefined
  await eventually('started', () => {
    // The last piece is a line that has not come to its end.
    const lines = ran.said().split('\n').slice(0, -1)
    const line = lines.find((each) => each.includes('"msg":"started"'))
    admin = line === undefined ? undefined : (JSON.parse(line) as { admin: string }).admin
    if (ran.child.exitCode !== null) assert.fail(ran.said())
    return admin !== undefined
  })
  return admin ?? ''
}

async function readiness(admin: string): Promise<string> {
  const answer = await fetch(`${admin}/readyz`)
  assert.equal(answer.status, 503)
  return answer.text()
}

for (const [command, config, waits] of [
  [
    'signer',
    signer,
    [
      /^\[-\] kubernetes: https:\/\/127\.0\.0\.1:1 gives no answer since .*ECONNREFUSED/m,
      /^\[-\] authority: file ".*ca\.pem" cannot be read, got=ENOENT$/m,
      /^\[\+\] ledger: takes records$/m,
    ],
  ],
  [
    'gateway',
    { ...gateway, credentialBundle: 'none.pem' },
    [
      /^\[-\] credential: awaited: file ".*none\.pem" cannot be read, got=ENOENT\. In a cluster the pod needs/m,
      /^\[-\] revocations: .*ECONNREFUSED/m,
      /^\[-\] listen: the MCP port opens when credential and trust bundle are there/m,
    ],
  ],
] as const) {
  test(`${command} waits for what others give, says what, is alive, and ends when told`, async () => {
    const ran = await start(command, config)
    const admin = await adminOf(ran)
    for (const expected of waits) {
      await eventually(String(expected), async () => expected.test(await readiness(admin)))
    }
    assert.equal((await fetch(`${admin}/healthz`)).status, 200)
    await eventually('the log', () => ran.said().includes('"msg":"conditions"'))
    ran.child.kill('SIGTERM')
    await once(ran.child, 'close')
    assert.equal(ran.child.exitCode, 0)
    assert.equal(existsSync(join(folder, 'ledger.lock')), false)
  })
}

test('a gateway opens its port when its certificate comes, and says not ready until the cluster answers', async () => {
  const ran = await start('gateway', { ...gateway, credentialBundle: 'late.pem' })
  const admin = await adminOf(ran)
  const ca = createTestAuthority({ trustDomain: 'agents.example' })
  await writeFile(join(folder, 'late.pem'), ca.issue().credentialPem)
  await eventually('the port', async () => /^\[\+\] listen: https:/m.test(await readiness(admin)))
  const said = await readiness(admin)
  assert.match(said, /^\[\+\] credential: spiffe:\/\/agents\.example\/.*, valid until /m)
  assert.match(said, /^\[!\] upstream github: https:\/\/127\.0\.0\.1:1\/mcp: .*ECONNREFUSED/m)
  assert.match(said, /^\[-\] pods: /m)
  ran.child.kill('SIGTERM')
  await once(ran.child, 'close')
  assert.equal(ran.child.exitCode, 0)
})

test('a program that is told to end at any moment of its start ends at once, and leaves no lock', async () => {
  for (const milliseconds of [20, 60, 120, 200, 300, 450]) {
    const ran = await start('signer', signer)
    await delay(milliseconds)
    ran.child.kill('SIGTERM')
    await once(ran.child, 'close')
    // Before Node has begun with the program, the signal has its usual effect.
    const { exitCode, signalCode } = ran.child
    assert.ok(
      exitCode === 0 || signalCode === 'SIGTERM',
      `${exitCode} ${signalCode}: ${ran.said()}`,
    )
    assert.equal(existsSync(join(folder, 'ledger.lock')), false, `after ${milliseconds} ms`)
  }
})
