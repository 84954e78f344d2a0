import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parse } from 'yaml'
import { freePort } from '../support/free-port.ts'
import { programIsHere } from '../../examples/session.ts'
import { modern, modernMeta, type TestClient } from '../gateway/world/client.ts'
import { openWorld, type World } from '../gateway/world/world.ts'
import { parseInside } from '../../src/guard/inside.ts'
import { readListening } from '../../src/guard/listening.ts'
import { requirement } from '../requirements.ts'
import { installPip } from '../tools/pip.ts'
import { eventually } from '../support/eventually.ts'
import { startGuard } from './start-guard.ts'

/*
 * A server of fastmcp behind `countersign guard`, called through a gateway: every piece is the one that runs in a cluster.
 */

const here = programIsHere('test/sdks', 'python3', '-c', 'import venv, ensurepip')
const children: ChildProcess[] = []
let folder: string
let world: World | undefined
let agent: TestClient
let guardAdmin = ''
let insidePort = 0

before(async () => {
  if (!here) return
  folder = await mkdtemp(join(tmpdir(), 'countersign-guarded-'))
  const python = await installPip(join(import.meta.dirname, 'fast.txt'))
  const [listen, inside] = [await freePort(), await freePort()]
  insidePort = inside
  world = await openWorld({
    grants: { tenants: { acme: { files: { tools: {}, prefixes: { '': {} } } } }, subjects: {} },
    async upstreams(configs, identities) {
      const before = ['--to', `http://127.0.0.1:${inside}/mcp`]
      const guard = await startGuard({ folder, identities, server: 'files', listen, before })
      guardAdmin = guard.admin
      children.push(guard.child)
      return configs.map((each) =>
        each.server === 'files' ? { ...each, url: `https://127.0.0.1:${listen}/mcp` } : each,
      )
    },
  })
  assert.equal((await fetch(`${guardAdmin}/readyz`)).status, 503)
  const program = join(import.meta.dirname, '../../examples/any-language/server.py')
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
  children.push(spawn(python, [program, String(inside)], { env, stdio: 'inherit' }))
  await eventually('the guard is ready', async () => (await fetch(`${guardAdmin}/readyz`)).ok, 60)
  agent = await world.agent({ toolScopes: 'files:*' })
})

after(async () => {
  for (const child of children.toReversed()) {
    child.kill('SIGTERM')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  if (!here) return
  await world?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test(
  'a tool of a server that knows no certificates is called with who calls it',
  {
    skip: !here,
  },
  async () => {
    requirement('guard.caller-from-the-token')
    const asked = modern('tools/call', { name: 'who', arguments: {} })
    const { status, text } = await agent.post('/mcp/files', asked.body, asked.headers)
    assert.equal(status, 200, text)
    assert.match(text, /spiffe:\/\/test\.example\/ns\/agents\/sa\/agent of acme, nothing else/)
  },
)

test('what it tells on its way comes through as events', { skip: !here }, async () => {
  requirement('guard.streams-both-ways')
  const meta = { ...modernMeta, progressToken: 'p' }
  const asked = modern('tools/call', { name: 'count', arguments: { to: 3 }, _meta: meta })
  const { status, text } = await agent.post('/mcp/files', asked.body, asked.headers)
  assert.equal(status, 200, text)
  assert.match(text, /counted to 3/)
  for (const progress of [1, 2, 3]) assert.match(text, new RegExp(`"progress":${progress}\\b`))
})

test('the port inside is open to no other machine', { skip: !here }, async () => {
  requirement('guard.inside-on-loopback-only')
  assert.deepEqual(await readListening(insidePort), { onLoopback: true, elsewhere: false })
})

test('a guard that is told to end ends in order', { skip: !here }, async () => {
  const [guard] = children
  guard?.kill('SIGTERM')
  if (guard?.exitCode === null) await once(guard, 'exit')
  assert.equal(guard?.exitCode, 0)
})

test('the pod that is documented is the one of the example', async () => {
  const page = await readFile(join(import.meta.dirname, '../../docs/REACH.md'), 'utf8')
  const file = join(import.meta.dirname, '../../examples/any-language/pod.yaml')
  const [, shown] = /```yaml\n(spec:\n[^]*?)```/.exec(page) ?? []
  assert.ok(shown !== undefined && (await readFile(file, 'utf8')).endsWith(shown))
  const { spec } = parse(shown) as { spec: { initContainers: readonly { args: string[] }[] } }
  const [guard] = spec.initContainers
  assert.equal(guard?.args[0], 'guard')
  const [inside] = /http:[^ ]+/.exec(guard.args.join(' ')) ?? []
  assert.deepEqual(parseInside(inside ?? ''), { port: 8000, path: '/mcp' })
})
