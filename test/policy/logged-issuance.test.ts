import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { createDecisionLog, type DecisionEvent } from '../../src/policy/decision-log.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import type {
  IssuanceDecision,
  IssuanceInput,
  IssuancePolicy,
} from '../../src/policy/issuance-policy.ts'
import { loggedIssuance } from '../../src/policy/logged-issuance.ts'
import { requirement } from '../requirements.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import { keepLines } from './event-lines.ts'
import { issuanceInput as input } from './issuance-input.ts'

const annotations = { 'example.test/note': 'hunter2' }
const asked: IssuanceInput = { ...input, context: { ...input.context, annotations } }

/** A policy whose decisions are numbered `d-1` and so on, and what is recorded of them. */
function logged(
  engine: PolicyEngine,
  log: { readonly available?: boolean; readonly takes?: boolean } = {},
): {
  readonly decide: (...asked: Parameters<IssuancePolicy['decide']>) => IssuanceDecision
  readonly events: DecisionEvent[]
} {
  const { available = true, takes = true } = log
  const events: DecisionEvent[] = []
  let number = 0
  const record = (event: DecisionEvent): boolean => takes && events.push(event) > 0
  const policy = loggedIssuance(
    engine,
    { available, record },
    {
      newDecisionId: () => `d-${(number += 1)}`,
      elapsed: () => 0,
    },
  )
  return { decide: (...asked) => policy.decide(...asked), events }
}

const failing: PolicyEngine = {
  revision: 'r1',
  digest: 'd1',
  evaluate() {
    throw new CountersignError('policy/fuel', 'evaluation takes too many steps')
  },
}

test('what the issuance policy was asked and has answered is one event, in the format of a gateway', async () => {
  requirement('policy.issuance-logged')
  const data = { issuance: { denied_namespaces: {}, lifetime_seconds_max: { agent: 1800 } } }
  const engine = await loadPolicyBundle({ data })
  const { file, lines } = keepLines()
  const log = createDecisionLog(file, {
    engine,
    labels: () => ({ id: 'signer-0' }),
    now: () => Date.UTC(2026, 10, 22, 9),
    log: silentLog,
    metrics: silentMetrics,
  })
  const parts = { newDecisionId: () => 'd-1', elapsed: () => 0 }
  const { decisionId, lifetimeSecondsMax } = loggedIssuance(engine, log, parts).decide(asked)
  await log.flush()
  assert.deepEqual([decisionId, lifetimeSecondsMax], ['d-1', 1800])
  const { revision, digest } = engine
  assert.deepEqual(JSON.parse(lines.join('')), {
    labels: { id: 'signer-0' },
    bundles: { countersign: { revision }, data: { revision: digest } },
    decision_id: 'd-1',
    path: 'countersign/issuance/decision',
    requested_by: input.subject.id,
    timestamp: '2026-11-22T09:00:00.000000000Z',
    input: asked,
    result: { allow: true, lifetime_seconds_max: 1800, reasons: [] },
    metrics: { timer_rego_query_eval_ns: 0 },
    req_id: 1,
  })
})

test('where the log takes no decisions the policy has none, and a pod waits', async () => {
  requirement('policy.issuance-logged')
  const engine = await loadPolicyBundle()
  for (const log of [{ available: false }, { takes: false }]) {
    const { decide, events } = logged(engine, log)
    assert.throws(() => decide(asked), { code: 'policy/log' })
    assert.deepEqual(events, [])
  }
})

test('an evaluation that fails is recorded as no decision, and fails', () => {
  requirement('policy.issuance-logged')
  const { decide, events } = logged(failing)
  assert.throws(() => decide(asked), { code: 'policy/fuel' })
  const [event] = events
  const { error, result, value } = event?.evaluated ?? {}
  assert.deepEqual(
    [error, result, value],
    ['policy/fuel: evaluation takes too many steps', null, undefined],
  )
})

test('an answer that is none is recorded as no decision', () => {
  const { decide, events } = logged({
    ...failing,
    evaluate: () => ({ allow: true, reasons: [], lifetime_seconds_max: 'long' }),
  })
  assert.throws(() => decide(asked), { code: 'policy/result' })
  assert.equal(events[0]?.evaluated.result, null)
})

test('an input that is none is recorded by its outline', () => {
  const { decide, events } = logged(failing)
  const odd = { ...asked, context: { ...asked.context, annotations: { note: '\ud800' } } }
  assert.throws(() => decide(odd), { code: 'policy/input' })
  assert.deepEqual(
    events.map(({ evaluated }) => JSON.parse(textOf(evaluated.asked))),
    [input],
  )
})

test('an event that cannot be masked has nothing of annotations', async () => {
  const engine = await loadPolicyBundle()
  const { file, lines } = keepLines()
  const evaluate: PolicyEngine['evaluate'] = (entrypoint, ...rest) =>
    entrypoint.endsWith('mask')
      ? failing.evaluate(entrypoint, ...rest)
      : engine.evaluate(entrypoint, ...rest)
  const log = createDecisionLog(file, {
    engine: { ...failing, evaluate },
    labels: () => ({}),
    now: () => 0,
    log: silentLog,
    metrics: silentMetrics,
  })
  loggedIssuance({ ...failing, evaluate }, log, { newDecisionId: () => 'd-1' }).decide(asked)
  await log.flush()
  const event = JSON.parse(lines.join('')) as { readonly input: object; readonly result: object }
  assert.deepEqual([event.input, event.result], [input, { allow: true }])
})

test('what is only supposed is no decision', async () => {
  requirement('policy.issuance-logged')
  const { decide, events } = logged(await loadPolicyBundle(), { available: false })
  assert.equal(decide(asked, { supposed: true }).decisionId, undefined)
  assert.deepEqual(events, [])
})

function textOf(asked: DecisionEvent['evaluated']['asked']): string {
  return asked.kind === 'plain' ? asked.text : ''
}
