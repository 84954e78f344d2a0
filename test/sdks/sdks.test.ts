import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  openSession,
  programIsHere,
  runToEnd,
  type ExampleSession,
} from '../../examples/session.ts'
import { requirement } from '../requirements.ts'
import { buildMaven } from '../tools/maven.ts'
import { installPip } from '../tools/pip.ts'

/*
 * What people have in their agents, each over a refusal of every kind and on: the official clients in Python, Go and Java. Those in
 * TypeScript are in `test/gateway/sdk.test.ts`. That in C# is not run.
 */

const create = 'github_issues_create'
const fine = { repository: 'acme/handbook', title: 'Hello' }

/** Each call, with what a client has to show for it. */
const calls: readonly (readonly [tool: string, args: object, shown: RegExp])[] = [
  [
    create,
    fine,
    /^answered .*"title":"Hello".*spiffe:\/\/agents\.example\/ns\/acme\/sa\/researcher/,
  ],
  [
    create,
    { ...fine, repository: 'globex/vault' },
    /^refused .*denied by policy: .*with these arguments \(decision [0-9a-f-]{36}\)/,
  ],
  [
    'github_none',
    {},
    /^refused .*denied by policy: .*no scope for this tool \(decision [0-9a-f-]{36}\)/,
  ],
  ['nobody_none', {}, /^refused .*Unknown tool: nobody_none/],
  [create, { ...fine, title: 'x'.repeat(9 * 1024 * 1024) }, /^refused .*too large/i],
  [create, fine, /^answered .*"title":"Hello"/],
]

let folder = ''
let session: ExampleSession | undefined

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-sdks-'))
  const asked = calls.map(([tool, args]) => [tool, args])
  await writeFile(join(folder, 'calls.json'), JSON.stringify(asked))
  session = await openSession()
})

after(async () => {
  await session?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function check(program: string, words: readonly string[]): Promise<void> {
  const environment = {
    ...session?.environment,
    CALLS: join(folder, 'calls.json'),
    PYTHONDONTWRITEBYTECODE: '1',
  }
  const said = await runToEnd(program, words, { environment })
  const [lists = '', ...shown] = said.trim().split('\n')
  assert.match(lists, /^lists [1-9]/)
  assert.equal(shown.length, calls.length, said)
  for (const [at, [, , want]] of calls.entries()) assert.match(shown[at] ?? '', want)
}

for (const [name, packages, program] of [
  ['the Python SDK 1.30', 'test/sdks/legacy.txt', 'legacy.py'],
  ['the Python SDK 2.3', 'examples/agent-python/requirements.txt', 'modern.py'],
  ['fastmcp 4.2', 'test/sdks/fast.txt', 'fast.py'],
] as const) {
  test(`a client of ${name} shows why a call is refused, and goes on`, async () => {
    requirement('gateway.refusals-have-ids')
    if (!programIsHere('test/sdks', 'python3', '-c', 'import venv, ensurepip')) return
    const python = await installPip(join(import.meta.dirname, '../..', packages))
    await check(python, [join(import.meta.dirname, program)])
  })
}

test('a client of the Go SDK 1.8 shows why a call is refused, and goes on', async () => {
  requirement('gateway.refusals-have-ids')
  if (!programIsHere('test/sdks', 'go', 'version')) return
  const program = join(folder, 'go')
  const cwd = join(import.meta.dirname, 'go')
  await runToEnd('go', ['build', '-o', program, '.'], { cwd })
  await check(program, [])
})

test('a client of the Java SDK 2.1 shows why a call is refused, and goes on', async () => {
  requirement('gateway.refusals-have-ids')
  const built = await buildMaven(join(import.meta.dirname, 'java'))
  if ('notHere' in built) {
    process.stderr.write(`test/sdks: NOT RUN: the client in Java: ${built.notHere}\n`)
    return
  }
  // With it the name in the gateway's certificate is that of its address, as in a cluster.
  const hosts = join(folder, 'hosts')
  await writeFile(hosts, `127.0.0.1 ${session?.environment['SERVER_NAME']}\n`)
  const words = [`-Djdk.net.hosts.file=${hosts}`, '-cp', built.classPath, 'dev.countersign.Calls']
  await check('java', words)
})
