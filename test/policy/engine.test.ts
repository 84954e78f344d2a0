import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entrypoints } from '../../src/policy/engine.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import type { InputText } from '../../src/policy/input.ts'
import { requirement } from '../requirements.ts'
import { callInput } from './call-input.ts'
import { assembleModule, bundleFolder } from './policy-module.ts'
import type { Behaviour, ModuleOptions } from './policy-module.ts'

const anything = { subject: 'somebody' }

async function engineOf(module: ModuleOptions): Promise<PolicyEngine> {
  await using bundle = await bundleFolder({ wasm: assembleModule(module) })
  return await loadPolicyBundle({ folder: bundle.folder })
}

test('the shipped bundle loads, says its revision, and refuses an empty input', async () => {
  const engine = await loadPolicyBundle()
  assert.match(engine.revision, /^sha256:[0-9a-f]{32}$/)
  assert.match(engine.digest, /^[0-9a-f]{64}$/)
  const decision = engine.evaluate(entrypoints.decision, {}) as { allow: boolean }
  assert.equal(decision.allow, false)
})

test('an evaluation gives the value of the entrypoint', async () => {
  for (const [answer, value] of [
    ['[{"result":{"allow":true}}]', { allow: true }],
    ['[{"result":false}]', false],
    ['[{"result":null}]', null],
    ['[{"result":"é🙂"}]', 'é🙂'],
  ] as const) {
    const engine = await engineOf({ behaviour: { answer } })
    assert.deepEqual(engine.evaluate(entrypoints.decision, anything), value)
  }
})

const faults: Readonly<Record<string, readonly [Behaviour, string, RegExp]>> = {
  'an empty result set': [{ answer: '[]' }, 'policy/undefined', /^entrypoint is undefined, got=/],
  'two rows': [
    { answer: '[{"result":1},{"result":1}]' },
    'policy/undefined',
    /^entrypoint is undefined/,
  ],
  'a row without result': [{ answer: '[{"x":true}]' }, 'policy/undefined', /^entrypoint is unde/],
  'a bare value': [{ answer: 'true' }, 'policy/undefined', /^entrypoint is undefined/],
  'a result that stands in the prototype': [
    { answer: '[{"__proto__":{"result":{"allow":true}}}]' },
    'policy/undefined',
    /^entrypoint is undefined/,
  ],
  'no JSON': [{ answer: '{]' }, 'policy/abort', /^evaluation ended early, got="SyntaxError: /],
  'an empty text': [{ answer: '' }, 'policy/abort', /^evaluation ended early, got="SyntaxError: /],
  'an abort': [
    { abort: 'illegal string escape character' },
    'policy/abort',
    /^evaluation ended early, got="illegal string escape character"$/,
  ],
  'a trap': [
    { trap: true },
    'policy/abort',
    /^evaluation ended early, got="RuntimeError: unreachable"$/,
  ],
}

for (const [name, [behaviour, code, message]] of Object.entries(faults)) {
  test(`an evaluation that ends in ${name} is an error, and the next one is not affected`, async () => {
    requirement('policy.cannot-fail-open')
    const engine = await engineOf({ behaviour })
    const before = engine.evaluate(entrypoints.decision, {})
    for (let times = 0; times < 3; times += 1) {
      assert.throws(() => engine.evaluate(entrypoints.decision, anything), { code, message })
      assert.deepEqual(engine.evaluate(entrypoints.decision, {}), before)
    }
  })
}

test('what an abort says of the input is cut', async () => {
  const engine = await engineOf({ behaviour: { abort: 'x'.repeat(5000) } })
  assert.throws(
    () => engine.evaluate(entrypoints.decision, anything),
    (error: Error) => error.message.length < 200,
  )
})

test('an entrypoint that is not there is an error, also one that every object has', async () => {
  const engine = await loadPolicyBundle()
  for (const name of ['countersign/mcp/allow', '', 'toString', '__proto__']) {
    assert.throws(() => engine.evaluate(name, anything), {
      code: 'policy/undefined',
      message: `policy has no such entrypoint, got=${JSON.stringify(name)}`,
    })
  }
})

const broken: Readonly<Record<string, readonly [ModuleOptions, RegExp]>> = {
  'needs a builtin that nobody provides': [
    { builtins: ['strings.count', 'rand.intn', 'http.send'] },
    /^policy needs builtins that are not provided, got=http.send rand.intn$/,
  ],
  'needs a builtin that capabilities.json leaves out': [
    { builtins: ['rand.intn'] },
    /^policy needs builtins that are not provided, got=rand.intn$/,
  ],
  'needs a builtin named like a member of every object': [
    { builtins: ['constructor'] },
    /^policy needs builtins that are not provided, got=constructor$/,
  ],
  'speaks another ABI': [
    { abiVersion: 2 },
    /^policy.wasm is of another ABI, want=1.2 or later got=2.3$/,
  ],
  'cannot take its input as text': [
    { old: true },
    /^policy.wasm is of another ABI, want=1.2 or later got=1.\d$/,
  ],
  'answers the probe with nothing': [
    { probe: '[]' },
    /^bundle does not answer an empty input, got=countersign\/issuance\/decision$/,
  ],
  'has no entrypoint for lists': [
    { entrypoints: Object.values(entrypoints).filter((name) => name !== entrypoints.list) },
    /^bundle does not answer an empty input, got=countersign\/mcp\/list$/,
  ],
}

for (const [name, [module, message]] of Object.entries(broken)) {
  test(`a bundle whose module ${name} is never put into force`, async () => {
    requirement('policy.bundle-refused-whole')
    await assert.rejects(engineOf(module), { code: 'policy/bundle', message })
  })
}

test('a builtin of our own table is known', async () => {
  const engine = await engineOf({ builtins: ['strings.count'] })
  assert.deepEqual(engine.evaluate(entrypoints.decision, {}), {})
})

test('data that would make the issuance policy undefined is found when it is loaded', async () => {
  await assert.rejects(
    loadPolicyBundle({ data: { issuance: { lifetime_seconds_max: { agent: '1h' } } } }),
    {
      code: 'policy/data',
      message: 'data: /issuance/lifetime_seconds_max/agent: want=number got=string',
    },
  )
})

test('data that needs more memory than is given is refused', async () => {
  const grants = { tenants: { acme: { files: { tools: { ['x'.repeat(1e6)]: {} } } } } }
  await assert.rejects(loadPolicyBundle({ data: { grants }, memoryPagesMax: 64 }), {
    code: 'policy/bundle',
    message: 'data needs too much memory, want=..64 pages got=277',
  })
})

test('an input that needs more memory than is given is an error of the module, and the next one is not affected', async () => {
  requirement('policy.cannot-fail-open')
  const engine = await loadPolicyBundle({ memoryPagesMax: 34, engine: 'wasm' })
  const large = { context: { arguments: Array.from({ length: 50_000 }, (_, index) => index % 10) } }
  for (let times = 0; times < 3; times += 1) {
    assert.throws(() => engine.evaluate(entrypoints.decision, large), { code: 'policy/abort' })
    const decision = engine.evaluate(entrypoints.decision, {}) as { allow: boolean }
    assert.equal(decision.allow, false)
  }
})

test('memory of the module stays as it is over many evaluations', async () => {
  const engine = await loadPolicyBundle({ memoryPagesMax: 40, engine: 'wasm' })
  const input = { subject: { id: 'x'.repeat(100_000) } }
  for (let times = 0; times < 200; times += 1) engine.evaluate(entrypoints.decision, input)
})

test('an answer of the module that comes again is the same value, which nobody can change', async () => {
  requirement('policy.cannot-fail-open')
  const engine = await loadPolicyBundle({ engine: 'wasm' })
  const [first, second, third] = [1, 2, 3].map(
    () => engine.evaluate(entrypoints.decision, anything) as { allow: boolean },
  )
  assert.deepEqual(second, first)
  assert.equal(third, second)
  for (const value of [second, third] as { allow: boolean; reasons: object[] }[]) {
    assert.throws(() => (value.allow = true), TypeError)
    assert.throws(() => Object.assign(value.reasons[0] ?? {}, { code: 'x' }), TypeError)
  }
  assert.deepEqual(engine.evaluate(entrypoints.mask, {}), [])
  assert.deepEqual(engine.evaluate(entrypoints.decision, anything), first)
})

test('text arrives in the module as it was, whatever its characters and wherever memory ends', async () => {
  const data = {
    grants: { tenants: { acme: { files: { tools: { read: { arguments: { a: ['x'] } } } } } } },
  }
  const engine = await loadPolicyBundle({ data, engine: 'wasm' })
  // The memory of a fresh instance has two mebibytes, and so has an input of 600,000 characters in the worst case.
  for (const filler of ['x', 'é', '€', '🙂']) {
    for (const length of [0, 1, 70_000, 600_000, 3_000_000]) {
      const given = { arguments: { filler: filler.repeat(length / filler.length), a: 'x' } }
      const input = JSON.stringify(callInput(given)) as InputText
      const { allow } = engine.evaluate(entrypoints.decision, input) as { allow: boolean }
      assert.equal(allow, true, `${length} of ${filler}`)
    }
  }
})
