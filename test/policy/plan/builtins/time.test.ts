import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createBuiltins } from '../../../../src/policy/plan/builtins/builtins.ts'
import { fromJson } from '../../../../src/policy/plan/json.ts'
import { Meter } from '../../../../src/policy/plan/meter.ts'
import type { Value } from '../../../../src/policy/plan/values.ts'
import { requirement } from '../../../requirements.ts'
import { exactText } from '../random.ts'
import { timeVectorCalls } from '../time/time-calls.ts'

const meter = new Meter()
const builtins = createBuiltins(meter)

function answer(name: string, ...args: readonly unknown[]): string | null {
  meter.left = 100_000
  return exactText(builtins[name]?.(...(args as Value[])))
}

test('times of every kind, good and broken, answer as opa does', () => {
  requirement('policy.plan-agrees')
  // What `opa eval` says: `npm run test:policies` holds the file to it.
  const file = join(import.meta.dirname, '../../../vectors/rego/time.answers.json')
  const answers = JSON.parse(readFileSync(file, 'utf8')) as (string | null)[]
  for (const [at, call] of timeVectorCalls.entries()) {
    assert.equal(answer(...call), answers[at], exactText(call) ?? '')
  }
  assert.ok(answers.filter((each) => each !== null).length > 900)
})

// Expected values are those of `opa eval`.
for (const [name, args, want] of [
  ['time.parse_rfc3339_ns', '["2026-12-01T08:30:00.123456789+09:00"]', '1796081400123456789'],
  ['time.parse_rfc3339_ns', '["2026-12-01 08:30:00Z"]', null],
  ['time.parse_rfc3339_ns', '["2026-02-29T00:00:00Z"]', null],
  ['time.parse_rfc3339_ns', '["2262-04-11T23:47:16.854775807Z"]', '9223372036854775807'],
  ['time.parse_rfc3339_ns', '["2262-04-11T23:47:16.854775808Z"]', null],
  ['time.parse_rfc3339_ns', '["1677-09-21T00:12:43.145224192Z"]', '-9223372036854775808'],
  ['time.parse_ns', '["2006-01-02", "2026-12-01"]', '1796083200000000000'],
  ['time.parse_ns', '["RFC1123", "Tue, 01 Dec 2026 00:00:00 UTC"]', '1796083200000000000'],
  ['time.parse_ns', '["2006 002", "2024 060"]', '1709164800000000000'],
  ['time.parse_ns', '["2006 002 01", "2024 060 03"]', null],
  ['time.parse_ns', '["2006 3PM", "2026 12AM"]', '1767225600000000000'],
  ['time.parse_duration_ns', '["1h30m"]', '5400000000000'],
  ['time.parse_duration_ns', '["-1.5d"]', '-129600000000000'],
  ['time.parse_duration_ns', '["9223372036854775807ns"]', '9223372036854775807'],
  ['time.parse_duration_ns', '["1"]', null],
  ['time.format', '[1796083200123456789]', '"2026-12-01T00:00:00.123456789Z"'],
  ['time.format', '[[0, "Etc/GMT+5", "Mon 2 Jan 2006 15:04 MST"]]', '"Wed 31 Dec 1969 19:00 -05"'],
  ['time.format', '[[0, "UTC", "January"]]', '"January"'],
  ['time.date', '[[1796083199999999999, "Etc/GMT-1"]]', '[2026,12,1]'],
  ['time.clock', '[-1]', '[23,59,59]'],
  ['time.weekday', '[1796083200000000000]', '"Tuesday"'],
  ['time.add_date', '[1709164800000000000, 1, 0, 0]', '1740787200000000000'],
  ['time.add_date', '[0, 0, -13, 31]', '-31536000000000000'],
  ['time.add_date', '[0, 300, 0, 0]', null],
  ['time.add_date', '[0, 1.5, 0, 0]', null],
  ['time.diff', '[1709164800000000000, 0]', '[54,1,28,0,0,0]'],
  ['time.clock', '[1.5]', null],
  ['time.clock', '[9223372036854775808]', null],
  ['time.clock', '["0"]', null],
  ['time.clock', '[[]]', null],
  ['time.clock', '[[0, 5]]', null],
] as const) {
  test(`${name}(${args.slice(1, -1)}) is ${want ?? 'undefined'}`, () => {
    requirement('policy.plan-agrees')
    assert.equal(answer(name, ...(fromJson(args) as unknown as readonly unknown[])), want)
  })
}

for (const zone of ['Europe/Berlin', 'Local', 'EST', 'Etc/GMT+13', '+01:00', 'constructor']) {
  test(`the clocks of ${zone} are not known for certain, so nothing is said of them`, () => {
    requirement('policy.time-of-record')
    assert.equal(answer('time.clock', [0, zone]), null)
  })
}

test('texts and layouts are paid for by their length, and so are long numbers', () => {
  requirement('policy.steps-bounded')
  const stepsOf = (name: string, ...args: readonly unknown[]): number => {
    meter.left = 1_000_000
    builtins[name]?.(...(args as Value[]))
    return 1_000_000 - meter.left
  }
  const long = '5'.repeat(100_000)
  assert.ok(stepsOf('time.parse_ns', long, 'x') >= 25_000)
  assert.ok(stepsOf('time.parse_ns', 'x', long) >= 25_000)
  assert.ok(stepsOf('time.parse_rfc3339_ns', long) >= 25_000)
  assert.ok(stepsOf('time.parse_duration_ns', long) >= 25_000)
  assert.ok(stepsOf('time.format', [0, 'UTC', long]) >= 25_000)
  assert.ok(stepsOf('time.clock', fromJson('1e4000')) >= 500)
  assert.ok(stepsOf('time.add_date', 0, fromJson('1e4000'), 0, 0) >= 500)
})
