/** Two tenants with a bundle each beside the platform's: each denies calls of its own, and neither can reach what is the other's. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { DevFile } from '../../dev/story/dev-file.ts'
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import { toolPath } from '../../test/tools/build.ts'
import { openSession, programIsHere } from '../session.ts'

const opa = process.env['COUNTERSIGN_OPA'] ?? toolPath('opa') ?? 'opa'
const main = join(import.meta.dirname, '../../src/cli/main.ts')

/** Runs `countersign policy …` as its author would, and gives its exit code. */
async function policy(...words: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, [main, 'policy', ...words, '--json'], {
    env: { ...process.env, COUNTERSIGN_OPA: opa },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = (await once(child, 'close')) as [number | null]
  console.log(`countersign policy ${words[0]}: exit ${code}`)
  return code
}

/** A tenant's rule: nothing is called of what its own data names. */
function ruleOf(tenant: string): string {
  return `package tenants.${tenant}

# METADATA
# title: Frozen
# description: What ${tenant} has frozen is not called.
deny contains {"code": "frozen", "message": "${tenant} has frozen it"} if {
	input.resource.id in data.tenants.${tenant}.frozen
}
`
}

/** Writes the sources of a tenant's bundle, and builds it. */
async function build(
  folder: string,
  tenant: string,
  { frozen, rule = ruleOf(tenant) }: { readonly frozen: readonly string[]; readonly rule?: string },
): Promise<string> {
  const sources = await mkdtemp(join(folder, `${tenant}-`))
  const own = join(sources, 'tenants', tenant)
  await mkdir(own, { recursive: true })
  await writeFile(join(own, 'deny.rego'), rule)
  await writeFile(join(own, 'data.json'), JSON.stringify({ frozen }))
  const output = `${sources}.tar.gz`
  assert.equal(await policy('build', sources, '--tenant', tenant, '-o', output), 0)
  assert.equal(await policy('check', output, '--tenant', tenant), 0)
  return output
}

interface Condition {
  readonly name: string
  readonly ok: boolean
  readonly reason: string
}

/** What the gateway says of the bundles of tenants. */
async function tenantsOf({ gateway }: DevFile): Promise<Condition> {
  const response = await fetch(new URL('/readyz', gateway.adminUrl), {
    headers: { accept: 'application/json' },
  })
  const { conditions } = (await response.json()) as { conditions: readonly Condition[] }
  return conditions.find(({ name }) => name === 'policy-tenants') ?? assert.fail('no condition')
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const since = performance.now()
  while (!(await holds())) {
    assert.ok(performance.now() - since < 60_000, what)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  console.log(`${what} after ${((performance.now() - since) / 1000).toFixed(1)} s`)
}

interface StoryAgent extends AsyncDisposable {
  /** Searches its notes: what both tenants are granted. Gives why it is refused. */
  search(): Promise<string | undefined>
  /** Whether a list shows it that. */
  isListed(): Promise<boolean>
}

async function openAgent(
  { gateway, trustBundle, pods }: DevFile,
  namespace: string,
  name: string,
): Promise<StoryAgent> {
  const pod = pods.find((each) => each.namespace === namespace && each.name === name)
  const credentialBundle = pod?.credentialBundle ?? assert.fail('no certificate')
  const mtls = await openCountersignFetch({
    credentialBundle,
    trustBundle,
    server: gateway.spiffeId,
  })
  const client = new Client(
    { name: 'two-tenants', version: '1.0.0' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  const url = new URL('/mcp', gateway.url)
  await client.connect(new StreamableHTTPClientTransport(url, { fetch: mtls.fetch }))
  return {
    search: () =>
      client.callTool({ name: 'notes_search', arguments: { query: 'a' } }).then(
        () => undefined,
        (error: Error) => error.message,
      ),
    async isListed() {
      const { tools } = await client.listTools()
      return tools.some(({ name }) => name === 'notes_search')
    },
    async [Symbol.asyncDispose]() {
      await client.close()
      await mtls[Symbol.asyncDispose]()
    },
  }
}

async function walk(folder: string): Promise<void> {
  const places = { acme: join(folder, 'acme.tar.gz'), globex: join(folder, 'globex.tar.gz') }
  await rename(await build(folder, 'globex', { frozen: [] }), places.globex)
  const configuration = join(folder, 'policy.yaml')
  const tenants = { acme: { bundle: places.acme }, globex: { bundle: places.globex } }
  await rename(await build(folder, 'acme', { frozen: [] }), places.acme)
  await writeFile(configuration, JSON.stringify({ tenants }))

  // 1. The platform's policy permits both to search, and neither tenant denies it.
  await using session = await openSession({ words: ['--policy-config', configuration] })
  const { dev } = session
  await using acme = await openAgent(dev, 'acme', 'researcher')
  await using globex = await openAgent(dev, 'globex', 'analyst')
  await eventually('both bundles are in force', async () => (await tenantsOf(dev)).ok)
  assert.deepEqual([await acme.search(), await globex.search()], [undefined, undefined])
  assert.deepEqual([await acme.isListed(), await globex.isListed()], [true, true])

  // 2. Globex freezes it: its own calls are refused with its own reason and its lists do without, and acme's are as before.
  await rename(await build(folder, 'globex', { frozen: ['search'] }), places.globex)
  await eventually('frozen by globex', async () => (await globex.search()) !== undefined)
  assert.match((await globex.search()) ?? '', /globex has frozen it/)
  assert.equal(await acme.search(), undefined)
  assert.deepEqual([await acme.isListed(), await globex.isListed()], [true, false])

  // 3. Acme names the other's subjects: nobody asks it about them.
  const rule = `package tenants.acme

deny contains {"code": "theirs", "message": "not for globex"} if input.subject.properties.tenant == "globex"

deny contains {"code": "ours", "message": "not for acme"} if input.resource.id == data.tenants.globex.frozen[_]
`
  await rename(await build(folder, 'acme', { frozen: [], rule }), places.acme)
  await eventually('acme’s rule is in force', async () => {
    const revision = await policyRevision(places.acme)
    return (await tenantsOf(dev)).reason.includes(revision)
  })
  assert.match((await globex.search()) ?? '', /globex has frozen it/)
  // Its rules find no data of another tenant either.
  assert.equal(await acme.search(), undefined)

  // 4. It cannot write where others decide: the last good one of acme stays, and everybody else's.
  const beyond: Readonly<Record<string, readonly [string, object, RegExp]>> = {
    'rules of the platform': ['countersign/custom', {}, /rules are outside of the root/],
    'data of the platform': [
      '',
      { grants: { tenants: { acme: {} } } },
      /outside of the roots.*got="grants"/,
    ],
    'data of globex': [
      '',
      { tenants: { globex: { frozen: [] } } },
      /outside of the roots.*got="tenants\/globex"/,
    ],
  }
  for (const [what, [root, data, message]] of Object.entries(beyond)) {
    await rename(await forge(folder, root, data), places.acme)
    await eventually(`${what}: refused`, async () => message.test((await tenantsOf(dev)).reason))
    assert.equal(await acme.search(), undefined)
    assert.match((await globex.search()) ?? '', /globex has frozen it/)
  }

  // 5. The record says whose bundle has decided.
  const log = await readFile(dev.decisionLog, 'utf8')
  const events = log
    .split('\n')
    .filter((line) => line.includes('"frozen"'))
    .map((line) => JSON.parse(line) as { bundles: Record<string, unknown> })
  assert.ok(events.length > 0)
  for (const { bundles } of events) assert.ok('tenants/globex' in bundles)
}

async function policyRevision(archive: string): Promise<string> {
  const child = spawn(
    process.execPath,
    [main, 'policy', 'check', archive, '--tenant', 'acme', '--json'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  await once(child, 'close')
  return (JSON.parse(out) as { revision: string }).revision
}

/** What acme's author could make with other tools than ours. */
async function forge(folder: string, root: string, data: object): Promise<string> {
  const { unpackBundle, packBundle } = await import('../../src/policy/bundle-archive.ts')
  const good = await unpackBundle(await readFile(await build(folder, 'acme', { frozen: [] })))
  const files = new Map(good.files)
  if (root === '') files.set('data.json', Buffer.from(JSON.stringify(data)))
  else {
    const path = root.split('/').map((name) => `"${name}"`)
    const plan = String(files.get('plan.json')).replaceAll('"tenants","acme"', path.join(','))
    files.set('plan.json', Buffer.from(plan))
  }
  const file = join(await mkdtemp(join(folder, 'forged-')), 'acme.tar.gz')
  await writeFile(file, await packBundle(files))
  return file
}

if (programIsHere('two-tenants', opa, 'version')) {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-two-tenants-'))
  try {
    await walk(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}
