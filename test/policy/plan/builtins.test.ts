import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createBuiltins } from '../../../src/policy/plan/builtins/builtins.ts'
import { Meter } from '../../../src/policy/plan/meter.ts'
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
