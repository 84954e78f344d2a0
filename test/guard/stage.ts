import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { openGuard } from '../../src/cli/command/guard-command.ts'
import { parseGuardOptions, type GuardOptions } from '../../src/cli/command/guard-options.ts'
import type { Running } from '../../src/cli/running.ts'
import { silentLog, type Log } from '../../src/log.ts'
import { createTokenSigner } from '../../src/token/sign.ts'
import { createTestAuthority, type TestLeaf } from '../support/test-authority.ts'

/** A request as the server inside has got it. */
export interface Got {
  readonly method: string
  readonly url: string
  readonly raw: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export type InsideAnswer = (got: Got, response: ServerResponse, request: IncomingMessage) => void

export interface GuardStage extends AsyncDisposable {
  readonly running: Running
  readonly port: number
  readonly insidePort: number
  readonly got: Got[]
  /** PEM of who has issued everybody. */
  readonly anchors: string
  readonly who: Readonly<
    Record<'gateway' | 'agent' | 'neighbour' | 'guard' | 'renewed' | 'other', TestLeaf>
  >
  answer: InsideAnswer
  /** A token for a call of `echo` with these arguments. */
  token(o?: {
    readonly signer?: TestLeaf
    readonly server?: string
    readonly args?: object
    readonly caller?: TestLeaf
  }): Promise<string>
  send(
    sent: Sent,
  ): Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }>
  /** A connection for what no HTTP client would send. */
  raw(as?: TestLeaf): Promise<TLSSocket>
  /** Mounts another certificate, as kubelet does. */
  mount(leaf: TestLeaf): Promise<void>
}

export interface Sent {
  readonly as?: TestLeaf
  readonly method?: string
  readonly path?: string
  readonly body?: string | undefined
  readonly headers?: Readonly<Record<string, string | string[]>>
}

export const ok: InsideAnswer = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
}

export const list: string = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })

export function callOf(args: object = { n: 1 }): string {
  const params = { name: 'echo', arguments: args }
  return JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })
}

export const usual: Readonly<Record<string, string>> = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2025-11-25',
}

const authority = createTestAuthority()
const who = {
  guard: authority.issue({ namespace: 'tools', serviceAccount: 'files', role: 'tool-server' }),
  renewed: authority.issue({ namespace: 'tools', serviceAccount: 'files', role: 'tool-server' }),
  gateway: authority.issue({ namespace: 'system', serviceAccount: 'gateway', role: 'tool-broker' }),
  other: authority.issue({ namespace: 'system', serviceAccount: 'other', role: 'tool-broker' }),
  agent: authority.issue({
    namespace: 'acme',
    serviceAccount: 'researcher',
    role: 'agent',
    tenant: 'acme',
    toolScopes: 'files:*,web:*',
  }),
  neighbour: authority.issue({
    namespace: 'acme',
    serviceAccount: 'neighbour',
    role: 'agent',
    tenant: 'acme',
    toolScopes: 'files:*',
  }),
} as const

/** A guard with real TLS before a server that a test scripts, or before a command that is one. */
export async function openGuardStage(
  command?: readonly string[],
  { log = silentLog, ...stdio }: Partial<GuardOptions> & { readonly log?: Log } = {},
): Promise<GuardStage> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-guard-'))
  const got: Got[] = []
  const inside = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', rawHeaders: raw } = request
      const headers = request.headers as Record<string, string>
      got.push({ method, url, raw, headers, body: Buffer.concat(chunks) })
      stage.answer(got.at(-1) as Got, response, request)
    })
  }).listen(0, '127.0.0.1')
  await once(inside, 'listening')
  const insidePort = (inside.address() as AddressInfo).port
  const mount = async ({ credentialPem }: TestLeaf): Promise<void> => {
    await writeFile(join(folder, '.new'), credentialPem, { mode: 0o600 })
    await rename(join(folder, '.new'), join(folder, 'credential.pem'))
  }
  await mount(who.guard)
  await writeFile(join(folder, 'trust.pem'), authority.bundlePem)
  const to = { to: `http://127.0.0.1:${insidePort}/mcp` }
  const options: GuardOptions = {
    ...(command === undefined ? to : { stdio: true, ...stdio }),
    gateway: [who.gateway.identity.spiffeId.uri],
    server: 'files',
    credentialBundle: join(folder, 'credential.pem'),
    trustBundle: join(folder, 'trust.pem'),
    listen: '127.0.0.1:0',
    admin: '127.0.0.1:0',
    graceSeconds: '0',
    production: false,
  }
  const running = await openGuard(parseGuardOptions(options, command), log)
  const listen = running.conditions().find(({ name }) => name === 'listen')
  const port = Number(listen?.reason.split(' ').at(-1))
  const stage: GuardStage = {
    running,
    port,
    insidePort,
    got,
    anchors: authority.bundlePem,
    who,
    answer: ok,
    token: tokenFor,
    send: (sent) => send(port, sent),
    raw: (as = who.gateway) => rawTo(port, as),
    mount,
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      inside.closeAllConnections()
      inside.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
  return stage
}

function tokenFor(
  o: {
    readonly signer?: TestLeaf
    readonly server?: string
    readonly args?: object
    readonly caller?: TestLeaf
  } = {},
): Promise<string> {
  const { signer = who.gateway, server = 'files', args = { n: 1 }, caller = who.agent } = o
  const current = (): TestLeaf['credential'] => signer.credential
  const tokens = createTokenSigner({
    credential: { current, onChange: () => () => {} },
    now: Date.now,
  })
  return tokens.sign({
    caller: caller.credential.svid,
    upstream: { server, spiffeId: who.guard.identity.spiffeId },
    method: 'tools/call',
    tool: 'echo',
    target: undefined,
    argumentsSha256: createHash('sha256').update(JSON.stringify(args)).digest('base64url'),
    transactionId: 'decision-1',
  })
}

function tlsOf(as: TestLeaf): object {
  const { chainPem: cert, privateKeyPem: key } = as.credential
  return { ca: authority.bundlePem, cert, key, checkServerIdentity: () => undefined }
}

async function rawTo(port: number, as: TestLeaf): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ...tlsOf(as) })
  await once(socket, 'secureConnect')
  return socket
}

function send(port: number, sent: Sent): ReturnType<GuardStage['send']> {
  const { as = who.gateway, method = 'POST', path = '/mcp' } = sent
  const body = 'body' in sent ? sent.body : list
  return new Promise((resolve, reject) => {
    const headers = { ...usual, ...sent.headers }
    const options = { host: '127.0.0.1', port, method, path, agent: false, headers, ...tlsOf(as) }
    const asked = httpsRequest(options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text, headers: response.headers }),
      )
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

/** Sends octets, and gives what has come back when the other end is done, or has nothing more to say. */
export async function exchange(socket: TLSSocket, octets: string): Promise<string> {
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => {})
  socket.write(octets, 'latin1')
  socket.setTimeout(300, () => socket.destroy())
  if (!socket.destroyed) await once(socket, 'close')
  return text
}

/** What every request inside has to be, whatever was sent. */
export function assertFramed(got: Got): void {
  assert.equal(got.url, '/mcp')
  const names = got.raw.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())
  assert.equal(new Set(names).size, names.length, names.join())
  for (const name of names) {
    assert.match(
      name,
      /^(host|connection|content-(length|type)|accept(-encoding)?|user-agent|mcp-[a-z0-9-]+|countersign-caller)$/,
    )
  }
  assert.equal(got.headers['content-length'] ?? '0', String(got.body.length))
  assert.equal(got.headers['host']?.startsWith('127.0.0.1:'), true)
}
