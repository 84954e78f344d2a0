import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createBuiltins } from '../../../src/policy/plan/builtins/builtins.ts'
import { Meter } from '../../../src/policy/plan/meter.ts'
import { Big } from '../../../src/policy/plan/numbers.ts'
import type { Value } from '../../../src/policy/plan/values.ts'
import { requirement } from '../../requirements.ts'
import { callsAbout, spellings, textOfAnswers } from './addresses.ts'
import { letters } from './letters.ts'

// What `opa eval` says: `npm run test:policies` holds the files to it.
const vectors = join(import.meta.dirname, '..', '..', 'vectors', 'rego')

const meter = new Meter()
const builtins = createBuiltins(meter)

function vector(name: string): unknown {
  return JSON.parse(readFileSync(join(vectors, `${name}.answers.json`), 'utf8'))
}

test('an address and a range are what opa takes them for, however they are spelled', () => {
  requirement('policy.plan-agrees')
  meter.left = 1_000_000
  const rows = spellings.map((spelling) => {
    const answers = callsAbout(spelling).map(([name, ...args]) => builtins[name]?.(...args))
    return [spelling, textOfAnswers(answers)]
  })
  assert.deepEqual(Object.fromEntries(rows), vector('addresses'))
})

test('a range of any length is paid for', () => {
  requirement('policy.steps-bounded')
  meter.left = 100
  const range = `10.0.0.0/${'0'.repeat(10_000)}8`
  const fault = { name: 'PolicyFault', kind: 'fuel' }
  assert.throws(() => builtins['net.cidr_contains']?.(range, '10.0.0.1'), fault)
})

for (const [what, name, ...args] of [
  ['a division of numbers with fractions', 'div', 1.5, 2.5],
  ['a division of integers whose result is none', 'div', 1, 3],
  ['a product of integers that is beyond a double', 'mul', 2 ** 52, 5],
  ['a sum of numbers with fractions', 'sum', [1.5, 2.5]],
  ['a rounded fraction', 'round', 1.5],
  ['the digits of a fraction', 'format_int', 1.5, 10],
  ['an order of long numbers', 'lt', new Big(10n ** 20n + 1n, 0), new Big(10n ** 20n + 3n, 0)],
  ['the largest of long numbers', 'max', [new Big(10n ** 20n + 1n, 0), 1]],
] as const) {
  test(`${what} is paid for by more than one step`, () => {
    requirement('policy.steps-bounded')
    meter.left = 1000
    assert.notEqual(builtins[name]?.(...args), undefined)
    assert.ok(1000 - meter.left >= 32, `${1000 - meter.left} steps`)
  })
}

test('a number is paid for by its digits, and what a double does by itself takes nothing', () => {
  requirement('policy.steps-bounded')
  const stepsOf = (name: string, ...args: readonly Value[]): number => {
    meter.left = 100_000
    builtins[name]?.(...args)
    return 100_000 - meter.left
  }
  const long = new Big(1n, 4000)
  assert.ok(stepsOf('div', long, new Big(3n, -4000)) >= 1000)
  assert.ok(stepsOf('mul', 1e300, 1.5) >= stepsOf('mul', 1.5, 1.5) + 30)
  assert.ok(stepsOf('bits.and', long, 1) >= 500)
  assert.deepEqual([stepsOf('plus', 1, 2), stepsOf('lt', 1.5, 2.5)], [0, 0])
})

for (const [name, member] of [
  ['lower', 'lowered'],
  ['upper', 'uppered'],
] as const) {
  test(`${name} of every letter is what opa makes of it, alone and in a text`, () => {
    requirement('policy.plan-agrees')
    const expected = (vector('letters') as Record<string, Record<string, string>>)[member] ?? {}
    assert.ok(Object.keys(expected).length > 1400)
    const changed = letters().flatMap((letter) => {
      meter.left = 100
      const given = builtins[name]?.(letter)
      return given === letter ? [] : [[letter, given]]
    })
    assert.deepEqual(Object.fromEntries(changed), expected)
    meter.left = 100_000
    const text = letters().join('')
    const whole = letters().map((letter) => expected[letter] ?? letter)
    assert.equal(builtins[name]?.(text), whole.join(''))
  })
}

// Expected values are those of `opa eval`.
const encoded = [
  ['', ''],
  ['YQ', 'a'],
  ['YQ==', 'a'],
  ['YQ=', undefined],
  ['\nYQ==', 'a'],
  ['YQ=\n=', 'a'],
  ['Y\r\nQ==', 'a'],
  ['\n', undefined],
  ['\n==', undefined],
  ['Y\r\nQ', undefined],
  ['YQ\n', undefined],
  ['YQ==\n', undefined],
  ['YWI=\n', undefined],
  ['YWI\n', undefined],
  ['YWJj\n', undefined],
  ['YW\nJj', undefined],
] as const

for (const [text, decoded] of encoded) {
  test(`base64url.decode(${JSON.stringify(text)}) is what opa says`, () => {
    requirement('policy.plan-agrees')
    meter.left = 100
    assert.equal(builtins['base64url.decode']?.(text), decoded)
  })
}
