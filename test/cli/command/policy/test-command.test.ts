import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { archiveOf } from '../../../policy/archive.ts'
import { runPolicy, type Ended } from './run-policy.ts'

let folder: string
const vectors = join(import.meta.dirname, '..', '..', '..', 'vectors', 'rego')

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-test-'))
})

after(() => rm(folder, { recursive: true, force: true }))

async function policyTest(...words: readonly string[]): Promise<Ended> {
  return runPolicy('test', ...words)
}

async function compiledSuite(): Promise<string> {
  const file = join(folder, 'suite.tar.gz')
  const plan = readFileSync(join(vectors, 'suite.plan.json'), 'utf8')
  await writeFile(file, await archiveOf({ 'plan.json': plan, 'data.json': '{}' }))
  return file
}

/** A compiler that refuses with these words, as `opa` does. */
async function refusingOpa(words: string): Promise<string> {
  const file = join(folder, 'opa')
  await writeFile(file, `#!/bin/sh\ncat >/dev/null\ncat >&2 <<'END'\n${words}\nEND\nexit 1\n`)
  await chmod(file, 0o755)
  return file
}

test('a compiled bundle is tested without opa: what does not pass is told, with its place', async () => {
  const { code, out, err } = await policyTest(await compiledSuite(), '--opa', '/nowhere/opa')
  assert.deepEqual([code, err], [1, ''])
  assert.match(out, /^FAIL {2}suite_test\/test_fail \(suite\/rules_test\.rego:7\)$/m)
  assert.match(
    out,
    /^ERROR suite_test\/test_conflict .*\n {6}evaluation ended early, .*more than one value"$/m,
  )
  assert.doesNotMatch(out, /test_pass/)
  assert.match(out, /\d+ pass, \d+ fail, 1 end with an error\n$/)
})

test('what was asked for alone is run, and all of it passing ends with 0', async () => {
  const bundle = await compiledSuite()
  const { code, out } = await policyTest(bundle, '--run', 'all_pass$', '--verbose')
  assert.equal(code, 0)
  assert.match(
    out,
    /^PASS {2}suite_test\/test_all_pass .*\n {6}pass "three"\n {6}pass "two"\n2 pass/,
  )
  const json = await policyTest(bundle, '--run', 'all_pass$', '--json')
  const document = JSON.parse(json.out) as Readonly<Record<string, unknown>>
  const { ok, pass, fail, error, skip } = document
  assert.deepEqual(
    { ok, pass, fail, error, skip },
    { ok: true, pass: 2, fail: 0, error: 0, skip: 0 },
  )
})

test('rows that the tests have not come to are told, and too few that they have end with 1', async () => {
  const plan = readFileSync(join(vectors, 'coverage.plan.json'), 'utf8')
  const bundle = join(folder, 'coverage.tar.gz')
  await writeFile(bundle, await archiveOf({ 'plan.json': plan, 'data.json': '{}' }))
  const { code, out } = await policyTest(bundle, '--coverage')
  assert.equal(code, 0)
  const want =
    'coverage/rules.rego 68 %, not covered: 3, 11, 20, 24, 28, 38-40\n68 % of 25 rows are covered\n'
  assert.ok(out.endsWith(want), out)
  assert.equal((await policyTest(bundle, '--threshold', '68')).code, 0)
  const json = await policyTest(bundle, '--threshold', '68.01', '--json')
  const { ok, coverage } = JSON.parse(json.out) as { ok: boolean; coverage: object }
  assert.deepEqual([json.code, ok], [1, false])
  assert.deepEqual(Object.keys(coverage).toSorted(), [
    'coverage',
    'covered_lines',
    'files',
    'not_covered_lines',
    'uncalled',
  ])
  assert.equal((await policyTest(bundle, '--threshold', '101')).code, 2)
})

test('no test at all is no success', async () => {
  const { code, err } = await policyTest(await compiledSuite(), '--run', 'nothing')
  assert.equal(code, 2)
  assert.match(err, /^countersign: error: no test is there, .* \(policy\/source\)\nhint: /)
})

test('sources without opa are told how to get it', async () => {
  const { code, err } = await policyTest(join(vectors, 'suite'), '--opa', '/nowhere/opa')
  assert.equal(code, 2)
  assert.match(err, /opa cannot be run, got="\/nowhere\/opa".*\(policy\/opa\)\nhint: put OPA 1\.22/)
})

test('what opa refuses is told with its file and its row', async () => {
  const opa = await refusingOpa('2 errors occurred:\na.rego:5: rego_parse_error: x\na.rego:9: y')
  const { code, err } = await policyTest(join(vectors, 'suite'), '--opa', opa)
  assert.equal(code, 2)
  const want = 'opa says: a.rego:5: rego_parse_error: x (and 1 more) (policy/source)'
  assert.ok(err.startsWith(`countersign: error: ${want}\n`), err)
})

test('a place without Rego, and a pattern that is none, are wrong usage', async () => {
  for (const words of [[folder], [join(folder, 'absent')], [await compiledSuite(), '--run', '[']]) {
    const { code, err } = await policyTest(...words)
    assert.equal(code, 2)
    assert.match(err, /^countersign: error: .*\nhint: /)
  }
})
