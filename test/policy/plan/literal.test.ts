import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBuiltins } from '../../../src/policy/plan/builtins/builtins.ts'
import { formatLiteral } from '../../../src/policy/plan/literal.ts'
import { Meter } from '../../../src/policy/plan/meter.ts'
import { Big } from '../../../src/policy/plan/numbers.ts'
import { objectFrom, setFrom } from '../../../src/policy/plan/values.ts'
import type { Value } from '../../../src/policy/plan/values.ts'
import { requirement } from '../../requirements.ts'

const meter = new Meter()
const template = createBuiltins(meter)['internal.template_string']
const set = (...members: readonly Value[]): Value => setFrom(members, meter)

// Expected texts are those of `opa eval`.
for (const [value, expected] of [
  [null, 'null'],
  [1.5, '1.5'],
  [new Big(12_345_678_901_234_567_890n, 0), '12345678901234567890'],
  [[1, 'a', []], '[1, "a", []]'],
  [{ b: 1, a: {} }, '{"a": {}, "b": 1}'],
  [objectFrom([[[1], set()]], meter), '{[1]: set()}'],
  [set('a', 1, set(3, 2)), '{1, "a", {2, 3}}'],
  ['q"\\\u0001\u007f\u00ad\n\v😀é\u2028', String.raw`"q\"\\\x01\x7f\u00ad\n\v😀é\u2028"`],
  ['\u{e0001}\u{1fae9}', String.raw`"\U000e0001\U0001fae9"`],
] as const) {
  test(`${expected} is how Rego has it`, () => {
    requirement('policy.plan-agrees')
    meter.left = 1000
    assert.equal(formatLiteral(value, meter), expected)
  })
}

test('a part of a template string is a text, or what an expression gives', () => {
  requirement('policy.plan-agrees')
  meter.left = 1000
  const parts = ['<', set('a"'), '> ', set(), ' ', set(set(1)), ' ', set(['b']), 2, null]
  assert.equal(template?.(parts), '<a"> <undefined> {1} ["b"]2null')
  assert.equal(template?.('text'), undefined)
  assert.throws(() => template?.([set(1, 2)]), { name: 'PolicyFault', kind: 'conflict' })
  assert.throws(() => template?.([['a']]), { name: 'PolicyFault', kind: 'conflict' })
})

test('a template string is paid for by what it is made of', () => {
  requirement('policy.steps-bounded')
  const stepsOf = (part: Value): number => {
    meter.left = 1_000_000
    template?.([part])
    return 1_000_000 - meter.left
  }
  assert.ok(stepsOf('a'.repeat(32_000)) >= 1000)
  assert.ok(stepsOf(set(['\u0001'.repeat(32_000)])) >= 8000)
  assert.ok(stepsOf(set(Array.from({ length: 4000 }, (_, at) => at))) >= 4000)
})
