import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { runPolicy, type Ended } from './run-policy.ts'

const vectors = join(import.meta.dirname, '..', '..', '..', 'vectors', 'rego')

let folder: string
let sources: string
let opa: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-lint-sources-'))
  sources = join(folder, 'sources')
  await mkdir(join(sources, 'schemas', 'tools', 'weather'), { recursive: true })
  for (const name of ['never.rego', 'never_test.rego']) {
    await writeFile(join(sources, name), 'package acme.values')
  }
  const unit = { type: 'string', enum: ['celsius'] }
  const schema = JSON.stringify({ type: 'object', properties: { unit } })
  await writeFile(join(sources, 'schemas', 'tools', 'weather', 'get_weather.json'), schema)
  opa = await speakingOpa('never.rego')
})

after(() => rm(folder, { recursive: true, force: true }))

/** A compiler that finds no error, and gives the syntax tree of one of the vectors for whatever it is to parse. */
async function speakingOpa(vector: string): Promise<string> {
  const modules = JSON.parse(await readFile(join(vectors, 'lint.modules.json'), 'utf8')) as object
  const module = (modules as Readonly<Record<string, unknown>>)[vector]
  await writeFile(join(folder, 'parse.json'), JSON.stringify(module))
  const file = join(folder, 'opa')
  const answers = `[ "$1" = check ] || cat '${folder}/parse.json'`
  await writeFile(file, `#!/bin/sh\necho "$@" >>'${folder}/asked'\n${answers}\n`)
  await chmod(file, 0o755)
  return file
}

async function check(...words: readonly string[]): Promise<Ended> {
  return runPolicy('check', sources, '--opa', opa, ...words)
}

test('sources are warned of by file and row, with the form that fails closed', async () => {
  const { code, out, err } = await check()
  assert.deepEqual([code, err], [0, ''])
  const file = join(sources, 'never.rego')
  assert.ok(out.includes(`${file}:6: deny never holds: of what is demanded of input.resource.id, `))
  assert.match(out, /\(unknown-value\)\n {2}hint: it is one of "celsius"\n/)
  assert.match(out, /^sources parse, with \d+ warnings; /m)
})

test('types are held to first, and tests are left out', async () => {
  await rm(join(folder, 'asked'), { force: true })
  await check()
  const asked = (await readFile(join(folder, 'asked'), 'utf8')).trim().split('\n')
  assert.match(asked[0] ?? '', /^check --strict --schema /)
  const parsed = asked.slice(1).map((words) => words.split(' ').at(-1))
  assert.deepEqual(parsed, [join(sources, 'never.rego')])
})

test('a warning is no refusal, unless it is asked to be', async () => {
  const { code, out } = await check('--strict', '--json')
  const { ok, warnings } = JSON.parse(out) as { ok: boolean; warnings: readonly object[] }
  assert.deepEqual([code, ok], [1, false])
  assert.deepEqual(Object.keys(warnings[0] ?? {}).toSorted(), [
    'code',
    'file',
    'hint',
    'message',
    'row',
    'rule',
  ])
})

test('what is of bundles is wrong of sources', async () => {
  const { code, err } = await check('--data', 'grants.json')
  assert.equal(code, 2)
  assert.match(err, /data: is for a bundle, and these are sources/)
})

test('a folder with what was built of sources is a bundle', async () => {
  const bundle = join(folder, 'bundle')
  await mkdir(bundle)
  await writeFile(join(bundle, 'rules.rego'), 'package acme')
  await writeFile(join(bundle, '.manifest'), '{"revision": ""}')
  const { code, err } = await runPolicy('check', bundle, '--opa', opa)
  assert.equal(code, 1)
  assert.match(err, /\(policy\/bundle\)/)
})

test('grants that no call meets are told by file and row, too', async () => {
  const tools = { get_weather: { arguments: { unit: ['kelvin'] } } }
  const servers = { acme: { weather: { tools } } }
  await mkdir(join(sources, 'grants'), { recursive: true })
  const file = join(sources, 'grants', 'data.json')
  await writeFile(file, JSON.stringify({ tenants: servers, subjects: {} }, null, 2))
  const { out } = await check()
  await rm(file)
  const pointer = '/grants/tenants/acme/weather/tools/get_weather/arguments/unit'
  assert.ok(out.includes(`${file}:8: ${pointer} unit of get_weather is never "kelvin"`), out)
})

test('a schema that is no JSON is an error with its file', async () => {
  const file = join(sources, 'schemas', 'broken.json')
  await writeFile(file, '{')
  const { code, err } = await check()
  await rm(file)
  assert.notEqual(code, 0)
  assert.match(err, /file is no JSON, got=".*broken\.json": line 1 column \d+, want=/)
})
