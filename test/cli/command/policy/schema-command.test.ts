import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { runPolicy, type Ended } from './run-policy.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-schema-'))
})

after(() => rm(folder, { recursive: true, force: true }))

async function written(name: string, content: unknown): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, JSON.stringify(content))
  return file
}

async function schema(...words: readonly string[]): Promise<Ended> {
  return runPolicy('schema', '-o', join(folder, 'schemas'), ...words)
}

const inputSchema = { type: 'object', properties: { city: { type: 'string' } } }

test('each tool of an answer to tools/list has a file, and its row of METADATA is printed', async () => {
  const tools = ['get_weather', 'get-x.y'].map((name) => ({ name, inputSchema }))
  const file = await written('list.json', { jsonrpc: '2.0', id: 1, result: { tools } })
  const { code, out, err } = await schema('--tools', file, '--server', 'my-server')
  assert.deepEqual([code, err], [0, ''])
  assert.equal(
    out,
    '#   - input.context.arguments: schema.tools["my-server"].get_weather\n' +
      '#   - input.context.arguments: schema.tools["my-server"]["get-x.y"]\n',
  )
  const text = await readFile(join(folder, 'schemas/tools/my-server/get_weather.json'), 'utf8')
  assert.deepEqual(JSON.parse(text), inputSchema)
})

test('what tools list has printed names its server', async () => {
  const tools = [{ name: 'read', era: 'modern', definition: { name: 'read', inputSchema } }]
  const file = await written('listed.json', { version: 1, server: 'files', tools })
  const { code, out } = await schema('--tools', file, '--json')
  const { ok, schemas, skipped } = JSON.parse(out) as Readonly<Record<string, unknown>>
  assert.deepEqual([code, ok, skipped], [0, true, []])
  const where = join(folder, 'schemas/tools/files/read.json')
  assert.deepEqual(schemas, [
    { server: 'files', tool: 'read', schema: 'schema.tools.files.read', file: where },
  ])
})

test('a name that leads elsewhere is told and not written', async () => {
  const tools = ['../../up', '.hidden', ''].map((name) => ({ name, inputSchema }))
  const file = await written('names.json', { tools })
  const before = await readdir(folder, { recursive: true })
  const { code, out, err } = await schema('--tools', file, '--server', 'files')
  assert.deepEqual([code, out], [0, ''])
  assert.equal(err.split('\n').length, 4)
  assert.match(err, /^files:\.\.\/\.\.\/up is no name of a tool$/m)
  assert.equal((await schema('--tools', file, '--server', '..')).out, '')
  assert.deepEqual(await readdir(folder, { recursive: true }), before)
})

test('no list of tools, none in it, no server and no folder are wrong usage', async () => {
  const list = await written('tools.json', { tools: [{ name: 'read' }] })
  for (const words of [
    ['--tools', await written('other.json', { tools: {} }), '--server', 'files'],
    ['--tools', await written('array.json', []), '--server', 'files'],
    ['--tools', await written('none.json', { tools: [] }), '--server', 'files'],
    ['--tools', join(folder, 'absent'), '--server', 'files'],
    ['--tools', list],
    [],
  ]) {
    const { code, err } = await schema(...words)
    assert.equal(code, 2, err)
    assert.match(err, /\(cli\/usage\)\nhint: /)
  }
  assert.equal((await runPolicy('schema', '--tools', list, '--server', 'files')).code, 2)
})

test('more tools than any server may have are wrong usage', async () => {
  const tools = Array.from({ length: 10_001 }, (_, at) => ({ name: `t${at}` }))
  const file = await written('many.json', { tools })
  const before = await readdir(folder, { recursive: true })
  const { code, err } = await schema('--tools', file, '--server', 'files')
  assert.equal(code, 2)
  assert.match(err, /tools are too many, want=\.\.10000 got=10001/)
  assert.deepEqual(await readdir(folder, { recursive: true }), before)
})
