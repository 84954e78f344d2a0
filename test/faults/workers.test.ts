import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import { modern, openClient } from '../gateway/world/client.ts'
import type { Credential } from '../../src/pki/credential.ts'
import { createIdentities } from '../gateway/world/identities.ts'
import { answerBoth, openUpstream, type TestUpstream } from '../gateway/world/upstream.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { listAnswer, startFakeApiServer, type FakeApiServer } from '../support/fake-api-server.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')
const identities = createIdentities()
const podUid = crypto.randomUUID()
const agent = identities.issue({ podUid, toolScopes: 'files:*' })
const own = identities.issue({ serviceAccount: 'gateway', role: 'tool-broker' })
const files = identities.issue({ namespace: 'tools', serviceAccount: 'files' })

const programs: ChildProcess[] = []
let folder: string
let cluster: FakeApiServer
let upstream: TestUpstream
/** Calls of the tool server that are not answered yet. */
const held: (() => void)[] = []
let holds = false

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-workers-'))
  cluster = await startFakeApiServer()
  // Both are asked after: the tool server's as well as the caller's.
  const lists: Readonly<Record<string, readonly object[]>> = {
    '/api/v1/pods': [agent, files].map(podOf),
    '/api/v1/namespaces': [agent, files].map(namespaceOf),
  }
  cluster.otherwise(({ method, path, query }) => {
    if (method === 'POST') return { status: 201, body: { status: { allowed: true } } }
    if (query.get('watch') === '1') return { lines: [] }
    return listAnswer(lists[path] ?? [], '1')
  })
  upstream = await openUpstream({
    credential: files,
    bundle: identities.bundle,
    answer: (message, response, request) => {
      const answer = (): void => answerBoth()(message, response, request)
      if (holds && message.method === 'tools/call') held.push(answer)
      else answer()
    },
  })
  await writeFile(join(folder, 'bundle.pem'), identities.bundle.pem)
  await writeFile(join(folder, 'credential.pem'), own.privateKeyPem + own.chainPem)
  const grants = { tenants: { acme: { files: { tools: { echo: {} } } } } }
  await writeFile(join(folder, 'grants.json'), JSON.stringify({ grants }))
})

function podOf({ svid: { identity } }: Credential): object {
  assert.ok(identity)
  const { pod, namespace, serviceAccount } = identity
  return {
    metadata: { name: pod.name, namespace: namespace.name, uid: pod.uid, resourceVersion: '1' },
    spec: { serviceAccountName: serviceAccount.name, nodeName: 'node-a' },
    status: { phase: 'Running' },
  }
}

/** With the labels that prove what the certificate says. */
function namespaceOf({ svid: { identity } }: Credential): object {
  assert.ok(identity)
  const { namespace, role, tenant } = identity
  const labels = { [`roles.countersign.dev/${role}`]: 'allow', 'countersign.dev/tenant': tenant }
  return { metadata: { name: namespace.name, uid: namespace.uid, resourceVersion: '1', labels } }
}

after(async () => {
  for (const child of programs) child.kill('SIGKILL')
  await upstream[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

interface Line {
  readonly msg: string
  readonly worker?: number
  readonly pid?: number
  readonly admin?: string
}

interface Program {
  readonly child: ChildProcess
  readonly lines: readonly Line[]
  readonly text: () => string
}

/** A gateway of two workers, with these fields of its configuration changed. */
async function start(name: string, changed: object = {}): Promise<Program> {
  const config = {
    trustDomain: own.svid.spiffeId.trustDomain,
    production: false,
    kubeconfig: cluster.kubeconfig,
    workers: 2,
    listen: { host: '127.0.0.1', port: 0 },
    credentialBundle: 'credential.pem',
    trustBundle: 'bundle.pem',
    hosts: ['gateway.test'],
    upstreams: [{ server: 'files', url: upstream.url, spiffeId: files.svid.spiffeId.uri }],
    drain: { graceSeconds: 0 },
    decisionLog: { file: `${name}.jsonl` },
    policy: { data: ['grants.json'] },
    admin: { port: 0 },
    ...changed,
  }
  const file = join(folder, `${name}.yaml`)
  await writeFile(file, stringify(config))
  const child = spawn(process.execPath, [main, 'gateway', '--config', file], {
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  programs.push(child)
  const lines: Line[] = []
  let text = ''
  createInterface({ input: child.stderr }).on('line', (line) => {
    text += `${line}\n`
    if (line.startsWith('{')) lines.push(JSON.parse(line) as Line)
  })
  return { child, lines, text: () => text }
}

/** Starts it, and waits until it may be sent work. */
async function startReady(name: string): Promise<Program & { admin: string; port: number }> {
  const program = await start(name)
  const adminOf = (): string | undefined => program.lines.find(({ admin }) => admin)?.admin
  await eventually(`${name} has started`, () => {
    assert.equal(program.child.exitCode, null, program.text())
    return adminOf() !== undefined
  })
  const admin = adminOf() ?? ''
  await eventually(`${name} is ready`, async () => (await fetch(`${admin}/readyz`)).ok)
  const page = await (await fetch(`${admin}/readyz`)).text()
  const port = Number(/listen: https:\/\/127\.0\.0\.1:(\d+)/.exec(page)?.[1])
  assert.ok(port > 0, page)
  return { ...program, admin, port }
}

async function terminate({ child }: Program): Promise<number | null> {
  child.kill('SIGTERM')
  if (child.exitCode === null) await once(child, 'exit')
  return child.exitCode
}

const echo = modern('tools/call', { name: 'echo', arguments: { n: 1 } })

/** So many calls, each on a connection of its own. */
async function callEach(port: number, count: number): Promise<readonly number[]> {
  const statuses: number[] = []
  for (let call = 0; call < count; call += 1) {
    await using client = openClient({ port, credential: agent, bundle: identities.bundle })
    const reply = await client.post('/mcp/files', echo.body, echo.headers)
    statuses.push(reply.json.error === undefined ? reply.status : 0)
  }
  return statuses
}

async function decisions(name: string, worker: number): Promise<readonly object[]> {
  const text = await readFile(join(folder, `${name}-${worker}.jsonl`), 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as object)
}

/** The processes that this one has started. */
async function workersOf({ child }: Program): Promise<readonly number[]> {
  const text = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
  return text.trim().split(' ').filter(Boolean).map(Number)
}

test('two workers share a port, one page of metrics and the calls, and each records its own', async () => {
  const gateway = await startReady('shared')
  assert.deepEqual(await callEach(gateway.port, 6), Array(6).fill(200))
  const metrics = await (await fetch(`${gateway.admin}/metrics`)).text()
  assert.match(metrics, /countersign_gateway_requests_total\{door="one",outcome="served"\} 6\n/)
  const ready = await (await fetch(`${gateway.admin}/readyz`)).text()
  assert.match(ready, /^\[\+\] workers: 2 serve$/m)
  for (const [path, text] of [
    ['/trust-bundle.pem', /BEGIN CERTIFICATE/],
    ['/jwks.json', /"keys":\[\{/],
  ] as const) {
    assert.match(await (await fetch(`${gateway.admin}${path}`)).text(), text)
  }
  assert.equal(await terminate(gateway), 0, gateway.text())
  const [first, second] = await Promise.all([decisions('shared', 1), decisions('shared', 2)])
  assert.deepEqual([first.length, second.length], [3, 3])
  assert.match(JSON.stringify(second[0]), /"labels":\{"id":"spiffe:[^}]*"worker":"2"\}/)
})

test('a worker that is killed is started again, the other serves meanwhile, and no counter goes back', async () => {
  const gateway = await startReady('killed')
  await callEach(gateway.port, 4)
  await (await fetch(`${gateway.admin}/metrics`)).text()
  const [victim] = await workersOf(gateway)
  assert.ok(victim)
  process.kill(victim, 'SIGKILL')
  await eventually(
    'the end is noticed',
    async () => (await fetch(`${gateway.admin}/readyz`)).status === 503,
  )
  assert.deepEqual(await callEach(gateway.port, 3), [200, 200, 200])
  await eventually('it is ready again', async () => (await fetch(`${gateway.admin}/readyz`)).ok)
  assert.deepEqual(await callEach(gateway.port, 2), [200, 200])
  const metrics = await (await fetch(`${gateway.admin}/metrics`)).text()
  assert.match(metrics, /countersign_gateway_worker_exits_total 1\n/)
  assert.match(metrics, /requests_total\{door="one",outcome="served"\} 9\n/)
  assert.ok(gateway.lines.some(({ msg }) => msg === 'worker has ended and is started again'))
  assert.equal(await terminate(gateway), 0, gateway.text())
})

test('SIGHUP ends nothing', async () => {
  const gateway = await startReady('hung-up')
  for (const pid of [gateway.child.pid ?? 0, ...(await workersOf(gateway))]) {
    process.kill(pid, 'SIGHUP')
  }
  await eventually('it is noted', () => gateway.lines.some(({ msg }) => msg.startsWith('SIGHUP')))
  assert.deepEqual(await callEach(gateway.port, 2), [200, 200])
  assert.equal(await terminate(gateway), 0, gateway.text())
  assert.ok(!gateway.lines.some(({ msg }) => msg.startsWith('worker has ended')))
})

test('on SIGTERM every worker finishes what it has begun', async () => {
  const gateway = await startReady('drained')
  holds = true
  const calls = [callEach(gateway.port, 1), callEach(gateway.port, 1)]
  await eventually('both calls are open', () => held.length === 2)
  const workers = await workersOf(gateway)
  const ended = terminate(gateway)
  await eventually('all are told', async () => {
    const page = await fetch(`${gateway.admin}/readyz`).catch(() => undefined)
    return /\[-\] draining/.test((await page?.text()) ?? '')
  })
  for (const answer of held.splice(0)) answer()
  holds = false
  assert.deepEqual(await Promise.all(calls), [[200], [200]])
  assert.equal(await ended, 0, gateway.text())
  for (const pid of workers) assert.throws(() => process.kill(pid, 0), /ESRCH/)
})

test('what is wrong with the start is told once, and nobody is left', async () => {
  await writeFile(join(folder, 'broken.json'), '{')
  const gateway = await start('broken', { policy: { data: ['broken.json'] } })
  if (gateway.child.exitCode === null) await once(gateway.child, 'exit')
  await eventually('all is said', () => gateway.text().includes('hint:'))
  assert.equal(gateway.child.exitCode, 1)
  assert.equal(gateway.text().match(/^countersign: error: /gm)?.length, 1, gateway.text())
  assert.match(gateway.text(), /broken\.json: is not JSON.* \(policy\/data\)/)
})

test('no secret is in what a worker was started with', async () => {
  requirement('gateway.workers-hold-no-secret-in-the-open')
  const gateway = await startReady('open')
  for (const pid of await workersOf(gateway)) {
    const open =
      (await readFile(`/proc/${pid}/cmdline`, 'utf8')) +
      (await readFile(`/proc/${pid}/environ`, 'utf8'))
    assert.doesNotMatch(open, /PRIVATE KEY|ofThisStart|trustDomain/)
  }
  assert.equal(await terminate(gateway), 0)
})
