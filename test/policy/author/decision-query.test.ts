import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matchDecision, outlineEvent } from '../../../src/policy/author/decision-query.ts'
import type { DecisionOutline, DecisionQuery } from '../../../src/policy/author/decision-query.ts'
import { requirement } from '../../requirements.ts'

const reader = 'spiffe://example.test/ns/research/sa/reader'

const denied = {
  decision_id: 'd-1',
  path: 'countersign/mcp/decision',
  requested_by: reader,
  timestamp: '2026-11-22T09:00:00.000500000Z',
  input: {
    action: { name: 'tools/call' },
    resource: { type: 'tool', id: 'write', properties: { server: 'files' } },
  },
  result: { allow: false, reasons: [{ code: 'not-granted' }] },
}

function outline(event: object): DecisionOutline {
  const logged = outlineEvent(event)
  assert.ok(logged?.kind === 'decision')
  return logged.decision
}

const at = Date.parse('2026-11-22T09:00:00Z')

const queries: readonly (readonly [DecisionQuery, boolean])[] = [
  [{}, true],
  [{ id: 'd-1' }, true],
  [{ id: 'd-' }, false],
  [{ identity: reader }, true],
  [{ identity: '/ns/research/sa/reader' }, true],
  [{ identity: '/ns/research/sa/read' }, false],
  [{ identity: '/sa/reader' }, false],
  [{ identity: 'spiffe://other.test/ns/research/sa/reader' }, false],
  [{ tool: 'write' }, true],
  [{ tool: 'files:write' }, true],
  [{ tool: 'other:write' }, false],
  [{ since: at }, true],
  [{ since: at + 1 }, false],
  [{ until: at }, false],
  [{ until: at + 1 }, true],
  [{ outcome: 'deny' }, true],
  [{ outcome: 'allow' }, false],
  [{ code: 'not-granted' }, true],
  [{ code: 'not' }, false],
  [{ id: 'd-1', tool: 'write', outcome: 'allow' }, false],
]
for (const [query, answer] of queries) {
  test(`a refusal is found or not by ${JSON.stringify(query)}`, () => {
    assert.equal(matchDecision(outline(denied), query), answer)
  })
}

test('what an event does not show is no answer, unless something else is', () => {
  requirement('policy.replay-never-guesses')
  const { input: _, ...noInput } = denied
  const failed = { ...noInput, result: null, error: { message: 'no', mask: 'policy/mask' } }
  const cases: readonly (readonly [object, DecisionQuery])[] = [
    [{ ...denied, masked: ['/input/resource/id'] }, { tool: 'write' }],
    [{ ...denied, erased: ['/input'] }, { tool: 'write' }],
    [{ ...denied, masked: ['/result'] }, { outcome: 'deny' }],
    [{ ...denied, masked: ['/result/allow'] }, { outcome: 'allow' }],
    [{ ...denied, masked: ['/result/reasons/0/code'] }, { code: 'other' }],
    [{ ...denied, timestamp: undefined }, { since: at }],
    [failed, { tool: 'write' }],
    [failed, { outcome: 'deny' }],
    [failed, { code: 'not-granted' }],
  ]
  for (const [event, query] of cases) {
    assert.equal(matchDecision(outline(event), query), undefined, JSON.stringify([event, query]))
    assert.equal(matchDecision(outline(event), { ...query, id: 'other' }), false)
  }
  // What is hidden beside it hides nothing of it.
  const beside = { ...denied, masked: ['/input/resources'], erased: ['/result/allowed'] }
  assert.equal(matchDecision(outline(beside), { tool: 'write', outcome: 'deny' }), true)
})

test('a list is no permit, and what could not be evaluated is a denial', () => {
  const list = { ...denied, path: 'countersign/mcp/list', input: {}, result: { count: 3 } }
  assert.equal(outline(list).outcome, 'list')
  assert.equal(matchDecision(outline(list), { tool: 'write' }), false)
  const failed = { ...denied, result: null, error: { message: 'no answer' } }
  assert.equal(outline(failed).outcome, 'deny')
})

test('what is of another kind is no tool', () => {
  const prompt = { type: 'prompt', id: 'write', properties: { server: 'files' } }
  const event = { ...denied, input: { ...denied.input, resource: prompt } }
  assert.equal(matchDecision(outline(event), { tool: 'write' }), false)
})

test('what the log tells of itself is a note, and anything else no event', () => {
  const lost = { decision_id: 'd-2', path: 'countersign/log/lost', lost: { events: 7 } }
  assert.deepEqual(outlineEvent(lost), { kind: 'note', lost: 7 })
  for (const event of [null, 1, [], {}, { decision_id: 'd' }, { path: 'p' }]) {
    assert.equal(outlineEvent(event), undefined)
  }
})
