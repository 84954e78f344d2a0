import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { Agent, createServer, request, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { parse, stringify } from 'yaml'
import { freePort } from '../support/free-port.ts'
import type { Credential } from '../../src/pki/credential.ts'
import { eventually } from '../support/eventually.ts'
import { createTestAuthority, type TestAuthority } from '../support/test-authority.ts'
import { findEnvoy } from '../tools/envoy.ts'

/* The configuration of docs/ENVOY.md in a real Envoy, whose files are replaced as kubelet replaces them. */

const examples = join(import.meta.dirname, '../../examples/envoy')
const trustDomain = 'agents.example'
const known = { trustDomain, lifetimeSeconds: 86_400 }
const reader = { namespace: 'research', serviceAccount: 'reader', role: 'agent' } as const
const other = { ...reader, serviceAccount: 'other' } as const
const gateway = { namespace: 'platform', serviceAccount: 'envoy', role: 'tool-broker' } as const
const github = { namespace: 'tools', serviceAccount: 'github', role: 'tool-server' } as const

/** As kubelet's atomic writer does it: a folder of its own, and one rename. */
async function mount(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  const place = await mkdtemp(join(folder, '..now-'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(place, name), text)
  await symlink(place, join(folder, '..data_tmp'))
  await rename(join(folder, '..data_tmp'), join(folder, '..data'))
  for (const name of Object.keys(files)) {
    await symlink(join('..data', name), join(folder, name)).catch(() => {})
  }
}

function uriOf(socket: TLSSocket): string {
  return socket.getPeerX509Certificate()?.subjectAltName ?? 'nobody'
}

/** A tool server that says who has shown itself, and for whom it says that it asks. */
function openToolServer({ chainPem: cert, privateKeyPem: key }: Credential, ca: string): Server {
  return createServer(
    { cert, key, ca, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' },
    ({ socket, headers, url }, response) => {
      const forwarded = headers['x-forwarded-client-cert']
      response.end(JSON.stringify({ peer: uriOf(socket as TLSSocket), forwarded, url }))
    },
  )
}

interface Answered {
  readonly status: number
  readonly text: string
  readonly serial: string
}

function ask(
  agent: Agent,
  port: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const options = { agent, port, host: '127.0.0.1', path: '/mcp/github', headers }
    request({ ...options, method: 'POST' }, (response) => {
      const { serialNumber: serial = '' } =
        (response.socket as TLSSocket).getPeerX509Certificate() ?? {}
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, serial }))
    })
      .on('error', reject)
      .end('{}')
  })
}

function agentOf(credential: Credential, ca: string, keepAlive = false): Agent {
  const { chainPem: cert, privateKeyPem: key } = credential
  const checkServerIdentity = (
    _: string,
    { subjectaltname = '' }: PeerCertificate,
  ): Error | undefined =>
    subjectaltname.includes('URI:spiffe://agents.example/ns/platform/sa/envoy')
      ? undefined
      : new Error(`want=the gateway got=${subjectaltname}`)
  return new Agent({ cert, key, ca, checkServerIdentity, keepAlive, maxCachedSessions: 0 })
}

interface Stage extends AsyncDisposable {
  readonly port: number
  readonly now: TestAuthority
  readonly next: TestAuthority
  readonly anchors: string
  /** Gives the tool server a certificate of this authority. */
  moveServer(to: TestAuthority): void
  /** What is in Envoy's pod from now on. */
  mount(credentialPem: string, trustBundle: string): Promise<void>
}

/** The example's files, with the paths and ports of a test. */
async function openStage(program: string): Promise<Stage> {
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'countersign-envoy-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const [now, next] = [createTestAuthority(known), createTestAuthority(known)]
  const anchors = `${now.bundlePem}${next.bundlePem}`
  const server = openToolServer(now.issue(github).credential, anchors).listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.defer(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const mounted = join(folder, 'mounted')
  await mkdir(mounted)
  await mount(mounted, {
    'credential-bundle.pem': now.issue(gateway).credentialPem,
    'trust-bundle.pem': anchors,
  })
  const port = await freePort()
  for (const name of ['identity.yaml', 'anchors.yaml']) {
    const secret = await readFile(join(examples, name), 'utf8')
    await writeFile(join(folder, name), secret.replaceAll('/var/run/countersign', mounted))
  }
  const text = await readFile(join(examples, 'envoy.yaml'), 'utf8')
  const { port: there } = server.address() as AddressInfo
  const moved = text
    .replaceAll('/etc/envoy', folder)
    .replace('address: 0.0.0.0, port_value: 8443', `address: 127.0.0.1, port_value: ${port}`)
    .replace(
      'address: github.tools.svc, port_value: 8443',
      `address: 127.0.0.1, port_value: ${there}`,
    )
  await writeFile(join(folder, 'envoy.yaml'), stringify(parse(moved)))
  const words = ['--config-path', join(folder, 'envoy.yaml'), '--concurrency', '1']
  const quiet = ['--log-level', 'error', '--use-dynamic-base-id']
  const child = spawn(program, [...words, ...quiet], { stdio: ['ignore', 'inherit', 'inherit'] })
  const exited = once(child, 'exit')
  opened.defer(async () => {
    child.kill('SIGTERM')
    await exited
  })
  const left = opened.move()
  return {
    port,
    now,
    next,
    anchors,
    moveServer(to) {
      const { chainPem: cert, privateKeyPem: key } = to.issue(github).credential
      server.setSecureContext({ cert, key, ca: anchors })
    },
    mount: (credentialPem, trustBundle) =>
      mount(mounted, { 'credential-bundle.pem': credentialPem, 'trust-bundle.pem': trustBundle }),
    [Symbol.asyncDispose]: () => left[Symbol.asyncDispose](),
  }
}

test('Envoy lets in whom its rules name by SPIFFE ID, and goes on over a rotation of all that is mounted', async () => {
  const program = findEnvoy()
  if (program === undefined) return
  await using stage = await openStage(program)
  const { port, now, next, anchors } = stage
  const allowed = agentOf(now.issue(reader).credential, anchors)
  await eventually('Envoy answers', () =>
    ask(allowed, port).then(
      ({ status }) => status === 200,
      () => false,
    ),
  )

  const first = await ask(allowed, port, {
    'x-forwarded-client-cert': 'URI=spiffe://agents.example/ns/a/sa/forged',
  })
  assert.deepEqual(JSON.parse(first.text), {
    peer: 'URI:spiffe://agents.example/ns/platform/sa/envoy',
    forwarded: (JSON.parse(first.text) as { readonly forwarded: string }).forwarded,
    url: '/mcp',
  })
  assert.match(first.text, /URI=spiffe:\/\/agents\.example\/ns\/research\/sa\/reader/)
  assert.doesNotMatch(first.text, /forged/)
  assert.equal((await ask(agentOf(now.issue(other).credential, anchors), port)).status, 403)
  const foreign = createTestAuthority({ ...known, trustDomain: 'other.example' })
  await assert.rejects(ask(agentOf(foreign.issue(reader).credential, anchors), port))
  await assert.rejects(ask(new Agent({ ca: anchors, checkServerIdentity: () => undefined }), port))

  // Calls on one connection and on new ones, all the while.
  const kept = agentOf(now.issue(reader).credential, anchors, true)
  const rotation = new AbortController()
  const asked = asking(rotation.signal, [kept, allowed], port)
  await stage.mount(next.issue(gateway).credentialPem, anchors)
  await eventually(
    'the new certificate is shown',
    async () => (await ask(allowed, port)).serial !== first.serial,
  )
  stage.moveServer(next)
  rotation.abort()
  const { statuses, count } = await asked
  assert.deepEqual([...statuses], [200])
  assert.ok(count > 1)
  kept.destroy()

  // All have certificates under the new anchor, and the old one goes: with it whoever has nothing else to show.
  await stage.mount(next.issue(gateway).credentialPem, next.bundlePem)
  await eventually('the old anchor has gone', () =>
    ask(agentOf(now.issue(reader).credential, anchors), port).then(
      () => false,
      () => true,
    ),
  )
  const { status } = await ask(agentOf(next.issue(reader).credential, next.bundlePem), port)
  assert.equal(status, 200)
})

/** Asks with each of them in turn until told to stop. */
async function asking(
  signal: AbortSignal,
  agents: readonly Agent[],
  port: number,
): Promise<{ readonly statuses: ReadonlySet<number>; readonly count: number }> {
  const statuses = new Set<number>()
  let count = 0
  while (!signal.aborted) {
    for (const agent of agents) statuses.add((await ask(agent, port)).status)
    count += agents.length
  }
  return { statuses, count }
}
