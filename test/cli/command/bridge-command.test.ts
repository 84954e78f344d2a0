import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { modernRequest, resultText } from '../../agent/bridge-stage.ts'
import { eventually } from '../../support/eventually.ts'
import { root } from '../../support/source-tree.ts'
import { createTestAuthority } from '../../support/test-authority.ts'

const authority = createTestAuthority()
const gateway = authority.issue({ namespace: 'system', serviceAccount: 'gateway' })

let folder: string
let listening: Server
/** The answers that nobody has given yet. */
const open: ServerResponse[] = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-bridge-'))
  await writeFile(join(folder, 'trust.pem'), authority.bundlePem)
  await writeFile(join(folder, 'key.pem'), authority.issue().credentialPem, { mode: 0o600 })
  const { chainPem: cert, privateKeyPem: key } = gateway.credential
  listening = createServer(
    { cert, key, ca: authority.bundlePem, requestCert: true },
    (_request, response) => void open.push(response),
  )
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
})

after(async () => {
  listening.closeAllConnections()
  listening.close()
  await rm(folder, { recursive: true, force: true })
})

interface RunningBridge {
  readonly child: ChildProcess
  readonly output: { out: string; err: string }
  readonly ended: Promise<number | null>
}

function startBridge(
  t: { after(end: () => void): void },
  more: Readonly<Record<string, string>> = {},
): RunningBridge {
  const { port } = listening.address() as AddressInfo
  const settings = {
    url: `https://127.0.0.1:${port}/mcp`,
    server: gateway.identity.spiffeId.uri,
    'credential-bundle': join(folder, 'key.pem'),
    'trust-bundle': join(folder, 'trust.pem'),
    ...more,
  }
  const words = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const child = spawn(process.execPath, ['src/cli/main.ts', 'bridge', ...words], { cwd: root })
  t.after(() => void child.kill('SIGKILL'))
  const output = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.err += text))
  child.stdin.on('error', () => {})
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { child, output, ended }
}

test('where its files are not there it does not begin: exit 1, and says so', async (t) => {
  const { output, ended } = startBridge(t, { 'credential-bundle': join(folder, 'none.pem') })
  assert.equal(await ended, 1)
  assert.match(output.err, /^countersign: error: .*none\.pem.*\nhint: /)
  assert.equal(output.out, '')
})

test('where the gateway is not there each request is told so, and the end of the input is the end: exit 0', async (t) => {
  const { child, output, ended } = startBridge(t, { url: 'https://127.0.0.1:1/mcp' })
  child.stdin?.end(`${modernRequest('a', 'tools/list')}\n`)
  assert.equal(await ended, 0)
  assert.match(
    output.out,
    /^\{"jsonrpc":"2\.0","id":"a","error":\{"code":-32603,"message":"the gateway cannot be reached: .*\(hint: .*\)"\}\}\n$/,
  )
  assert.equal(output.err, '')
})

test('at SIGTERM what is open is answered, and it ends: exit 0', async (t) => {
  const { child, output, ended } = startBridge(t)
  child.stdin?.write(`${modernRequest(1, 'tools/list')}\n`)
  await eventually('the request is open', () => open.length === 1)
  child.kill('SIGTERM')
  assert.equal(await ended, 0)
  assert.match(output.out, /^\{"jsonrpc":"2\.0","id":1,"error":.*told to end/)
  open.splice(0)
})

test('a client that reads no more ends it', async (t) => {
  const { child, ended } = startBridge(t)
  child.stdin?.write(`${modernRequest(1, 'tools/list')}\n`)
  await eventually('the request is open', () => open.length === 1)
  child.stdout?.destroy()
  open.pop()?.end(resultText(1))
  assert.equal(await ended, 0)
})

test('a client that reads slowly slows its own stream, and nothing piles up here', async (t) => {
  const { child, ended } = startBridge(t)
  child.stdout?.pause()
  child.stdin?.write(`${modernRequest(1, 'tools/list')}\n`)
  await eventually('the request is open', () => open.length === 1)
  const response = open.pop()
  response?.writeHead(200, { 'content-type': 'text/event-stream' })
  const told = { jsonrpc: '2.0', method: 'notifications/message', params: 'x'.repeat(60_000) }
  const event = `data: ${JSON.stringify(told)}\n\n`
  let sent = 0
  const pour = (): void => {
    while (sent < 2000) {
      sent += 1
      if (response?.write(event) === false) return
    }
    response?.write(`data: ${resultText(1)}\n\n`)
  }
  response?.on('drain', pour)
  pour()
  let last = -1
  await eventually('it comes to rest', async () => {
    const rests = sent === last
    last = sent
    await new Promise((resolve) => setImmediate(resolve))
    return rests
  })
  assert.ok(sent < 2000, `got=${sent}`)
  child.stdin?.end()
  child.stdout?.resume()
  assert.equal(await ended, 0)
  assert.equal(sent, 2000)
})
