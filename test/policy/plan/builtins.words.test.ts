import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createBuiltins } from '../../../src/policy/plan/builtins/builtins.ts'
import { Meter } from '../../../src/policy/plan/meter.ts'
import type { Value } from '../../../src/policy/plan/values.ts'
import { requirement } from '../../requirements.ts'
import { exactText } from './random.ts'
import { wordVectorCalls } from './word-calls.ts'

const meter = new Meter()
const builtins = createBuiltins(meter)

/** The steps of a call. */
function stepsOf(name: string, ...args: readonly Value[]): number {
  meter.left = 1_000_000
  builtins[name]?.(...args)
  return 1_000_000 - meter.left
}

test('what versions, units and numbers in texts are is what opa makes of them', () => {
  requirement('policy.plan-agrees')
  const file = join(import.meta.dirname, '..', '..', 'vectors', 'rego', 'words.answers.json')
  const answers = JSON.parse(readFileSync(file, 'utf8')) as readonly (string | null)[]
  for (const [at, [name, ...args]] of wordVectorCalls.entries()) {
    meter.left = 1_000_000
    const given = exactText(builtins[name]?.(...(args as readonly Value[])))
    assert.equal(given, answers[at], JSON.stringify([name, ...args]))
  }
})

// Expected values are those of `opa eval`.
for (const [name, args, expected] of [
  ['semver.compare', ['1.0.0-rc.2', '1.0.0-rc.10'], '-1'],
  ['semver.compare', ['1.0.0+a', '1.0.0+b'], '0'],
  ['semver.compare', ['1.0.0', '1.0.0-rc.1'], '1'],
  ['semver.compare', ['1.0', '1.0.0'], null],
  ['semver.is_valid', ['v1.2.3-a+b'], 'true'],
  ['semver.is_valid', [123], 'false'],
  ['units.parse', ['1500m'], '1.5'],
  ['units.parse', ['2Gi'], '2147483648'],
  ['units.parse', ['1Kib'], null],
  ['units.parse_bytes', ['1.5KiB'], '1536'],
  ['units.parse_bytes', ['1e30'], '1000000000000000000024696061952'],
  ['units.parse_bytes', ['1 kb'], null],
  ['to_number', ['07'], '7'],
  ['to_number', ['.5'], '0.5'],
  ['to_number', ['1e400'], null],
  ['to_number', ['1_000'], '1000'],
  ['to_number', ['_1'], null],
] as const) {
  test(`${name}(${JSON.stringify(args).slice(1, -1)}) is ${expected ?? 'undefined'}`, () => {
    requirement('policy.plan-agrees')
    meter.left = 1000
    assert.equal(exactText(builtins[name]?.(...args)), expected)
  })
}

test('a version is paid for by its parts, an amount by its digits', () => {
  requirement('policy.steps-bounded')
  const parts = `1.0.0-${'a.'.repeat(4000)}a`
  assert.ok(stepsOf('semver.compare', parts, parts) >= 4000)
  assert.ok(stepsOf('units.parse', `${'9'.repeat(4000)}k`) >= stepsOf('units.parse', '9k') + 400)
  assert.ok(stepsOf('units.parse_bytes', '1e4000') >= stepsOf('units.parse_bytes', '1') + 400)
})

test('an amount beyond all measure ends the evaluation', () => {
  requirement('policy.steps-bounded')
  meter.left = 1000
  const fault = { name: 'PolicyFault', kind: 'number' }
  assert.throws(() => builtins['units.parse']?.('1e999999'), fault)
  assert.throws(() => builtins['units.parse_bytes']?.('1e-5000'), fault)
})
