/** A bundle server: an author signs and publishes, the gateway follows, bad bundles are refused, and the last good one serves on. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { DevFile } from '../../dev/story/dev-file.ts'
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import { toolPath } from '../../test/tools/build.ts'
import { openSession, programIsHere } from '../session.ts'
import { serveBundle } from './file-server.ts'

const opa = process.env['COUNTERSIGN_OPA'] ?? toolPath('opa') ?? 'opa'
const main = join(import.meta.dirname, '../../src/cli/main.ts')

async function policy(...words: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [main, 'policy', ...words, '--json'], {
    env: { ...process.env, COUNTERSIGN_OPA: opa },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(code, 0, `countersign policy ${words.join(' ')}`)
}

/** Whoever has this key decides what the gateways of the platform permit. */
interface Author {
  readonly keyFile: string
  readonly publicKeyFile: string
}

async function createAuthor(folder: string, name: string): Promise<Author> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyFile = join(folder, `${name}.key`)
  const publicKeyFile = join(folder, `${name}.pem`)
  await writeFile(keyFile, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
  await writeFile(publicKeyFile, publicKey.export({ format: 'pem', type: 'spki' }))
  return { keyFile, publicKeyFile }
}

/** Builds the sources, signs them as this author, and gives the archive. */
async function build(sources: string, { keyFile }: Author, revision: string): Promise<Buffer> {
  const archive = `${sources}-${revision}.tar.gz`
  await policy('build', sources, '--revision', revision, '-o', archive)
  const how = ['--algorithm', 'ES256', '--key-id', 'authors', '--scope', 'production']
  await policy('sign', archive, '--key', keyFile, ...how)
  return readFile(archive)
}

const rule = `package countersign.custom

# METADATA
# title: No issues
# scope: document
# schemas:
#   - input: schema.mcp.decision
deny contains {"code": "frozen", "message": "issues are frozen"} if {
	input.action.name == "tools/call"
	input.resource.id == "issues_create"
}
`

interface Status {
  readonly active_revision?: string
  readonly code?: string
  readonly message?: string
}

/** What OPA's own clients would read of an OPA. */
async function statusOf({ gateway }: DevFile): Promise<Status> {
  const response = await fetch(new URL('/v1/status', gateway.adminUrl))
  const { result } = (await response.json()) as { result: { bundles: { countersign: Status } } }
  return result.bundles.countersign
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<number> {
  const since = performance.now()
  while (!(await holds())) {
    assert.ok(performance.now() - since < 60_000, what)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const seconds = (performance.now() - since) / 1000
  console.log(`${what} after ${seconds.toFixed(1)} s`)
  return seconds
}

interface StoryAgent extends AsyncDisposable {
  /** Opens an issue; gives the reason where it is refused. */
  create(): Promise<string | undefined>
}

async function openAgent({ gateway, trustBundle, pods }: DevFile): Promise<StoryAgent> {
  const pod = pods.find(({ namespace, name }) => namespace === 'acme' && name === 'researcher')
  const credentialBundle = pod?.credentialBundle ?? assert.fail('no certificate')
  const server = gateway.spiffeId
  const mtls = await openCountersignFetch({ credentialBundle, trustBundle, server })
  const client = new Client(
    { name: 'signed-bundle', version: '1.0.0' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  const url = new URL('/mcp', gateway.url)
  await client.connect(new StreamableHTTPClientTransport(url, { fetch: mtls.fetch }))
  const call = {
    name: 'github_issues_create',
    arguments: { repository: 'acme/handbook', title: 'a' },
  }
  return {
    create: () =>
      client.callTool(call).then(
        () => undefined,
        (error: Error) => error.message,
      ),
    async [Symbol.asyncDispose]() {
      await client.close()
      await mtls[Symbol.asyncDispose]()
    },
  }
}

/** `policy` of a gateway's configuration. */
async function writePolicyConfig(
  folder: string,
  { url, author }: { readonly url: string; readonly author: Author },
): Promise<string> {
  const file = join(folder, 'policy.yaml')
  const configuration = {
    service: {
      url,
      resource: 'bundles/gateway.tar.gz',
      polling: { minDelaySeconds: 1, maxDelaySeconds: 2, longPollingTimeoutSeconds: 30 },
    },
    persistenceDirectory: join(folder, 'last-good'),
    signature: {
      keys: [{ id: 'authors', algorithm: 'ES256', publicKey: author.publicKeyFile }],
      scope: 'production',
    },
  }
  await writeFile(file, JSON.stringify(configuration))
  return file
}

async function walk(folder: string): Promise<void> {
  const sources = join(folder, 'sources')
  const author = await createAuthor(folder, 'author')
  const stranger = await createAuthor(folder, 'stranger')
  await policy('new', sources)
  const open = await build(sources, author, 'open')
  const files = await serveBundle()
  files.publish(open)

  // 1. The gateway begins with what the server has.
  const policyConfig = await writePolicyConfig(folder, { url: files.url, author })
  await using session = await openSession({ words: ['--policy-config', policyConfig] })
  const { dev } = session
  await using agent = await openAgent(dev)
  assert.equal((await statusOf(dev)).active_revision, 'open')
  assert.equal(await agent.create(), undefined)

  // 2. A rule, signed and published: the gateway was waiting for it.
  await writeFile(join(sources, 'countersign', 'custom', 'deny.rego'), rule)
  await rm(join(sources, 'countersign', 'custom', 'deny_test.rego'))
  const frozen = await build(sources, author, 'frozen')
  files.publish(frozen)
  await eventually('published and enforced', async () => (await agent.create()) !== undefined)
  assert.match((await agent.create()) ?? '', /issues are frozen/)
  assert.equal((await statusOf(dev)).active_revision, 'frozen')

  // 3. Nothing that a server, or whoever has it in hand, can publish opens the gate.
  await rm(join(sources, 'countersign', 'custom', 'deny.rego'))
  const bad: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
    'signed by somebody else': [await build(sources, stranger, 'theirs'), /is not by a key of/],
    'older than the one in force': [open, /was signed before the one in force/],
    'cut short': [frozen.subarray(0, frozen.length - 100), /is cut short/],
    'no bundle': [Buffer.from('<html>'), /without a gzip archive/],
  }
  for (const [what, [archive, message]] of Object.entries(bad)) {
    files.publish(archive)
    await eventually(`${what}: refused`, async () =>
      message.test((await statusOf(dev)).message ?? ''),
    )
    const { active_revision: active, code } = await statusOf(dev)
    assert.deepEqual([active, code], ['frozen', 'bundle_error'])
    assert.match((await agent.create()) ?? '', /issues are frozen/)
  }

  // 4. The server goes: the last good bundle serves on, and is on disk for the next start.
  const { port } = new URL(files.url)
  await files[Symbol.asyncDispose]()
  await eventually('without a server', async () =>
    /ECONNREFUSED/.test((await statusOf(dev)).message ?? ''),
  )
  assert.match((await agent.create()) ?? '', /issues are frozen/)
  assert.deepEqual(await readFile(join(folder, 'last-good', 'bundle.tar.gz')), frozen)

  // 5. It comes back with a bundle that is good, and later: the rule is gone.
  const thawed = await build(sources, author, 'thawed')
  await using again = await serveBundle(Number(port))
  again.publish(thawed)
  await eventually('thawed', async () => (await agent.create()) === undefined)
  await eventually('nothing is wrong', async () => (await statusOf(dev)).code === undefined)
  assert.equal((await statusOf(dev)).active_revision, 'thawed')
}

if (programIsHere('signed-bundle', opa, 'version')) {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-signed-bundle-'))
  try {
    await walk(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}
