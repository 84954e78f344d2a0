import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { archiveOf, shippedFiles } from '../../../policy/archive.ts'
import { callInput } from '../../../policy/call-input.ts'
import { runPolicy, type Ended } from './run-policy.ts'

let folder: string
let bundle: string
let call: string
const vectors = join(import.meta.dirname, '..', '..', '..', 'vectors', 'rego')

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-eval-'))
  bundle = await written('bundle.tar.gz', await archiveOf(await shippedFiles()))
  call = await written('call.json', JSON.stringify(callInput({ tool: 'read' })))
})

after(() => rm(folder, { recursive: true, force: true }))

async function written(name: string, content: string | Buffer): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, content)
  return file
}

async function evaluate(...words: readonly string[]): Promise<Ended> {
  return runPolicy('eval', ...words)
}

function documentIn({ out }: Ended): Readonly<Record<string, unknown>> {
  return JSON.parse(out) as Readonly<Record<string, unknown>>
}

/** A compiler that makes the rule of this name what it was asked for. */
async function opaThatPlans(rule: string): Promise<string> {
  const plan = readFileSync(join(vectors, 'constructs.plan.json'), 'utf8')
  const asked = plan.replace(`"name":"constructs/${rule}"`, '"name":"countersign_asked/values"')
  assert.notEqual(asked, plan)
  const given = await written('given.tar.gz', await archiveOf({ 'plan.json': asked }))
  const copy = `while [ "$1" != --output ]; do shift; done; cp '${given}' "$2"`
  const file = await written('opa', `#!/bin/sh\n${copy}\n`)
  await chmod(file, 0o755)
  return file
}

test('a compiled bundle is asked for an entrypoint, as a gateway would ask it', async () => {
  const grants = { tenants: { acme: { files: { tools: { read: {} } } } } }
  const data = await written('grants.json', JSON.stringify({ grants }))
  const words = [bundle, '--input', call, '--data', data, '--json'] as const
  for (const query of ['countersign/mcp/decision', 'data.countersign.mcp.decision']) {
    const ended = await evaluate(...words, '--query', query)
    const { ok, engine, values, steps, error } = documentIn(ended)
    assert.deepEqual([ended.code, ok, engine, error], [0, true, 'plan', undefined])
    assert.deepEqual(values, [{ allow: true, obligations: [], reasons: [] }])
    assert.ok(Number(steps) > 0)
  }
})

test('a rule that is undefined ends with 1, and without an input there is none', async () => {
  const none = await evaluate(bundle, '--query', 'countersign/mcp/list')
  assert.deepEqual([none.code, none.out, none.err], [1, 'undefined\n', ''])
  const mask = await evaluate(bundle, '--query', 'countersign/log/mask')
  assert.deepEqual([mask.code, mask.out], [0, '[]\n'])
})

test('of an expression each value is told that it has, and nothing where it has none', async () => {
  const opa = await opaThatPlans('functions')
  const input = await written('list.json', '{"list":[1,0,2]}')
  const each = await evaluate(folder, '--query', 'x', '--opa', opa, '--input', input)
  assert.deepEqual([each.code, each.out], [0, '0\n0\n4\n'])
  await writeFile(input, '{"list":[]}')
  const none = await evaluate(folder, '--query', 'x', '--opa', opa, '--input', input)
  assert.deepEqual([none.code, none.out], [1, 'undefined\n'])
})

test('a bundle has no other rules than its entrypoints, and says which', async () => {
  const { code, err } = await evaluate(bundle, '--query', 'countersign/mcp/allow')
  assert.equal(code, 2)
  assert.match(
    err,
    /want=an entrypoint of the bundle got="countersign\/mcp\/allow".*\nhint: .*"countersign\/mcp\/list"/,
  )
})

test('an input that a gateway would not take is wrong usage', async () => {
  for (const text of ['[]', '{"a":1,"a":2}', 'not JSON', `{"a":"${'x'.repeat(300_000)}"}`]) {
    const input = await written('input.json', text)
    const { code, err } = await evaluate(
      bundle,
      '--query',
      'countersign/mcp/list',
      '--input',
      input,
    )
    assert.equal(code, 2)
    assert.match(err, /^countersign: error: --input: .*\(cli\/usage\)\nhint: /)
  }
})

test('without a query, a compiler or a file that is there it is wrong usage', async () => {
  const query = ['--query', 'countersign/mcp/list'] as const
  assert.equal((await evaluate(bundle)).code, 2)
  assert.equal((await evaluate(bundle, ...query, '--input', join(folder, 'absent'))).code, 2)
  assert.equal((await evaluate(folder, ...query, '--opa', '/nowhere/opa')).code, 2)
})

test('sources are held to the types beside them before anything is asked', async () => {
  const sources = join(folder, 'typed')
  await mkdir(join(sources, 'schemas'), { recursive: true })
  await writeFile(join(sources, 'a.rego'), 'package a\n')
  const says = `a.rego:4: rego_type_error: undefined ref: input.context.arguments.citty`
  const program = await written(
    'typed-opa',
    `#!/bin/sh\n[ "$1" = check ] && echo '${says}' >&2\nexit 1\n`,
  )
  await chmod(program, 0o755)
  for (const query of ['a/b', 'data.a.b']) {
    const { code, err } = await evaluate(sources, '--query', query, '--opa', program)
    assert.equal(code, 2)
    assert.match(err, /^countersign: error: opa says: a\.rego:4: rego_type_error: undefined ref/)
  }
})
