import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentMetrics } from '../../src/metrics.ts'
import { parseDecision, type Decision } from '../../src/policy/decision.ts'
import { entrypoints, fuelOf } from '../../src/policy/engine.ts'
import { formatInput } from '../../src/policy/input.ts'
import { createPlanEngine } from '../../src/policy/plan-engine.ts'
import { requirement } from '../requirements.ts'
import { callInput } from './call-input.ts'

const bundle = join(import.meta.dirname, '..', '..', 'policies', 'bundle')
const shipped: unknown = JSON.parse(readFileSync(join(bundle, 'plan.json'), 'utf8'))
const program = createPlanEngine(shipped, { fuelOf, metrics: silentMetrics })
const granted = { tenants: { acme: { files: { tools: { read: {} } } } }, subjects: {} }

/** What the shipped rules say of a call that is granted, beside rules of a platform that say this. */
function decideBeside(deny: unknown, grants: object = granted, own: object = {}): Decision {
  const shippedData = JSON.parse(readFileSync(join(bundle, 'data.json'), 'utf8')) as object
  const custom = { deny, ...own }
  const data = JSON.stringify({ ...shippedData, grants, countersign: { custom } })
  return parseDecision(program.withData(data)(entrypoints.decision, formatInput(callInput())))
}

const denial = { code: 'frozen', message: 'it is frozen' }
const tried = { ...denial, code: 'soon', operator: 'see ticket 7', enforced: false }
const told = { code: 'soon', message: 'see ticket 7', audience: 'operator' }

test('a rule that is tried denies nothing, and operators alone are told of it', () => {
  requirement('policy.tried-only-as-said')
  assert.deepEqual(decideBeside([]), { allow: true, reasons: [], obligations: [] })
  assert.deepEqual(decideBeside([tried]), { allow: true, reasons: [told], obligations: [] })
})

test('a rule beside one that is tried denies, and the agent hears of it alone', () => {
  requirement('policy.tried-only-as-said')
  const { allow, reasons } = decideBeside([tried, denial])
  assert.equal(allow, false)
  const forAgents = reasons.filter(({ audience }) => audience === 'agent')
  assert.deepEqual(forAgents, [{ ...denial, audience: 'agent' }])
})

test('a rule that is tried permits nothing that is not granted', () => {
  requirement('policy.tried-only-as-said')
  const { allow, reasons } = decideBeside([tried], { tenants: {}, subjects: {} })
  assert.deepEqual(
    [allow, new Set(reasons.map(({ code }) => code))],
    [false, new Set(['not-granted'])],
  )
})

const denials: Readonly<Record<string, unknown>> = {
  'is enforced by default': [denial],
  'is enforced': [{ ...tried, enforced: true }],
  'is not enforced by a text': [{ ...tried, enforced: 'false' }],
  'is not enforced by a number': [{ ...tried, enforced: 0 }],
  'is not enforced by null': [{ ...tried, enforced: null }],
  'is not enforced by an empty list': [{ ...tried, enforced: [] }],
  'has no code': [{ message: 'x', enforced: false }],
  'has a message that is none': [{ ...tried, message: 7 }],
  'has a text for operators that is none': [{ ...tried, operator: false }],
  'stands beside one that is tried': [tried, { ...tried, enforced: 1 }],
  'is no set': tried,
  'is a text': 'enforced',
}

for (const [title, deny] of Object.entries(denials)) {
  test(`a denial that ${title} denies`, () => {
    requirement('policy.tried-only-as-said')
    assert.equal(decideBeside(deny).allow, false)
  })
}

test('a permit names what is to be kept of it, and a refusal nothing', () => {
  requirement('policy.history-kept-first')
  const own = { remember: ['calls', 'secret-read'] }
  const kept = ['calls', 'secret-read'].map((id) => ({ id, type: 'remember', properties: {} }))
  assert.deepEqual(decideBeside([], granted, own).obligations, kept)
  assert.deepEqual(decideBeside([denial], granted, own).obligations, [])
})

for (const remember of ['calls', true, null, { calls: true }, 7]) {
  test(`what is to be kept and is no collection of names is not passed over, ${JSON.stringify(remember)}`, () => {
    requirement('policy.history-kept-first')
    const { obligations } = decideBeside([], granted, { remember })
    assert.deepEqual(
      obligations.map(({ id, type }) => [id, type]),
      [['unreadable', 'remember']],
    )
  })
}
