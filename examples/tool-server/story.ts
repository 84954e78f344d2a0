/** The tool server of docs/TOOL-SERVERS.md: asked by a gateway, given another certificate while it runs, and ended. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TLSSocket } from 'node:tls'
import { openSession } from '../session.ts'

await using session = await openSession()
const { dev } = session

function credentialOf(name: string): string {
  return dev.pods.find((pod) => pod.name === name)?.credentialBundle ?? assert.fail(name)
}

/** Mounts a pod's certificate as kubelet does: whole, in one step. */
async function mount(folder: string, name: string): Promise<void> {
  await copyFile(dev.trustBundle, join(folder, 'trust-bundle.pem'))
  await copyFile(credentialOf(name), join(folder, '.new'))
  await rename(join(folder, '.new'), join(folder, 'credential-bundle.pem'))
}

/** An HTTP client with the certificate of a pod, which keeps its connection. */
async function clientOf(name: string): Promise<Agent> {
  const pem = await readFile(credentialOf(name), 'utf8')
  const ca = await readFile(dev.trustBundle, 'utf8')
  const checkServerIdentity = (): undefined => undefined
  return new Agent({ cert: pem, key: pem, ca, keepAlive: true, maxSockets: 1, checkServerIdentity })
}

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'story', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {},
}
const list = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/list',
  params: { _meta: meta },
})

interface Answer {
  readonly status: number
  readonly connection: string | undefined
  readonly body: string
  /** The name in the certificate that the server has shown on this connection. */
  readonly server: string
  readonly isReused: boolean
}

function askFor(agent: Agent, port: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/list',
    }
    const asked = request({ agent, port, method: 'POST', path: '/mcp', headers }, (response) => {
      // It is the agent's own again at the end.
      const server = (response.socket as TLSSocket).getPeerCertificate().subjectaltname ?? ''
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.once('end', () => {
        const { connection } = response.headers
        const status = response.statusCode ?? 0
        resolve({ status, connection, body, server, isReused: asked.reusedSocket })
      })
    })
    asked.once('error', reject)
    asked.end(list)
  })
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 100))
}

const folder = await mkdtemp(join(tmpdir(), 'countersign-tool-server-'))
const agents: Agent[] = []
try {
  await mount(folder, 'github')
  const program = join(import.meta.dirname, 'server.ts')
  const env = { ...process.env, IDENTITY: folder, PORT: '0', HOST: '127.0.0.1' }
  const child = spawn(process.execPath, [program], {
    env: { ...env, PRODUCTION: 'false', GRACE_SECONDS: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const [first] = (await once(lines, 'line')) as [string]
  const { port } = (JSON.parse(first) as { listening: AddressInfo }).listening

  // 1. The gateway is let in, on one connection for all that it asks. An agent is not, whatever it asks.
  const gateway = await clientOf('countersign-gateway')
  const researcher = await clientOf('researcher')
  agents.push(gateway, researcher)
  assert.match((await askFor(gateway, port)).body, /"name":"now"/)
  assert.equal((await askFor(gateway, port)).isReused, true)
  assert.equal((await askFor(researcher, port)).status, 403)

  // 2. Another certificate is shown without a restart, and the connection that stands goes on.
  await mount(folder, 'notes')
  await until(async () => {
    const anew = await clientOf('countersign-gateway')
    agents.push(anew)
    return (await askFor(anew, port)).server.includes('/sa/notes')
  })
  const before = await askFor(gateway, port)
  assert.equal(before.isReused, true)
  assert.match(before.server, /\/sa\/github/)

  // 3. Told to end, it serves on for its grace, each answer the last of its connection; then it is gone, and nothing has failed.
  child.kill('SIGTERM')
  await until(async () => (await askFor(gateway, port)).connection === 'close')
  if (child.exitCode === null) await once(child, 'exit')
  assert.equal(child.exitCode, 0)
  console.log('asked, given another certificate, and ended: no request failed')
} finally {
  for (const agent of agents) agent.destroy()
  await rm(folder, { recursive: true, force: true })
}
