import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatLiteral } from '../../../src/policy/plan/literal.ts'
import { Meter } from '../../../src/policy/plan/meter.ts'
import { parseLiteral } from '../../../src/policy/plan/parse-literal.ts'

const meter = new Meter()
meter.left = Number.POSITIVE_INFINITY

for (const [given, expected] of [
  ['{"a": [1, true, null, "é\\n"]}', String.raw`{"a": [1, true, null, "é\n"]}`],
  ['{2, 1, 2}', '{1, 2}'],
  ['set()', 'set()'],
  ['[set( ), {}, []]', '[set(), {}, []]'],
  ['{1: {"x"}, {"y"}: "set"}', '{1: {"x"}, {"y"}: "set"}'],
  ['{"__proto__": 1}', '{"__proto__": 1}'],
  ['123456789012345678901234567890', '123456789012345678901234567890'],
  ['-1.5e-3', '-0.0015'],
  [String.raw`"\"\\ \u00e9"`, String.raw`"\"\\ é"`],
] as const) {
  test(`${given} is what a module writes`, () => {
    assert.equal(formatLiteral(parseLiteral(given, meter), meter), expected)
  })
}

for (const broken of [
  '',
  '[1',
  '{1:',
  '{1 2}',
  '"a',
  'tru',
  '1 2',
  'set(1)',
  '{,}',
  '0x1',
  '[1]]',
]) {
  test(`${JSON.stringify(broken)} is no value`, () => {
    assert.throws(() => parseLiteral(broken, meter), SyntaxError)
  })
}
