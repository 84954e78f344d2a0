import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentMetrics } from '../../src/metrics.ts'
import { openPolicyBase } from '../../src/policy/engine.ts'
import type { InputText } from '../../src/policy/input.ts'
import { createPlanEngine } from '../../src/policy/plan-engine.ts'
import { requirement } from '../requirements.ts'
import { bundleFolder } from './policy-module.ts'

const root = join(import.meta.dirname, '..', '..')
const bomb: unknown = JSON.parse(
  readFileSync(join(root, 'test/vectors/rego/bomb.plan.json'), 'utf8'),
)

test('an evaluation without fuel is an error of its own, its steps are told, and the next one is not affected', () => {
  requirement('policy.steps-bounded')
  const told: (readonly [string, number, unknown])[] = []
  const observe = (name: string, value: number, labels?: object): void => {
    told.push([name, value, labels])
  }
  const fuelOf = (): number => 1000
  const evaluate = createPlanEngine(bomb, {
    fuelOf,
    metrics: { ...silentMetrics, observe },
  }).withData('{}')
  const input = '{"text":"hello"}' as InputText
  for (const rule of ['bomb/loops', 'bomb/ranges', 'bomb/shared']) {
    assert.throws(() => evaluate(rule, input), {
      code: 'policy/fuel',
      message: 'evaluation takes too many steps',
    })
    assert.equal(evaluate('bomb/harmless', input), 'hello')
  }
  assert.deepEqual(told[0], ['countersign_policy_steps', 1000, { entrypoint: 'bomb/loops' }])
  assert.deepEqual(told[1], ['countersign_policy_steps', 1, { entrypoint: 'bomb/harmless' }])
})

test('all engines keep the texts that come again in one place', () => {
  requirement('policy.steps-bounded')
  const readers = [1, 2].map(() => {
    const options = { fuelOf: (): number => 1000, metrics: silentMetrics }
    let reader: unknown
    createPlanEngine(bomb, options).withData('{}')('bomb/harmless', '{}' as InputText, (read) => {
      reader = read
      return { text: 'hello' }
    })
    return reader
  })
  assert.ok(readers[0] !== undefined && readers[0] === readers[1])
})

const faults: Readonly<Record<string, readonly [string, string, RegExp]>> = {
  'rules that contradict each other': [
    'bomb/conflict',
    'policy/abort',
    /^evaluation ended early, got="PolicyFault: rules give/,
  ],
  'a number beyond all measure': [
    'bomb/digits',
    'policy/abort',
    /^evaluation ended early, got="PolicyFault: number/,
  ],
  'no value': [
    'bomb/harmless',
    'policy/undefined',
    /^entrypoint is undefined, got=bomb\/harmless$/,
  ],
  'an entrypoint that is not there': [
    'toString',
    'policy/undefined',
    /^policy has no such entrypoint, got="toString"$/,
  ],
}

for (const [name, [entrypoint, code, message]] of Object.entries(faults)) {
  test(`an evaluation of the plan that ends in ${name} is an error, and the next one is not affected`, () => {
    requirement('policy.cannot-fail-open')
    const evaluate = createPlanEngine(bomb, {
      fuelOf: () => 10_000,
      metrics: silentMetrics,
    }).withData('{}')
    for (let times = 0; times < 3; times += 1) {
      assert.throws(() => evaluate(entrypoint, '{}' as InputText), { code, message })
      assert.equal(evaluate('bomb/harmless', '{"text":"hello"}' as InputText), 'hello')
    }
  })
}

test('what is given of data or input is a copy', () => {
  requirement('policy.cannot-fail-open')
  const evaluate = createPlanEngine(bomb, {
    fuelOf: () => 10_000,
    metrics: silentMetrics,
  }).withData('{}')
  const document = { text: { a: [1] } }
  const given = evaluate('bomb/harmless', '{}' as InputText, () => document) as { a: number[] }
  given.a.push(2)
  assert.deepEqual(document, { text: { a: [1] } })
})

test('a plan that is none is no bundle', () => {
  requirement('policy.bundle-refused-whole')
  const options = { fuelOf: () => 1, metrics: silentMetrics }
  for (const plan of [null, {}, [], 'x', { static: {}, plans: { plans: [{}] } }]) {
    assert.throws(() => createPlanEngine(plan, options), {
      code: 'policy/bundle',
      message: /^plan.json cannot be run, got="unknown /,
    })
  }
})

test('a bundle without a plan runs as a module, and says so', async () => {
  await using bundle = await bundleFolder()
  const base = await openPolicyBase({ folder: bundle.folder })
  assert.deepEqual([base.engine, base.reason], ['wasm', 'the bundle has no plan.json'])
  await cp(join(root, 'policies', 'bundle'), bundle.folder, { recursive: true })
  const shipped = await openPolicyBase({ folder: bundle.folder })
  assert.deepEqual([shipped.engine, shipped.reason], ['plan', undefined])
  const asked = await openPolicyBase({ folder: bundle.folder, engine: 'wasm' })
  assert.deepEqual([asked.engine, asked.reason], ['wasm', undefined])
})
