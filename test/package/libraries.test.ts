import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import manifest from '../../package.json' with { type: 'json' }
import { root } from '../support/source-tree.ts'
import { createTestAuthority } from '../support/test-authority.ts'

const names = ['countersign-toolserver', 'countersign-agent'] as const

/** The oldest Node that the packages are declared for, from the registry as a program alone. */
const oldestNode = '22.12.0'

/** An empty project for each package, and one that has both, as their users have them. */
let folder: string
/** Node programs by their version. */
let nodes: Readonly<Record<string, string>>

function run(program: string, words: readonly string[], cwd: string): string {
  const ended = spawnSync(program, words, { cwd, encoding: 'utf8' })
  assert.equal(ended.status, 0, `${program} ${words.join(' ')}\n${ended.stdout}${ended.stderr}`)
  return ended.stdout
}

async function install(into: string, packages: readonly string[]): Promise<void> {
  await mkdir(into)
  await writeFile(join(into, 'package.json'), '{ "private": true, "type": "module" }')
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...packages], into)
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-libraries-'))
  run('npm', ['run', 'build'], root)
  for (const name of names) {
    run('npm', ['pack', '--pack-destination', folder, join(root, 'dist', 'packages', name)], root)
    await install(join(folder, name), [archiveOf(name)])
  }
  await install(join(folder, 'both'), names.map(archiveOf))
  const program = `node-linux-${process.arch}`
  await install(join(folder, 'node'), [`${program}@${oldestNode}`])
  const oldest = join(folder, 'node', 'node_modules', program, 'bin', 'node')
  assert.equal(run(oldest, ['--version'], folder), `v${oldestNode}\n`)
  nodes = { [oldestNode]: oldest, [process.versions.node]: process.execPath }
})

after(() => rm(folder, { recursive: true, force: true }))

function archiveOf(name: string): string {
  return join(folder, `${name}-${manifest.version}.tgz`)
}

async function manifestOf(name: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(folder, name, 'node_modules', name, 'package.json')
  return JSON.parse(await readFile(path, 'utf8')) as Readonly<Record<string, unknown>>
}

for (const name of names) {
  test(`at most six packages come with all that it needs: ${name}`, async (t) => {
    const lockfile = join(folder, name, 'node_modules', '.package-lock.json')
    const { packages } = JSON.parse(await readFile(lockfile, 'utf8')) as { packages: object }
    const installed = Object.keys(packages)
    t.diagnostic(installed.join(', '))
    assert.ok(installed.length <= 6, `got=${installed.join(', ')}`)
  })

  test(`the package says what it is, of which version, under which licence, for which Node: ${name}`, async () => {
    const { version, license, engines, description } = await manifestOf(name)
    assert.deepEqual(
      { version, license, engines },
      { version: manifest.version, license: manifest.license, engines: { node: '>=22.12' } },
    )
    assert.match(String(description), /Countersign/)
  })

  test(`the package holds its rooms with their types, its licence and its page, and nothing else: ${name}`, async () => {
    const files = await readdir(join(folder, name, 'node_modules', name), { recursive: true })
    const known =
      /^(LICENSE|NOTICE|README\.md|package\.json|(errors|log|drain|bag|listeners)(\.d\.ts|\.js)|(identity|pki|mcp|token|toolserver|agent)(\/[a-z0-9-]+(\.d\.ts|\.js))?)$/
    assert.deepEqual(
      files.filter((path) => !known.test(path)),
      [],
    )
    for (const path of ['LICENSE', 'NOTICE', 'README.md']) assert.ok(files.includes(path), path)
    // Neither signs certificates.
    assert.deepEqual(
      files.filter((path) => /pki\/(issue|authority|ca-write)/.test(path)),
      [],
    )
  })
}

/** A tool server and an agent on one machine: the agent has a gateway's certificate, and no token. */
const conversation = `
import { once } from 'node:events'
import { createServer } from 'node:https'
import { requireCountersign } from 'countersign-toolserver'
import { openCountersignFetch } from 'countersign-agent'
import { parseSpiffeId } from 'countersign-agent/identity'

const gateway = 'spiffe://a.example/ns/system/sa/gateway'
const trustBundle = 'anchors.pem'
const countersign = await requireCountersign({
  credentialBundle: 'toolserver.pem',
  trustBundle,
  trustDomain: 'a.example',
  gateways: [gateway],
  server: 'files',
  production: false,
})
const server = createServer(countersign.tlsOptions, countersign.guard((request, response) => response.end()))
countersign.attach(server)
await once(server.listen(0, '127.0.0.1'), 'listening')
const agent = await openCountersignFetch({
  credentialBundle: 'gateway.pem',
  trustBundle,
  server: 'spiffe://a.example/ns/tools/sa/files',
})
const answer = await agent.fetch('https://127.0.0.1:' + server.address().port + '/mcp', {
  method: 'POST',
  headers: {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2025-11-25',
  },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'read' } }),
})
console.log(parseSpiffeId(gateway).path, answer.status, await answer.text())
await agent[Symbol.asyncDispose]()
await countersign[Symbol.asyncDispose]()
server.close()
`

test('both packages run on the oldest Node that they are declared for, and on ours', async () => {
  const both = join(folder, 'both')
  const authority = createTestAuthority({ trustDomain: 'a.example' })
  const tool = { namespace: 'tools', serviceAccount: 'files', role: 'tool-server' } as const
  const gateway = { namespace: 'system', serviceAccount: 'gateway', role: 'tool-broker' } as const
  await writeFile(join(both, 'toolserver.pem'), authority.issue(tool).credentialPem)
  await writeFile(join(both, 'gateway.pem'), authority.issue(gateway).credentialPem)
  await writeFile(join(both, 'anchors.pem'), authority.bundlePem)
  await writeFile(join(both, 'conversation.js'), conversation)
  for (const [version, node] of Object.entries(nodes)) {
    assert.match(
      run(node, ['conversation.js'], both),
      /^\/ns\/system\/sa\/gateway 403 .*token/i,
      version,
    )
  }
})

test('TypeScript users get the types of every public page', async () => {
  const both = join(folder, 'both')
  await mkdir(join(both, 'src'), { recursive: true })
  const program = `import { requireCountersign, type VerifiedCaller } from 'countersign-toolserver'
import { openCountersignFetch } from 'countersign-agent'
import { parseSpiffeId } from 'countersign-toolserver/identity'
import { parseToolScope } from 'countersign-agent/identity'

const files = { credentialBundle: 'credential-bundle.pem', trustBundle: 'trust-bundle.pem' }
const gateways = ['spiffe://a.example/b']
const countersign = await requireCountersign({ ...files, trustDomain: 'a.example', gateways })
const nameOf = (caller: VerifiedCaller): string => parseSpiffeId(caller.spiffeId).path
const gateway = await openCountersignFetch({ ...files, server: 'spiffe://a.example/b' })
console.log(nameOf, gateway.fetch, countersign.tlsOptions, parseToolScope('files:read'))
// @ts-expect-error a trust domain is required
await requireCountersign({ ...files, gateways })
// @ts-expect-error the gateways are required
await requireCountersign({ ...files, trustDomain: 'a.example' })
`
  await writeFile(join(both, 'src', 'main.ts'), program)
  const compilerOptions = {
    noEmit: true,
    strict: true,
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
  }
  await writeFile(
    join(both, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, include: ['src'] }),
  )
  assert.equal(run(join(root, 'node_modules', '.bin', 'tsc'), ['-p', both], both), '')
})
