import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openRegoSuite } from '../../../src/policy/author/rego-suite.ts'
import { verdictsOf, type Verdicts } from '../../tools/opa-suites.ts'
import { requirement } from '../../requirements.ts'

const vectors = join(import.meta.dirname, '..', '..', 'vectors', 'rego')

function read(name: string): unknown {
  return JSON.parse(readFileSync(join(vectors, name), 'utf8'))
}

const plan = read('suite.plan.json')
const answers = Object.entries(read('suite.answers.json') as Verdicts)

test('tests and their cases end as opa test says, also cases that are in no document', () => {
  requirement('policy.tests-as-enforced')
  const suite = openRegoSuite(plan, '{}')
  const verdicts = verdictsOf(suite.paths.map((path) => suite.run(path)))
  const wanted = Object.fromEntries(answers.filter(([, verdict]) => verdict !== 'skip'))
  assert.deepEqual(verdicts, wanted)
  assert.ok(Object.keys(wanted).length > 35)
})

test('a test takes the same steps each time, and says where it stands', () => {
  const suite = openRegoSuite(plan, '{}')
  const [first, second] = [1, 2].map(() => suite.run('suite_test/test_one_fails'))
  assert.deepEqual(first, second)
  assert.ok((first?.steps ?? 0) > 0)
  assert.deepEqual([first?.file, first?.row], ['suite/rules_test.rego', 29])
})

test('a test whose cases cannot be told apart does not pass', () => {
  const text = JSON.stringify(plan)
  // The object that the cases are put into comes from elsewhere: whoever looks for the head of the rule finds none that it knows.
  const changed = text.replaceAll('"ObjectInsertOnceStmt"', '"ObjectInsertStmt"')
  const suite = openRegoSuite(JSON.parse(changed), '{}')
  const { outcome, message } = suite.run('suite_test/test_all_pass')
  assert.deepEqual(
    [outcome, message],
    ['error', 'cases of this test cannot be told apart in its plan'],
  )
})
