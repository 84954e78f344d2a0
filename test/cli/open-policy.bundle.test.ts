import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openPolicy, type OpenPolicy } from '../../src/cli/open-policy.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { openDecisionLog } from '../../src/policy/decision-log.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import { openPolicyBase } from '../../src/policy/engine.ts'
import type { SelfTest } from '../../src/policy/self-test.ts'
import { archiveOf, shippedAs, shippedFiles, signedFiles, type Files } from '../policy/archive.ts'
import { callTexts } from '../policy/call-input.ts'
import { blobOf, imageOf, writeLayout } from '../policy/oci/image.ts'
import { assembleModule } from '../policy/policy-module.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-open-bundle-'))
})

after(() => rm(folder, { recursive: true, force: true }))

const parts = { log: silentLog, metrics: silentMetrics }

/** The same questions, without a process of their own. */
const selfTest: SelfTest = async ({ content, documents, engine }) => {
  const base = await openPolicyBase({ content, engine })
  base.engineWith(documents)
}

/** Written beside and put in its place, as a careful program does. */
async function put(file: string, content: Buffer): Promise<void> {
  await writeFile(`${file}.new`, content)
  await rename(`${file}.new`, file)
}

async function openArchive(name: string): Promise<{ file: string; policy: OpenPolicy }> {
  const file = join(folder, name)
  await put(file, await archiveOf(await shippedAs('one')))
  return { file, policy: await openPolicy({ bundle: file, data: [] }, { ...parts, selfTest }) }
}

test('a saved archive is in force, and an archive with a fault leaves the last good one there', async () => {
  requirement('policy.last-good-stays')
  const { file, policy } = await openArchive('follow.tar.gz')
  await using _ = policy
  assert.equal(policy.engine.revision, 'one')
  assert.equal(policy.condition().ok, true)
  await put(file, await archiveOf(await shippedAs('two')))
  await eventually('the new bundle is in force', () => policy.engine.revision === 'two')

  const trap = assembleModule({ behaviour: { trap: true } })
  const faults: Readonly<Record<string, readonly [Files | Buffer, RegExp]>> = {
    'cut short': [(await archiveOf(await shippedAs('three'))).subarray(0, 4000), /cut short/],
    'without its module': [await shippedFiles({ 'policy.wasm': undefined }), /want=policy.wasm/],
    'with a trap': [await shippedFiles({ 'policy.wasm': trap }), /do not answer alike/],
    'with data outside of its roots': [
      await shippedFiles({ '.manifest': '{"revision":"x","roots":["countersign"]}' }),
      /data is outside of the roots of the manifest, got="/,
    ],
  }
  for (const [what, [fault, message]] of Object.entries(faults)) {
    await put(file, Buffer.isBuffer(fault) ? fault : await archiveOf(fault))
    await eventually(what, () => message.test(policy.condition().reason))
    assert.equal(policy.engine.revision, 'two', what)
    const { ok, optional, reason } = policy.condition()
    assert.deepEqual([ok, optional], [false, true], what)
    assert.match(reason, /^the last good bundle stays in force: .*; revision two, with its data /)
  }
  await rm(file)
  await eventually('a file that is gone', () => /cannot be read/.test(policy.condition().reason))
  assert.equal(policy.engine.revision, 'two')
  await put(file, await archiveOf(await shippedAs('four')))
  await eventually('a good one counts again', () => policy.engine.revision === 'four')
  assert.equal(policy.condition().ok, true)
})

test('data alone waits for no other process', async () => {
  requirement('policy.last-good-stays')
  const bundle = join(folder, 'data-alone.tar.gz')
  const data = join(folder, 'data-alone.json')
  await put(bundle, await archiveOf(await shippedAs('one')))
  await put(data, Buffer.from('{}'))
  let tests = 0
  const counted: SelfTest = (asked) => {
    tests += 1
    return selfTest(asked)
  }
  await using policy = await openPolicy({ bundle, data: [data] }, { ...parts, selfTest: counted })
  const { digest } = policy.engine
  await put(data, Buffer.from('{"grants":{"tenants":{"acme":{}}}}'))
  await eventually('the new data counts', () => policy.engine.digest !== digest)
  assert.equal(tests, 1)
})

test('a folder is followed as kubelet swaps it, and as others write it', async () => {
  const mount = await mkdtemp(join(folder, 'mount-'))
  let generation = 0
  const swap = async (files: Files): Promise<void> => {
    generation += 1
    const name = `..${generation}`
    await mkdir(join(mount, name, 'policy'), { recursive: true })
    for (const [path, content] of Object.entries(files)) {
      await writeFile(join(mount, name, 'policy', path), content)
    }
    await symlink(name, join(mount, '..data_tmp'))
    await rename(join(mount, '..data_tmp'), join(mount, '..data'))
  }
  await swap(await shippedAs('one'))
  await symlink(join('..data', 'policy'), join(mount, 'policy'))
  await using policy = await openPolicy(
    { bundle: join(mount, 'policy'), data: [] },
    { ...parts, selfTest },
  )
  assert.equal(policy.engine.revision, 'one')
  await swap(await shippedAs('two'))
  await eventually('the swapped folder counts', () => policy.engine.revision === 'two')
})

test('a layout is followed by its index, and what is not whole leaves the last good one there', async () => {
  requirement('policy.last-good-stays')
  const layout = await mkdtemp(join(folder, 'layout-'))
  const [one, two] = await Promise.all(
    ['one', 'two'].map(async (revision) => imageOf(await archiveOf(await shippedAs(revision)))),
  )
  assert.ok(one !== undefined && two !== undefined)
  await writeLayout(layout, { live: one })
  const config = { bundle: `${layout}:live`, data: [] }
  await using policy = await openPolicy(config, { ...parts, selfTest })
  assert.equal(policy.engine.revision, 'one')
  await writeLayout(layout, { next: two, live: one })
  await rm(blobOf(layout, two.layer))
  const index = join(layout, 'index.json')
  const swapped = (await readFile(index, 'utf8'))
    .replace('"live"', '"last"')
    .replace('next', 'live')
  await put(index, Buffer.from(swapped))
  await eventually('half a layout', () => /cannot be read/.test(policy.condition().reason))
  assert.equal(policy.engine.revision, 'one')
  await writeLayout(layout, { live: two })
  await eventually('a whole one counts', () => policy.engine.revision === 'two')
})

test('the record names what has decided, though another bundle is in force when it is written', async () => {
  requirement('policy.last-good-stays')
  const { file, policy } = await openArchive('named.tar.gz')
  await using _ = policy
  const log = join(folder, 'decisions.jsonl')
  const authorizer = createAuthorizer(policy.engine)
  {
    await using decisions = await openDecisionLog({
      file: log,
      engine: policy.engine,
      labels: () => ({}),
      now: () => 0,
      ...parts,
      // Nothing is written before the end.
      delay: () => new Promise(() => {}),
    })
    const event = { path: 'countersign/mcp/decision', requestedBy: 'a' }
    const first = authorizer.decide(callTexts())
    await put(file, await archiveOf(await shippedAs('two')))
    await eventually('the new bundle is in force', () => policy.engine.revision === 'two')
    decisions.record({ ...event, decisionId: 'first', evaluated: first })
    decisions.record({ ...event, decisionId: 'second', evaluated: authorizer.decide(callTexts()) })
  }
  const lines = (await readFile(log, 'utf8')).trim().split('\n')
  const named = lines.map((line) => {
    const { decision_id: id, bundles } = JSON.parse(line) as {
      decision_id: string
      bundles: { countersign: { revision: string } }
    }
    return [id, bundles.countersign.revision]
  })
  assert.deepEqual(named, [
    ['first', 'one'],
    ['second', 'two'],
  ])
})

test('where signatures are required, neither an unsigned bundle nor a changed nor an older one counts', async () => {
  requirement('policy.bundle-signed')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const key = join(folder, 'author.pem')
  await writeFile(key, publicKey.export({ format: 'pem', type: 'spki' }))
  const keys = [{ id: 'author', algorithm: 'ES256', publicKey: key }] as const
  const bundle = join(folder, 'signed.tar.gz')
  const config = { bundle, data: [], signature: { keys, scope: '' } }
  const signedAt = async (revision: string, iat: number): Promise<Files> =>
    signedFiles(await shippedAs(revision), privateKey, { iat })
  const refused: Readonly<Record<string, readonly [Files, RegExp]>> = {
    'no signature': [await shippedAs('bad'), /bundle is not signed/],
    'another key': [signedFiles(await shippedAs('bad'), other), /is not by a key/],
    'a changed file': [
      { ...(await signedAt('bad', 30)), '.manifest': '{"revision":"worse"}' },
      /file is not what was signed, got=".manifest"/,
    ],
  }
  for (const [files, message] of Object.values(refused)) {
    await put(bundle, await archiveOf(files))
    await assert.rejects(openPolicy(config, { ...parts, selfTest }), {
      code: 'policy/signature',
      message,
    })
  }
  await put(bundle, await archiveOf(await signedAt('one', 20)))
  await using policy = await openPolicy(config, { ...parts, selfTest })
  const later = {
    ...refused,
    'an older one': [await signedAt('old', 10), /want=20.. got=10/],
  } as const
  for (const [what, [files, message]] of Object.entries(later)) {
    await put(bundle, await archiveOf(files))
    await eventually(what, () => message.test(policy.condition().reason))
    assert.equal(policy.engine.revision, 'one', what)
  }
  await put(bundle, await archiveOf(await signedAt('two', 30)))
  await eventually('a later one counts', () => policy.engine.revision === 'two')
})
