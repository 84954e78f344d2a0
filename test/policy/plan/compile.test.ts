import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createBuiltins } from '../../../src/policy/plan/builtins/builtins.ts'
import { compilePlan } from '../../../src/policy/plan/compile.ts'
import type { Evaluator, Program } from '../../../src/policy/plan/compile.ts'
import { formatJson, fromJson, toJson } from '../../../src/policy/plan/json.ts'
import { parsePlan } from '../../../src/policy/plan/plan.ts'
import { dot } from '../../../src/policy/plan/values.ts'
import type { Value } from '../../../src/policy/plan/values.ts'
import { requirement } from '../../requirements.ts'

const vectors = join(import.meta.dirname, '..', '..', 'vectors', 'rego')

function read(name: string): string {
  return readFileSync(join(vectors, name), 'utf8')
}

function compile(name: string, subject?: string): Program {
  const plan = parsePlan(JSON.parse(read(`${name}.plan.json`)))
  return compilePlan(plan, {
    builtins: createBuiltins,
    ...(subject === undefined ? {} : { subject }),
  })
}

/** The value of a rule; undefined where it has none. */
function answer(evaluator: Evaluator, rule: string, input: Value, fuel = 100_000): unknown {
  const [row] = evaluator.run(rule, input, fuel)
  const value = dot(row, 'result')
  return value === undefined ? undefined : toJson(value, evaluator.meter)
}

const constructs = compile('constructs')
const answers = JSON.parse(read('constructs.answers.json')) as Record<string, unknown>

for (const entrypoint of constructs.entrypoints) {
  const rule = entrypoint.replace('constructs/', '')
  test(`the rule ${rule} is what opa says`, () => {
    const input = fromJson(read('constructs.input.json'))
    const given = answer(constructs.withData({}), entrypoint, input)
    assert.deepEqual(given, answers[rule])
  })
}

test('numbers keep all their digits on the way', () => {
  const input = fromJson(read('constructs.input.json'))
  const evaluator = constructs.withData({})
  const [row] = evaluator.run('constructs/numbers', input, 1000)
  const [first] = dot(row, 'result') as readonly Value[]
  assert.equal(formatJson(first ?? null, evaluator.meter), '9007199254740993')
})

const bomb = compile('bomb')
const text = { text: 'a'.repeat(100) }

for (const rule of ['loops', 'ranges', 'texts', 'shared', 'keyed']) {
  test(`the explosive rule ${rule} ends for lack of fuel, and the next evaluation is not affected`, () => {
    requirement('policy.steps-bounded')
    const evaluator = bomb.withData({})
    const before = answer(evaluator, 'bomb/harmless', text)
    for (let times = 0; times < 2; times += 1) {
      const fault = { name: 'PolicyFault', kind: 'fuel' }
      assert.throws(() => answer(evaluator, `bomb/${rule}`, text, 1_000_000), fault)
      assert.deepEqual(answer(evaluator, 'bomb/harmless', text), before)
    }
  })
}

test('an answer that is a billion values is not given', () => {
  requirement('policy.steps-bounded')
  const fault = { name: 'PolicyFault', kind: 'fuel' }
  assert.throws(() => answer(bomb.withData({}), 'bomb/answered', text, 1_000_000), fault)
})

for (const rule of ['digits', 'shifts']) {
  test(`the rule ${rule} makes no number beyond all measure`, () => {
    requirement('policy.steps-bounded')
    const fault = { name: 'PolicyFault', kind: 'number' }
    assert.throws(() => answer(bomb.withData({}), `bomb/${rule}`, text), fault)
  })
}

test('rules that contradict each other are a fault, and nothing is left of it', () => {
  requirement('policy.cannot-fail-open')
  const evaluator = bomb.withData({})
  for (let times = 0; times < 3; times += 1) {
    assert.throws(() => answer(evaluator, 'bomb/conflict', text), { kind: 'conflict' })
    assert.equal(answer(evaluator, 'bomb/harmless', text), text.text)
  }
})

test('the same question takes the same steps, whatever was asked before', () => {
  requirement('policy.steps-bounded')
  const input = fromJson(read('constructs.input.json'))
  const stepsOf = (evaluator: Evaluator, rule: string, asked: Value): number => {
    answer(evaluator, rule, asked, 10_000)
    return 10_000 - evaluator.meter.left
  }
  const known = compile('constructs', 'object')
  const frozen = { ...(input as object), object: Object.freeze(dot(input, 'object')) } as Value
  const used = known.withData({})
  for (const round of [1, 2, 3]) {
    for (const rule of round === 2 ? [...known.entrypoints].toReversed() : known.entrypoints) {
      const fresh = stepsOf(constructs.withData({}), rule, input)
      assert.equal(stepsOf(used, rule, frozen), fresh, `${rule}, round ${round}`)
    }
  }
})

test('what rules give of a caller is kept for a frozen one only', () => {
  requirement('policy.caller-rules-kept')
  const evaluator = compile('constructs', 'object').withData({})
  const object: Record<string, Value> = { a: 1 }
  const ask = (given: Value): unknown =>
    answer(evaluator, 'constructs/partial_object', { object: given })
  assert.deepEqual(ask(object), { a: 2 })
  object['a'] = 2
  assert.deepEqual(ask(object), { a: 4 })
  Object.freeze(object)
  assert.deepEqual(ask(object), { a: 4 })
  assert.deepEqual(ask(object), { a: 4 })
  assert.deepEqual(ask(Object.freeze({ a: 7 })), { a: 14 })
  assert.deepEqual(answer(evaluator, 'constructs/comprehensions', { object, list: [5] }), {
    array: [5],
    set: [5],
    object: { a: 2 },
  })
})
