import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { runPolicy, type Ended } from './run-policy.ts'

const policies = join(import.meta.dirname, '../../../../policies')

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-new-'))
})

after(() => rm(folder, { recursive: true, force: true }))

async function policyNew(...words: readonly string[]): Promise<Ended> {
  return runPolicy('new', ...words)
}

test('an author is given the shipped rules, without their tests, and a rule of their own with its test', async () => {
  const place = join(folder, 'deep', 'down')
  const { code, out, err } = await policyNew(place, '--json')
  assert.deepEqual([code, err], [0, ''])
  const custom = join(place, 'countersign', 'custom')
  const rules = [join(custom, 'deny.rego'), join(custom, 'deny_test.rego')]
  assert.deepEqual(JSON.parse(out), { version: 1, ok: true, folder: place, rules })
  const names = await readdir(place, { recursive: true })
  assert.deepEqual(
    names.filter((name) => name.endsWith('_test.rego')),
    ['countersign/custom/deny_test.rego'],
  )
  for (const [given, shipped] of [
    ['countersign/mcp/decision.rego', 'countersign/mcp/decision.rego'],
    ['data.json', 'data/data.json'],
    ['schemas.json', 'bundle/schemas.json'],
    ['schemas/mcp/decision.json', 'schemas/mcp/decision.json'],
  ] as const) {
    assert.equal(
      await readFile(join(place, given), 'utf8'),
      await readFile(join(policies, shipped), 'utf8'),
    )
  }
  assert.deepEqual(await readdir(join(folder, 'deep')), ['down'])
})

test('an empty folder is filled, and what is in one stays as it is', async () => {
  const place = join(folder, 'empty')
  await mkdir(place)
  const { code, out } = await policyNew(place)
  assert.equal(code, 0)
  assert.match(out, /countersign policy test \S+empty\n/)
  await writeFile(join(place, 'data.json'), 'mine')
  const { code: again, err } = await policyNew(place)
  assert.equal(again, 2)
  assert.match(err, /folder: want=a new or an empty one got="\S+empty".*\(cli\/usage\)/)
  assert.equal(await readFile(join(place, 'data.json'), 'utf8'), 'mine')
  assert.equal((await policyNew(join(place, 'data.json'))).code, 2)
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith('.')),
    [],
  )
})

test('ready rules are given by their names, with their tests, in the place of the example', async () => {
  const ready = (await readdir(join(policies, 'library'))).toSorted()
  const { out: help } = await policyNew('--help')
  assert.ok(help.includes(`Ready rules: ${ready.join(', ')}.`))
  const place = join(folder, 'ready')
  const { code, err } = await policyNew(place, '--rules', ...ready)
  assert.deepEqual([code, err], [0, ''])
  const names = ready.map((name) => name.replace('-', '_').replace('-', '_'))
  assert.deepEqual(
    (await readdir(join(place, 'countersign', 'custom'))).toSorted(),
    names.flatMap((name) => [`${name}.rego`, `${name}_test.rego`]),
  )
  const shipped = await readFile(join(policies, 'bundle', 'schemas.json'), 'utf8')
  const schemas = await readFile(join(place, 'schemas.json'), 'utf8')
  const roots = Object.keys(JSON.parse(schemas) as object)
  assert.deepEqual(roots, [...Object.keys(JSON.parse(shipped) as object), 'stop'])
  const data = JSON.parse(await readFile(join(place, 'data.json'), 'utf8')) as {
    readonly history: object
  }
  assert.deepEqual(Object.keys(data.history), ['secret-read', 'costly-calls'])
})

test('a ready rule that is none is wrong usage, and says which there are', async () => {
  for (const name of ['read-only', '..', '../countersign/mcp']) {
    const { code, err } = await policyNew(join(folder, 'unknown'), '--rules', name)
    assert.equal(code, 2)
    assert.match(err, /--rules: want=some of after-secret, .*, secret-egress got="/)
  }
  assert.equal((await readdir(folder)).includes('unknown'), false)
})
