import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openRegoSuite, type RegoSuite } from '../../../src/policy/author/rego-suite.ts'
import { withRowProbes, type RowRange } from '../../../src/policy/author/row-coverage.ts'
import { parsePlan } from '../../../src/policy/plan/plan.ts'
import { requirement } from '../../requirements.ts'

const vectors = join(import.meta.dirname, '..', '..', 'vectors', 'rego')
const text = readFileSync(join(vectors, 'coverage.plan.json'), 'utf8')

function suiteOf(plan: string, coverage = true): RegoSuite {
  return openRegoSuite(JSON.parse(plan), '{}', { coverage })
}

function rowsOf(ranges: readonly RowRange[] = []): readonly number[] {
  return ranges.flatMap(({ start, end }) =>
    Array.from({ length: end.row - start.row + 1 }, (_, at) => start.row + at),
  )
}

/** The rows that count and are not covered once these tests have run. */
function missedBy(...tests: readonly string[]): readonly number[] {
  const suite = suiteOf(text)
  for (const name of tests) assert.equal(suite.run(`covered_test/${name}`).outcome, 'pass')
  return rowsOf(suite.coverage()?.files['coverage/rules.rego']?.not_covered)
}

test('a row is covered when all that begins in it was come to, and a head when a body has held', () => {
  requirement('policy.coverage-never-flatters')
  const all = missedBy('test_allow', 'test_names', 'test_kind', 'test_members')
  // The default, a body in one row of which the head was not come to, two bodies that never held, an else, a comprehension that nobody asked for.
  assert.deepEqual(all, [3, 11, 20, 24, 28, 38, 39, 40])
  // A body that ended at its first expression.
  assert.ok(missedBy('test_kind').includes(6))
})

test('rows of rules that no test asks for count, and those of tests do not', () => {
  const suite = suiteOf(text)
  const { files = {}, coverage, covered_lines, not_covered_lines } = suite.coverage() ?? {}
  assert.deepEqual(Object.keys(files), ['coverage/rules.rego'])
  assert.deepEqual([coverage, covered_lines], [0, 0])
  assert.equal(not_covered_lines, 25)
})

test('a share that is not whole is never told as whole', () => {
  const suite = suiteOf(text)
  suite.run('covered_test/test_allow')
  const { coverage = 100, covered_lines = 0, not_covered_lines = 0 } = suite.coverage() ?? {}
  assert.ok(coverage < (covered_lines / (covered_lines + not_covered_lines)) * 100 + 1e-9)
})

test('of no rows that count nothing is covered', () => {
  requirement('policy.coverage-never-flatters')
  const { coverage, files } = withRowProbes(parsePlan(JSON.parse(text)), () => false).coverage()
  assert.deepEqual([coverage, files], [0, {}])
})

test('coverage changes no verdict and no step, and is made where it is asked for alone', () => {
  const plan = readFileSync(join(vectors, 'suite.plan.json'), 'utf8')
  const [plain, covered] = [suiteOf(plan, false), suiteOf(plan)]
  for (const path of plain.paths) assert.deepEqual(covered.run(path), plain.run(path))
  assert.equal(plain.coverage(), undefined)
})
