import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import { readInstalled } from '../../dev/session/open-session.ts'
import type { Cluster } from '../../dev/cluster.ts'
import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { actors, spiffeIdOf, stage, type CastPod } from '../../dev/story/cast.ts'
import { platformUsers, podManifest } from '../../dev/story/manifests.ts'
import { findPorts, setStage } from '../../dev/story/stage.ts'
import { create, eventually } from '../../dev/story/world.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'

interface Program {
  readonly child: ChildProcess
  /** Base URL of its admin listener. */
  readonly admin: string
  readonly lines: readonly string[]
}

const main = join(import.meta.dirname, '../../src/cli/main.ts')
const programs: ChildProcess[] = []
let folder: string
let cluster: Cluster
let admin: ApiClient

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-process-'))
  cluster = await startEmbeddedCluster({ folder, runContainer: () => Promise.resolve(undefined) })
  admin = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  await setStage({ admin }, await readInstalled())
})

after(async () => {
  for (const child of programs) child.kill('SIGKILL')
  admin.close()
  await cluster[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Starts a program from its configuration file and waits for its first log line. */
async function start(command: string, config: object): Promise<Program> {
  const file = join(folder, `${command}.yaml`)
  await writeFile(file, stringify(config))
  const child = spawn(process.execPath, [main, command, '--config', file], {
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  programs.push(child)
  const lines: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line))
  const address = await eventually(`${command} has started`, () => {
    const started = lines.find((line) => line.includes('"started"'))
    if (child.exitCode !== null) throw new Error(lines.join('\n'))
    return Promise.resolve(started && (JSON.parse(started) as { admin: string }).admin)
  })
  return { child, admin: address, lines }
}

async function startSigner(): Promise<Program> {
  const kubeconfig = await cluster.kubeconfigFor({ name: platformUsers.signer, groups: [] })
  const signer = await start('signer', {
    trustDomain: stage.trustDomain,
    cluster: 'test',
    production: false,
    kubeconfig,
    authority: { selfSigned: { namespace: stage.system } },
    ledger: { file: 'ledger' },
    admin: { port: 0 },
  })
  await eventually(
    'a ready signer',
    async () => (await fetch(`${signer.admin}/readyz`)).ok || undefined,
  )
  return signer
}

async function volumeOf({ namespace, name }: CastPod): Promise<string> {
  const { metadata } = await admin.request<{ metadata: { uid: string } }>({
    method: 'GET',
    path: `/api/v1/namespaces/${namespace}/pods/${name}`,
  })
  return eventually(`the volume of ${name}`, () => cluster.volumeFolder(metadata.uid, stage.volume))
}

/** Ends a program as Kubernetes does, and gives its exit code. */
async function terminate({ child }: Program): Promise<number | null> {
  child.kill('SIGTERM')
  if (child.exitCode === null) await once(child, 'exit')
  return child.exitCode
}

test('signer and gateway run from their configuration files, serve, and drain on SIGTERM', async () => {
  const signer = await startSigner()
  const ports = await findPorts()
  const cast = actors(ports)
  const [gatewayPod, researcher] = ['countersign-gateway', 'researcher'].map((name) =>
    cast.find((pod) => pod.name === name),
  )
  assert.ok(gatewayPod && researcher)
  for (const pod of [gatewayPod, researcher]) await create(admin, podManifest(pod, []))
  const volume = await volumeOf(gatewayPod)
  const gateway = await start('gateway', {
    trustDomain: stage.trustDomain,
    production: false,
    drain: { graceSeconds: 0 },
    kubeconfig: await cluster.kubeconfigFor({ name: platformUsers.gateway, groups: [] }),
    listen: { host: '127.0.0.1', port: ports.gateway },
    credentialBundle: join(volume, stage.credentialBundle),
    trustBundle: join(volume, stage.trustBundle),
    hosts: [`127.0.0.1:${ports.gateway}`],
    upstreams: [
      {
        server: 'github',
        url: `https://127.0.0.1:${ports.github}/mcp`,
        spiffeId: spiffeIdOf('tools', 'github'),
      },
    ],
    decisionLog: { file: 'decisions.jsonl' },
    admin: { port: 0 },
  })

  const mounted = await volumeOf(researcher)
  await using mtls = await openCountersignFetch({
    credentialBundle: join(mounted, stage.credentialBundle),
    trustBundle: join(mounted, stage.trustBundle),
    server: spiffeIdOf(stage.system, 'countersign-gateway'),
  })
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const response = await mtls.fetch(`https://127.0.0.1:${ports.gateway}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'server/discover',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'server/discover',
      params: { _meta: meta },
    }),
  })
  const text = await response.text()
  assert.equal(response.status, 200, text)
  assert.match(text, /"supportedVersions"/)

  assert.equal((await fetch(`${gateway.admin}/healthz`)).status, 200)
  assert.equal((await fetch(`${gateway.admin}/readyz`)).status, 200)
  const metrics = await (await fetch(`${gateway.admin}/metrics`)).text()
  assert.match(metrics, /countersign_gateway_requests_total\{[^}]*\} 1/)
  assert.match(
    await (await fetch(`${signer.admin}/metrics`)).text(),
    /countersign_signer_verdicts_total\{[^}]*verdict="issue"[^}]*\} 2/,
  )

  assert.equal(await terminate(gateway), 0)
  assert.equal(await terminate(signer), 0)
  for (const line of [...gateway.lines, ...signer.lines]) {
    assert.doesNotThrow(() => JSON.parse(line), `a log line that is no JSON: ${line}`)
    assert.doesNotMatch(line, /PRIVATE KEY/)
  }
})

test('a second signer on the same ledger does not start, and says why', async () => {
  const signer = await startSigner()
  const second = spawn(
    process.execPath,
    [main, 'signer', '--config', join(folder, 'signer.yaml')],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  programs.push(second)
  let said = ''
  second.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk
  })
  await once(second, 'exit')
  assert.equal(second.exitCode, 1)
  assert.match(said, /countersign: error: .*ledger.*\(ledger\/locked\)/)
  assert.equal(await terminate(signer), 0)
})
