import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createBuiltins } from '../../../../src/policy/plan/builtins/builtins.ts'
import { Meter } from '../../../../src/policy/plan/meter.ts'
import type { Value } from '../../../../src/policy/plan/values.ts'
import { requirement } from '../../../requirements.ts'
import { exactText } from '../random.ts'
import { globVectorCalls } from './glob-calls.ts'

const meter = new Meter()
const builtins = createBuiltins(meter)

function match(pattern: unknown, delimiters: unknown, text: unknown): Value | undefined {
  meter.left = 100_000
  return builtins['glob.match']?.(...([pattern, delimiters, text] as Value[]))
}

function stepsOf(...args: readonly unknown[]): number {
  meter.left = 100_000_000
  builtins['glob.match']?.(...(args as Value[]))
  return 100_000_000 - meter.left
}

test('globs of every kind, good and broken, answer as opa does', () => {
  requirement('policy.plan-agrees')
  // What `opa eval` says: `npm run test:policies` holds the file to it.
  const file = join(import.meta.dirname, '../../../vectors/rego/glob.answers.json')
  const answers = JSON.parse(readFileSync(file, 'utf8')) as (string | null)[]
  for (const [at, [, ...args]] of globVectorCalls.entries()) {
    const [pattern, delimiters, text] = args
    assert.equal(exactText(match(pattern, delimiters, text)), answers[at], exactText(args) ?? '')
  }
  for (const answer of ['true', 'false', null]) {
    assert.ok(answers.filter((each) => each === answer).length > 400, String(answer))
  }
})

// Expected values are those of `opa eval`.
for (const [pattern, delimiters, text, want] of [
  ['*.github.com', [], 'api.github.com', true],
  ['*.github.com', [], 'api.cdn.github.com', false],
  ['*hub.com', null, 'api.cdn.github.com', true],
  ['**.github.com', ['.'], 'api.cdn.github.com', true],
  ['*:github:com', [':'], 'api:github:com', true],
  ['api.?om', ['.'], 'api.com', true],
  ['a?c', ['.'], 'a.c', false],
  ['a[.]c', ['.'], 'a.c', true],
  ['[!a-c]at', [], 'cat', false],
  ['{cat,bat,[fr]at}', [], 'rat', true],
  ['a{b,}c', [], 'ac', true],
  [String.raw`\*`, [], '*', true],
  ['a', [], 'ab', false],
  ['', [], '', true],
  ['[a', [], 'a', undefined],
  ['{a', [], 'a', undefined],
  ['a}', [], 'a}', true],
  ['a', ['ab'], 'a', undefined],
  ['a', '.', 'a', undefined],
  ['a', [], 5, undefined],
] as const) {
  test(`glob.match(${JSON.stringify([pattern, delimiters, text]).slice(1, -1)}) is ${want}`, () => {
    requirement('policy.plan-agrees')
    assert.equal(match(pattern, delimiters, text), want)
  })
}

for (const pattern of [
  '**a**a**a**a**b',
  '*a*a*a*a*b',
  '{a*,*a}{a*,*a}{a*,*a}b',
  '{*,**}{*,**}{*,**}b',
]) {
  test(`twice the text is twice the steps for ${pattern}`, () => {
    requirement('policy.patterns-linear')
    const [one, two] = [2000, 4000].map((length) => stepsOf(pattern, null, 'a'.repeat(length)))
    assert.ok((one ?? 0) > 200, `${one}`)
    assert.ok((two ?? 0) < (one ?? 0) * 2.2, `${one} ${two}`)
  })
}

test('a glob is paid for by its letters, its classes and its delimiters, and ends where there is no fuel', () => {
  requirement('policy.patterns-linear')
  const many = Array.from({ length: 10_000 }, () => '.')
  // Looked at one by one, and made a class.
  assert.ok(stepsOf('a', many, 'a') >= 20_000)
  assert.ok(stepsOf(`${'a'.repeat(80_000)}[`, [], 'b') >= 12_000)
  assert.ok(stepsOf('[a]'.repeat(1000), [], 'b') >= 8000)
  assert.ok(stepsOf(`[${'a'.repeat(10_000)}]`, [], 'b') >= 10_000)
  meter.left = 100
  const text = 'a'.repeat(10_000)
  assert.throws(() => builtins['glob.match']?.('**b', [], text), { kind: 'fuel' })
})

test('alternatives as deep as nobody means are no glob', () => {
  requirement('policy.patterns-linear')
  const nested = (depth: number): string => '{'.repeat(depth) + 'a' + '}'.repeat(depth)
  assert.equal(match(nested(500), [], 'a'), true)
  assert.equal(match(nested(501), [], 'a'), undefined)
})
