import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { CountersignError } from '../../src/errors.ts'
import type { SelfTest } from '../../src/policy/self-test.ts'
import { openPolicy, type OpenPolicy } from '../../src/cli/open-policy.ts'
import { policySchema } from '../../src/cli/shared-configuration.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import { archiveOf, signedFiles, type Files } from '../policy/archive.ts'
import { callTexts } from '../policy/call-input.ts'
import { assembleModule } from '../policy/policy-module.ts'
import { tenantBundle } from '../policy/tenant/tenant-bundle.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'

let folder: string
let data: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-tenants-'))
  data = join(folder, 'data.json')
  const github = { tools: { issues_create: {} } }
  await writeFile(
    data,
    JSON.stringify({ grants: { tenants: { acme: { github }, globex: { github } } } }),
  )
})

after(() => rm(folder, { recursive: true, force: true }))

const parts = { log: silentLog, metrics: silentMetrics }

async function put(name: string, files: Files): Promise<string> {
  const file = join(folder, name)
  await writeFile(`${file}.new`, await archiveOf(files))
  await rename(`${file}.new`, file)
  return file
}

function filesOf(options?: Parameters<typeof tenantBundle>[0]): Files {
  return Object.fromEntries(tenantBundle(options).files)
}

/** What a call of this tenant gets: the first reason where it is refused. */
function ask({ engine, tenants }: OpenPolicy, tenant: string): string {
  const authorizer = createAuthorizer(engine, { ...tenants })
  const { allow, reasons } = authorizer.decide(
    callTexts({
      tenant,
      server: 'github',
      tool: 'issues_create',
      toolScopes: ['github:*'],
      arguments: { repository: 'acme/handbook' },
    }),
  ).value
  return allow ? 'allowed' : (reasons[0]?.code ?? 'refused')
}

test('the bundle of a tenant is followed, and what is wrong with it is nobody else’s', async () => {
  requirement('policy.tenant-fails-alone')
  const bundle = join(folder, 'acme.tar.gz')
  await using policy = await openPolicy({ tenants: { acme: { bundle } }, data: [data] }, parts)
  const reason = (): string => policy.tenants?.condition().reason ?? ''
  // Not there yet: nobody knows what its tenant would deny.
  assert.match(reason(), /^acme: no bundle yet, its calls are denied; bundle cannot be read/)
  assert.equal(policy.tenants?.condition().optional, true)
  assert.deepEqual(
    ['acme', 'globex'].map((tenant) => ask(policy, tenant)),
    ['policy-unavailable', 'allowed'],
  )
  await put('acme.tar.gz', filesOf())
  await eventually('it is in force', () => ask(policy, 'acme') === 'frozen')
  assert.deepEqual([reason(), policy.tenants?.condition().ok], ['acme: r1', true])
  assert.equal(ask(policy, 'globex'), 'allowed')
  const faults: Readonly<Record<string, readonly [Files, RegExp]>> = {
    'data of another': [filesOf({ data: { tenants: { globex: {} } } }), /outside of the roots/],
    'rules of the platform': [
      filesOf({
        plan: (text) => text.replace('"g0","tenants","acme","deny"', '"g0","countersign","mcp"'),
      }),
      /rules are outside of the root of the tenant/,
    ],
  }
  for (const [what, [files, message]] of Object.entries(faults)) {
    await put('acme.tar.gz', files)
    await eventually(what, () => message.test(reason()))
    assert.deepEqual([ask(policy, 'acme'), ask(policy, 'globex')], ['frozen', 'allowed'], what)
  }
  await put('acme.tar.gz', filesOf({ data: { tenants: { acme: { frozen: [] } } } }))
  await eventually('it is thawed', () => ask(policy, 'acme') === 'allowed')
})

test('a tenant’s module that never returns is ended in its test, and holds nobody up', async () => {
  requirement('policy.tenant-fails-alone')
  const endless = assembleModule({
    entrypoints: ['tenants/acme/deny'],
    behaviour: { loop: true, early: true },
  })
  const bundle = await put('endless.tar.gz', filesOf({ wasm: endless }))
  await using policy = await openPolicy({ tenants: { acme: { bundle } }, data: [data] }, parts)
  assert.deepEqual(
    ['acme', 'globex'].map((tenant) => ask(policy, tenant)),
    ['policy-unavailable', 'allowed'],
  )
})

test('no module of a tenant is run by the gateway itself', async () => {
  requirement('policy.tenant-fails-alone')
  const differing = assembleModule({
    entrypoints: ['tenants/acme/deny'],
    behaviour: { answer: '[{"result":["x"]}]' },
  })
  const bundle = await put('differing.tar.gz', filesOf({ wasm: differing }))
  const selfTest = async (): Promise<void> => {}
  await using policy = await openPolicy(
    { tenants: { acme: { bundle } }, data: [data] },
    { ...parts, selfTest },
  )
  await eventually('it is in force', () => ask(policy, 'acme') === 'frozen')
})

test('a tenant’s bundle is signed by its own author, where it has one', async () => {
  requirement('policy.tenant-confined')
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicKey = join(folder, 'acme.pem')
  await writeFile(publicKey, own.publicKey.export({ format: 'pem', type: 'spki' }))
  const bundle = await put('signed.tar.gz', signedFiles(filesOf(), other.privateKey))
  const keys = [{ id: 'acme', algorithm: 'ES256' as const, publicKey }]
  await using policy = await openPolicy(
    { tenants: { acme: { bundle, signature: { keys, scope: '' } } }, data: [data] },
    parts,
  )
  const reason = (): string => policy.tenants?.condition().reason ?? ''
  await eventually('it is refused', () => /is not by a key of/.test(reason()))
  assert.equal(ask(policy, 'acme'), 'policy-unavailable')
  await put('signed.tar.gz', signedFiles(filesOf(), own.privateKey))
  await eventually('it is in force', () => ask(policy, 'acme') === 'frozen')
})

test('a key of a tenant that cannot be read is nobody else’s, and is read once it is there', async () => {
  requirement('policy.tenant-fails-alone')
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicKey = join(folder, 'late.pem')
  const bundle = await put('late.tar.gz', signedFiles(filesOf(), own.privateKey))
  const keys = [{ id: 'acme', algorithm: 'ES256' as const, publicKey }]
  const selfTest = async (): Promise<void> => {}
  await using policy = await openPolicy(
    { tenants: { acme: { bundle, signature: { keys, scope: '' } } }, data: [data] },
    { ...parts, selfTest },
  )
  const reason = (): string => policy.tenants?.condition().reason ?? ''
  await eventually('it is told', () => /file cannot be read/.test(reason()))
  assert.deepEqual(
    ['acme', 'globex'].map((tenant) => ask(policy, tenant)),
    ['policy-unavailable', 'allowed'],
  )
  await writeFile(publicKey, own.publicKey.export({ format: 'pem', type: 'spki' }))
  const thawed = filesOf({ data: { tenants: { acme: { frozen: [] } } } })
  await put('late.tar.gz', signedFiles(thawed, own.privateKey))
  await eventually('it is in force', () => ask(policy, 'acme') === 'allowed')
})

test('bundles of tenants are tested one after the other', async () => {
  requirement('policy.tenant-fails-alone')
  const names = ['acme', 'globex', 'initech']
  const places = names.map(async (tenant): Promise<[string, { bundle: string }]> => [
    tenant,
    { bundle: await put(`${tenant}-turn.tar.gz`, filesOf({ tenant })) },
  ])
  const tenants = Object.fromEntries(await Promise.all(places))
  const [tested, counts]: [string[], number[]] = [[], []]
  let running = 0
  const selfTest: SelfTest = async ({ tenant }) => {
    if (tenant === undefined) return
    counts.push((running += 1))
    await setTimeout(20)
    running -= 1
    tested.push(tenant)
    // What is wrong with one keeps the next from nothing.
    if (tested.length === 1) throw new CountersignError('policy/test', 'it does not pass')
  }
  await using policy = await openPolicy({ tenants, data: [data] }, { ...parts, selfTest })
  await eventually('all are tested', () => new Set(tested).size === 3)
  assert.deepEqual(new Set(counts), new Set([1]))
  assert.ok(policy.tenants !== undefined)
})

test('tenants of a configuration are named as their namespaces are labelled', () => {
  const schema = policySchema('/etc')
  const parsed = schema.parse({ tenants: { acme: { bundle: 'acme.tar.gz' } } })
  assert.deepEqual(parsed.tenants, { acme: { bundle: '/etc/acme.tar.gz' } })
  for (const tenant of ['', 'Acme', 'acme/x', '../acme', '-a', 'a'.repeat(64)]) {
    assert.throws(() => schema.parse({ tenants: { [tenant]: { bundle: 'a' } } }), tenant)
  }
  const many = Array.from({ length: 101 }, (_, index) => [`t${index}`, { bundle: 'a' }])
  assert.throws(() => schema.parse({ tenants: Object.fromEntries(many) }), /want=..100 tenants/)
})
