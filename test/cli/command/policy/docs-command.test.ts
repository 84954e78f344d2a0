import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { runPolicy, type Ended } from './run-policy.ts'

let folder: string
let source: string
let opa: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-docs-'))
  source = join(folder, 'files.rego')
  await writeFile(source, 'package acme.files')
  opa = await speakingOpa()
})

after(() => rm(folder, { recursive: true, force: true }))

/** A compiler that says of the first source what the real one says of a rule with METADATA and one without. */
async function speakingOpa(): Promise<string> {
  const head = (name: string): object => ({
    file: source,
    package: ['data', 'acme', 'files'],
    ref: [['var', name]],
    isFunction: false,
  })
  const heads = [head('deny'), head('helper'), head('test_deny')]
  const path = ['data', 'acme', 'files', 'deny'].map((value) => ({ value }))
  const said = { scope: 'document', title: 'Denials', description: 'What is denied.' }
  const annotations = [{ annotations: said, location: { file: 'x/0.rego', row: 3 }, path }]
  const answers = {
    eval: { result: [{ expressions: [{ value: heads }] }] },
    inspect: { annotations, namespaces: { 'data.acme.files': ['x/0.rego'] } },
  }
  for (const [name, answer] of Object.entries(answers)) {
    await writeFile(join(folder, `${name}.json`), JSON.stringify(answer))
  }
  const file = join(folder, 'opa')
  await writeFile(file, `#!/bin/sh\ncat >/dev/null\ncat '${folder}'/"$1".json\n`)
  await chmod(file, 0o755)
  return file
}

async function docs(...words: readonly string[]): Promise<Ended> {
  return runPolicy('docs', source, '--opa', opa, ...words)
}

test('what METADATA says is printed, or written', async () => {
  const { code, out, err } = await docs()
  assert.deepEqual([code, err], [0, ''])
  const rule = `### deny\n\n\`${source}\`\n\n**Denials.** What is denied.\n\n### helper\n`
  assert.ok(out.includes(rule), out)
  assert.doesNotMatch(out, /test_deny/)
  const file = join(folder, 'RULES.md')
  const written = await docs('-o', file)
  assert.deepEqual([written.code, written.out], [0, ''])
  assert.equal(await readFile(file, 'utf8'), out)
  assert.equal((await docs('--check', file)).code, 0)
})

test('a file that says something else, and a rule of which nothing is said, end with 1', async () => {
  const file = join(folder, 'old.md')
  await writeFile(file, '# Rules\n')
  const other = await docs('--check', file)
  assert.equal(other.code, 1)
  assert.match(other.err, /old\.md is not what the sources say\n$/)
  const complete = await docs('--complete', '--json')
  const { ok, packages, undocumented } = JSON.parse(complete.out) as Readonly<
    Record<string, unknown>
  >
  assert.deepEqual([complete.code, ok, undocumented], [1, false, ['acme.files.helper']])
  assert.deepEqual(packages, [
    {
      name: 'acme.files',
      rules: [
        { name: 'deny', file: source, row: 3, title: 'Denials', description: 'What is denied.' },
        { name: 'helper', file: source },
      ],
    },
  ])
})

test('a file that cannot be read or written, and no compiler, are wrong usage', async () => {
  assert.equal((await docs('--check', join(folder, 'absent'))).code, 2)
  assert.equal((await docs('-o', join(folder, 'absent', 'RULES.md'))).code, 2)
  assert.equal((await runPolicy('docs', source, '--opa', '/nowhere/opa')).code, 2)
})
