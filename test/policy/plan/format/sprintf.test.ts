import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import capabilities from '../../../../policies/capabilities.json' with { type: 'json' }
import { createBuiltins } from '../../../../src/policy/plan/builtins/builtins.ts'
import { Meter } from '../../../../src/policy/plan/meter.ts'
import { parseNumber } from '../../../../src/policy/plan/numbers.ts'
import { setFrom } from '../../../../src/policy/plan/values.ts'
import type { Value } from '../../../../src/policy/plan/values.ts'
import { requirement } from '../../../requirements.ts'
import { exactText } from '../random.ts'
import { formatVectorCalls } from './format-calls.ts'

const meter = new Meter()
const builtins = createBuiltins(meter)

function sprintf(format: Value, args: Value): Value | undefined {
  meter.left = 1_000_000
  return builtins['sprintf']?.(format, args)
}

test('texts of every form, whole and broken, are what opa makes of them', () => {
  requirement('policy.plan-agrees')
  // What `opa eval` says: `npm run test:policies` holds the file to it.
  const file = join(import.meta.dirname, '../../../vectors/rego/format.answers.json')
  const answers = JSON.parse(readFileSync(file, 'utf8')) as (string | null)[]
  for (const [at, [, format, args]] of formatVectorCalls.entries()) {
    const given = exactText(sprintf(format as Value, args as Value))
    assert.equal(given, answers[at], exactText([format, args]) ?? '')
  }
})

// Expected values are those of `opa eval`, but where another is said.
for (const [format, args, expected] of [
  ['branch %v of %s', ['main', 'acme'], 'branch main of acme'],
  ['%d calls in %.1f s', [5, 2.25], '5 calls in 2.2 s'],
  ['%v and %v', [true, [1, 'a', null]], 'true and [1, "a", null]'],
  ['%s', [5], '%!s(int64=5)'],
  ['%d', ['five'], '%!d(string=five)'],
  ['%d of %d', [1], '1 of %!d(MISSING)'],
  ['none', ['more', 1], 'none%!(EXTRA string=more, int64=1)'],
  [
    '%08.3f|%-6s|%+d|%#x|%q',
    [3.14, 'a', 7, 255, 'a"'],
    String.raw`0003.140|a     |+7|0xff|"a\"" `.trimEnd(),
  ],
  ['%[2]s %[1]s', ['a', 'b'], 'b a'],
  ['100%', [], '100%!(NOVERB)'],
  [
    '%d',
    [parseNumber('123456789012345678901234567890') as Value],
    '123456789012345678901234567890',
  ],
  ['%e %g %x', [1234567.5, 0.00001, 0.1], '1.234568e+06 1e-05 0x1.999999999999ap-04'],
  // A number has no spelling here: OPA says `%!d(float64=1)` of what was written as 1.0.
  ['%d', [1.0], '1'],
  ['%w', ['a'], '%!w(string=a)'],
  ['%p', [1], '%!p(int64=1)'],
  [5, [], undefined],
  ['%d', 'no list', undefined],
] as const) {
  test(`sprintf(${exactText(format)}, ${exactText(args)}) is ${String(expected)}`, () => {
    requirement('policy.plan-agrees')
    assert.equal(sprintf(format, args), expected)
  })
}

test('a set is written in order, whatever order it came in', () => {
  const set = setFrom(['b', 'a', 3], meter)
  assert.equal(sprintf('%v', [set]), '{3, "a", "b"}')
})

test('what a directive makes is paid for before it is made', () => {
  requirement('policy.steps-bounded')
  const steps = (format: string, ...args: readonly Value[]): number => {
    sprintf(format, args)
    return 1_000_000 - meter.left
  }
  assert.ok(steps('%1000000d', 1) > 30_000)
  assert.ok(steps('%.1000000f', 0.5) > 30_000)
  assert.ok(steps('%q', 'x'.repeat(100_000)) > 50_000)
  assert.ok(steps('%v', 'x'.repeat(100_000), 'x'.repeat(100_000)) > 100_000)
  assert.ok(steps('%v', 1) < 100)
  assert.throws(
    () =>
      sprintf(
        '%1000000d'.repeat(40),
        Array.from({ length: 40 }, () => 1),
      ),
    {
      name: 'PolicyFault',
      kind: 'fuel',
    },
  )
})

test('authors may use it', () => {
  assert.ok(capabilities.builtins.some(({ name }) => name === 'sprintf'))
})
