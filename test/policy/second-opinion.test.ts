import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { CountersignError } from '../../src/errors.ts'
import { entrypoints, openPolicyBase } from '../../src/policy/engine.ts'
import { samplesOf } from '../../src/policy/samples.ts'
import { compareOpinions } from '../../src/policy/second-opinion.ts'
import { requirement } from '../requirements.ts'
import { bundleFolder } from './policy-module.ts'

const shipped = join(import.meta.dirname, '..', '..', 'policies', 'bundle')
const samples = samplesOf({}, entrypoints)

test('a bundle whose plan is of other rules than its module is never put into force', async () => {
  requirement('policy.plan-agrees')
  requirement('policy.bundle-refused-whole')
  await using bundle = await bundleFolder()
  await cp(join(shipped, 'plan.json'), join(bundle.folder, 'plan.json'))
  const base = await openPolicyBase({ folder: bundle.folder })
  assert.throws(() => base.engineWith([]), {
    code: 'policy/bundle',
    message: /^plan.json and policy.wasm do not answer alike, got=countersign\//,
  })
})

test('opinions that differ in the order of their sets alone are one', () => {
  compareOpinions(
    () => ({ a: [{ b: 1 }, { c: 2 }] }),
    () => ({ a: [{ c: 2 }, { b: 1 }] }),
    samples,
  )
})

function fails(code: 'policy/abort' | 'policy/undefined'): () => never {
  return () => {
    throw new CountersignError(code, 'ended')
  }
}

for (const [name, one, other] of [
  ['another value', () => ({ allow: true }), () => ({ allow: false })],
  ['a member more', () => ({ allow: true }), () => ({ allow: true, reasons: [] })],
  ['an answer and none', () => ({ allow: false }), fails('policy/undefined')],
  ['failures of two kinds', fails('policy/abort'), fails('policy/undefined')],
] as const) {
  test(`opinions with ${name} are two`, () => {
    requirement('policy.plan-agrees')
    assert.throws(() => compareOpinions(one, other, samples), { code: 'policy/bundle' })
  })
}

test('what the data grants is asked about, allowed and not', async () => {
  const grants = {
    tenants: {
      acme: { files: { tools: { read: { arguments: { a: ['x'] } } }, prefixes: { w: {} } } },
    },
    subjects: { 'spiffe://example.test/ns/a/sa/b': { mail: { tools: { send: {} } } } },
  }
  const engine = (await openPolicyBase()).engineWith([{ name: 'data', value: { grants } }])
  const answers = samplesOf({ grants }, entrypoints)
    .filter(({ entrypoint }) => entrypoint === entrypoints.decision)
    .map(({ input }) => (engine.evaluate(entrypoints.decision, input) as { allow: boolean }).allow)
  assert.ok(answers.includes(true) && answers.includes(false))
})
