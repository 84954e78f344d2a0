import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import capabilities from '../../../../policies/capabilities.json' with { type: 'json' }
import { createBuiltins } from '../../../../src/policy/plan/builtins/builtins.ts'
import { Meter } from '../../../../src/policy/plan/meter.ts'
import type { Value } from '../../../../src/policy/plan/values.ts'
import { requirement } from '../../../requirements.ts'
import { exactText } from '../random.ts'
import { tokenVectorCalls } from './token-calls.ts'

const meter = new Meter()
const builtins = createBuiltins(meter)

function decode(token: unknown): string | null {
  meter.left = 100_000
  return exactText(builtins['io.jwt.decode']?.(token as Value))
}

test('tokens of every kind, good and broken, are decoded as opa does', () => {
  requirement('policy.plan-agrees')
  // What `opa eval` says: `npm run test:policies` holds the file to it.
  const file = join(import.meta.dirname, '../../../vectors/rego/token.answers.json')
  const answers = JSON.parse(readFileSync(file, 'utf8')) as (string | null)[]
  for (const [at, [, token]] of tokenVectorCalls.entries()) {
    assert.equal(decode(token), answers[at], exactText(token) ?? '')
  }
  assert.ok(answers.filter((each) => each !== null).length > 80)
})

const token = (...parts: readonly string[]): string =>
  parts.map((part) => Buffer.from(part).toString('base64url')).join('.')

// Expected values are those of `opa eval`.
for (const [what, given, want] of [
  ['its parts', token('{"alg":"none"}', '{"sub":"a"}', 'é'), '[{"alg":"none"},{"sub":"a"},"c3a9"]'],
  [
    'those of the one in it',
    token('{"cty":"JWT"}', `"${token('{}', '{"a":1}', '')}"`, 'x'),
    '[{},{"a":1},""]',
  ],
  ['all digits', token('{}', '{"n":9007199254740993}', ''), '[{},{"n":9007199254740993},""]'],
  ['nothing where it is encrypted', token('{"enc":"A128GCM"}', '{}', ''), null],
  ['nothing of four parts', token('{}', '{}', '', ''), null],
  ['nothing of a payload that is no object', token('{}', '[]', ''), null],
] as const) {
  test(`of a token is told ${what}`, () => {
    requirement('policy.plan-agrees')
    assert.equal(decode(given), want)
  })
}

test('a token is paid for by its length', () => {
  requirement('policy.steps-bounded')
  meter.left = 10_000
  const long = token('{}', `{"a":"${'b'.repeat(100_000)}"}`, '')
  assert.throws(() => builtins['io.jwt.decode']?.(long), { kind: 'fuel' })
})

test('rules verify no token and sign none: that is not theirs, and is refused by name', () => {
  const names = capabilities.builtins.map(({ name }) => name)
  assert.deepEqual(
    names.filter((name) => name.startsWith('io.jwt.')),
    ['io.jwt.decode'],
  )
  assert.deepEqual(
    Object.keys(builtins).filter((name) => name.startsWith('io.jwt.')),
    ['io.jwt.decode'],
  )
})
