import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { run } from '../../../src/cli/program.ts'
import { modern } from '../../gateway/world/client.ts'
import { openWorld, type World } from '../../gateway/world/world.ts'
import { requirement } from '../../requirements.ts'
import { root } from '../../support/source-tree.ts'

const gatewayId = 'spiffe://test.example/ns/agents/sa/gateway'

let world: World
let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-forward-'))
  world = await openWorld({ hosts: ['127.0.0.1'] })
  const { privateKeyPem, chainPem } = world.identities.issue({ toolScopes: 'files:*,web:*' })
  await writeFile(join(folder, 'key.pem'), privateKeyPem + chainPem, { mode: 0o600 })
  await writeFile(join(folder, 'trust.pem'), world.identities.bundle.pem)
})

after(async () => {
  await world[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Started as a user starts it, and where it says that it answers. */
async function startForward(
  t: { after(end: () => void): void },
  place: Readonly<Record<string, string>> = { port: '0' },
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const words = Object.entries({
    ...place,
    url: `https://127.0.0.1:${world.gateway.port}/mcp`,
    server: gatewayId,
    'credential-bundle': join(folder, 'key.pem'),
    'trust-bundle': join(folder, 'trust.pem'),
  }).flatMap(([name, value]) => [`--${name}`, value])
  const child = spawn(process.execPath, ['src/cli/main.ts', 'forward', ...words], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.after(() => void child.kill('SIGKILL'))
  for await (const line of createInterface({ input: child.stderr })) {
    const { msg, port } = JSON.parse(line) as { readonly msg: string; readonly port: number }
    if (msg === 'forwarding') return { child, url: `http://127.0.0.1:${port}/mcp` }
  }
  return assert.fail('it has not begun')
}

test('a client without a certificate asks the gateway as the pod, and at SIGTERM it ends: exit 0', async (t) => {
  const { child, url } = await startForward(t)
  const { body, headers: own } = modern('tools/list', {})
  const accept = 'application/json, text/event-stream'
  const headers = { ...own, accept, 'content-type': 'application/json' }
  const method = 'POST'
  const listed = await fetch(url, { method, body, headers })
  assert.equal(listed.status, 200)
  assert.match(await listed.text(), /"name":"files_echo"/)

  const page = await fetch(url, { method, body, headers: { ...headers, origin: 'https://a.test' } })
  assert.equal(page.status, 403)
  assert.equal((await fetch(new URL('/jwks.json', url))).status, 404)

  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit')) as [number | null]
  assert.equal(code, 0)
  await assert.rejects(fetch(url, { method, body, headers }))
})

test('a client in the same pod asks on a Unix socket, which is gone when it has ended', async (t) => {
  requirement('forward.no-page-speaks-as-the-pod')
  const socketPath = join(folder, 'forward', 'gateway.sock')
  const { child } = await startForward(t, { socket: socketPath })
  const { body, headers: own } = modern('tools/list', {})
  const accept = 'application/json, text/event-stream'
  const send = async (host: string): Promise<number> => {
    const headers = { ...own, accept, host, 'content-type': 'application/json' }
    const asked = request({ socketPath, path: '/mcp', method: 'POST', headers, agent: false })
    asked.end(body)
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    answer.resume()
    return answer.statusCode ?? 0
  }
  assert.equal(await send('localhost'), 200)
  for (const host of ['attacker.example', '127.0.0.1:undefined', 'localhost:8089']) {
    assert.equal(await send(host), 403, host)
  }
  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit')) as [number | null]
  assert.equal(code, 0)
  assert.equal(existsSync(socketPath), false)
})

for (const [what, words, said] of [
  ['a port and a socket', ['--port', '1', '--socket', 'x'], /want=--port or --socket, not both/],
  ['a group of no socket', ['--group'], /want=--group beside --socket/],
  ['no port', ['--port', 'x'], /port: want=0\.\.65535 got="x"/],
] as const) {
  test(`${what}: usage, exit 2`, async () => {
    let told = ''
    const tell = (text: string): void => void (told += text)
    const signal = new AbortController().signal
    assert.equal(await run(['forward', ...words], { out: tell, err: tell, signal }), 2)
    assert.match(told, said)
  })
}
