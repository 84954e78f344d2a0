import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentMetrics } from '../../src/metrics.ts'
import { openAskedPlan } from '../../src/policy/author/ask-plan.ts'
import { explainDecision } from '../../src/policy/author/explain.ts'
import { guardedInput, HiddenRead } from '../../src/policy/author/logged-decision.ts'
import type { LoggedDecision } from '../../src/policy/author/logged-decision.ts'
import { nearestPermits } from '../../src/policy/author/nearest-permits.ts'
import { openRegoSuite } from '../../src/policy/author/rego-suite.ts'
import { measureRules } from '../../src/policy/author/rule-times.ts'
import { timeOf } from '../../src/policy/decision-time.ts'
import type { InputText } from '../../src/policy/input.ts'
import { fromJson } from '../../src/policy/plan/json.ts'
import { createPlanEngine } from '../../src/policy/plan-engine.ts'
import { requirement } from '../requirements.ts'
import { exactText } from './plan/random.ts'

const file = join(import.meta.dirname, '..', 'vectors', 'rego', 'clock.plan.json')
const plan: unknown = JSON.parse(readFileSync(file, 'utf8'))

const [yesterday, today] = ['2026-11-30T23:59:59.999Z', '2026-12-01T00:00:00.000Z']

function inputAt(time: string): object {
  return {
    subject: { id: 'a' },
    action: { name: 'tools/call' },
    resource: { id: 'read' },
    context: { time },
  }
}

/** What an engine that was asked about yesterday says of today, about the very same caller, who asks for the very same. */
function createEngine(): (rule: string, time: string) => unknown {
  const options = { fuelOf: () => 100_000, metrics: silentMetrics }
  const evaluate = createPlanEngine(plan, options).withData('{}')
  const { subject, action, resource } = inputAt(today) as Record<string, object>
  return (rule, time) =>
    evaluate(`clock/${rule}`, '{}' as InputText, (read) => ({
      subject: read(JSON.stringify(subject)),
      action: read(JSON.stringify(action)),
      resource: read(JSON.stringify(resource)),
      context: { time },
    }))
}

for (const [rule, before, after] of [
  ['now', 1796083199999000000, 1796083200000000000],
  ['hour', 23, 0],
  ['shown', 'Tue, 01 Dec 2026 08:59:59 +0900', 'Tue, 01 Dec 2026 09:00:00 +0900'],
  ['of_subject', ['a', 1796083199999000000], ['a', 1796083200000000000]],
  [
    'of_call',
    [1796083198999000000, 1796083199999000000],
    [1796083199000000000, 1796083200000000000],
  ],
  ['mocked', 5, 5],
  ['elsewhere', 1796083199999000000, 1796083200000000000],
] as const) {
  test(`the time of a decision is what ${rule} rests on, and no decision before it`, () => {
    requirement('policy.time-of-record')
    const ask = createEngine()
    for (const _ of [1, 2, 3]) {
      assert.deepEqual(ask(rule, yesterday), before)
      assert.deepEqual(ask(rule, today), after)
    }
  })
}

test('a decision of yesterday is replayed in the time of yesterday', () => {
  requirement('policy.time-of-record')
  const asked = openAskedPlan(plan, '{}')
  const logged = fromJson(JSON.stringify(inputAt(yesterday)))
  assert.equal(asked.ask('clock/hour', logged, 100_000).value, 23)
})

/** As a log has it. */
function loggedAt(time: string): LoggedDecision {
  const input = fromJson(JSON.stringify(inputAt(time)))
  const rules = { revision: 'r', digest: 'd' }
  return {
    ...rules,
    id: '1',
    path: 'clock/decision',
    input,
    hidden: [],
    result: undefined,
    hiddenResult: [],
  }
}

test('a decision is explained and measured in its own time', async () => {
  requirement('policy.time-of-record')
  const rules = { plan, dataText: '{}' }
  for (const [time, isLate, shown] of [
    [yesterday, true, '23:59'],
    [today, false, '00:00'],
  ] as const) {
    const decision = loggedAt(time)
    assert.equal(explainDecision(decision, rules).result?.allow, isLate)
    assert.deepEqual(nearestPermits(decision, rules).agent, [`${shown} (hour)`])
    const how = { rounds: 1, warm: 0, elapsed: () => 0, signal: new AbortController().signal }
    const measured = await measureRules(rules, [decision], how)
    // Without a time the rule would end before it has looked at a clock.
    const hour = measured?.rules.find(({ path }) => path === 'clock/hour')
    assert.ok((hour?.steps ?? 0) > 4, `${hour?.steps}`)
  }
})

test('tests of rules have one time, that of the machine unless told', () => {
  requirement('policy.time-of-record')
  const outcomes = (at?: number): readonly string[] => {
    const suite = openRegoSuite(plan, '{}', at === undefined ? {} : { at })
    return suite.paths.map((path) => `${path} ${suite.run(path).outcome}`)
  }
  const late = ['clock/test_late pass', 'clock/test_present pass']
  assert.deepEqual(outcomes(Date.parse(yesterday)), late)
  assert.deepEqual(outcomes(0), ['clock/test_late fail', 'clock/test_present fail'])
  assert.equal(outcomes()[1], 'clock/test_present pass')
})

test('a time that a mask has hidden is not guessed', () => {
  requirement('policy.time-of-record')
  requirement('policy.replay-never-guesses')
  const asked = openAskedPlan(plan, '{}')
  const input = fromJson(JSON.stringify({ ...inputAt(today), timestamp: yesterday }))
  for (const hidden of ['/input/context', '/input/context/time']) {
    const decision = { input, hidden: [hidden] } as unknown as Parameters<typeof guardedInput>[0]
    const guarded = guardedInput(decision)
    assert.throws(
      () => asked.ask('clock/hour', guarded, 100_000),
      ({ cause }: Error) => cause instanceof HiddenRead,
    )
  }
})

for (const [what, input, time] of [
  ['a question, by its context', inputAt(today), '1796083200000000000'],
  [
    'an event, by its timestamp',
    { timestamp: '2026-12-01T00:00:00.000000001Z' },
    '1796083200000000001',
  ],
  ['an empty question, not at all', {}, null],
  ['a time that is none', inputAt('noon'), null],
  ['a time that is no text', { context: { time: 5 } }, null],
] as const) {
  test(`the time of what is decided is told of ${what}`, () => {
    requirement('policy.time-of-record')
    assert.equal(exactText(timeOf(fromJson(JSON.stringify(input)))), time)
  })
}

test('without a time rules that ask for it are undefined', () => {
  requirement('policy.time-of-record')
  assert.equal(openAskedPlan(plan, '{}').ask('clock/hour', {}, 100_000).value, undefined)
  assert.equal(timeOf(undefined), undefined)
})
