import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import { createDecisionLog, openDecisionLog, type Drops } from '../../src/policy/decision-log.ts'
import { CountersignError } from '../../src/errors.ts'
import { dropEntrypoint, entrypoints, type PolicyEngine } from '../../src/policy/engine.ts'
import { lostAt } from '../../src/policy/author/logged-decision.ts'
import { outlineEvent } from '../../src/policy/author/decision-query.ts'
import { createDropped } from '../../src/policy/dropped.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import { requirement } from '../requirements.ts'
import { callTexts } from './call-input.ts'
import { keepLines } from './event-lines.ts'
import { openFolder } from './upload/folder.ts'

const shipped = await loadPolicyBundle()
const evaluated = createAuthorizer(shipped).decide(callTexts())

type Event = Readonly<Record<string, unknown>>

/** What is kept of these decisions where the drop rule says so. */
async function keptOf(
  drops: Drops | undefined,
  drop: (event: Event) => unknown,
  ids: readonly string[],
): Promise<{ readonly events: readonly Event[]; readonly counted: readonly string[] }> {
  await using place = await openFolder()
  const counted: string[] = []
  const engine: PolicyEngine = {
    revision: 'r-7',
    digest: shipped.digest,
    evaluate(entrypoint, input, document) {
      if (entrypoint !== dropEntrypoint) return shipped.evaluate(entrypoint, input, document)
      return drop(JSON.parse(typeof input === 'function' ? input() : (input as string)) as Event)
    },
  }
  {
    await using log = await openDecisionLog({
      file: place.file,
      engine,
      labels: () => ({ id: 'gateway-0' }),
      now: () => Date.UTC(2026, 10, 30, 12),
      log: silentLog,
      metrics: { ...silentMetrics, count: (name) => void counted.push(name) },
      ...(drops === undefined ? {} : { drops }),
    })
    for (const decisionId of ids) {
      log.record({ decisionId, path: entrypoints.decision, requestedBy: 'x', evaluated })
    }
    await log.flush()
  }
  const lines = (await readFile(place.file, 'utf8')).trim().split('\n')
  return { events: lines.map((line) => JSON.parse(line) as Event), counted }
}

function idsOf(events: readonly Event[]): readonly unknown[] {
  return events.filter(({ path }) => path === entrypoints.decision).map(({ decision_id: id }) => id)
}

test('what the rules of an operator drop is in no log, which tells how many there were, and by which revision', async () => {
  requirement('policy.drops-are-told')
  const asked: Event[] = []
  const { events, counted } = await keptOf(
    'by-policy',
    (event) => {
      asked.push(event)
      return event['decision_id'] !== 'b'
    },
    ['a', 'b', 'c'],
  )
  assert.deepEqual(idsOf(events), ['b'])
  const [told] = events.filter(({ path }) => path === 'countersign/log/dropped')
  assert.deepEqual(told?.['dropped'], {
    revision: 'r-7',
    events: 2,
    from: '2026-11-30T12:00:00.000000000Z',
    until: '2026-11-30T12:00:00.000000000Z',
  })
  assert.equal(lostAt(told), 2)
  assert.deepEqual(outlineEvent(told), { kind: 'note', lost: 2 })
  const dropped = counted.filter((name) => name === 'countersign_decision_log_dropped_total')
  assert.equal(dropped.length, 2)
  // As OPA: the whole event, before its mask.
  assert.deepEqual(Object.keys(asked[0] ?? {}).toSorted(), [
    'bundles',
    'decision_id',
    'digests',
    'input',
    'labels',
    'path',
    'requested_by',
    'result',
    'timestamp',
  ])
})

test('no rule is asked where that is forbidden, and it is forbidden where nobody has said otherwise', async () => {
  requirement('policy.drops-are-told')
  for (const drops of [undefined, 'forbid'] as const) {
    const { events } = await keptOf(drops, () => true, ['a', 'b'])
    assert.deepEqual(idsOf(events), ['a', 'b'])
  }
})

const kept: Readonly<Record<string, () => unknown>> = {
  false: () => false,
  'a text': () => 'true',
  'a set that is not empty': () => [true],
  nothing: () => {
    throw new CountersignError('policy/undefined', 'policy has no such entrypoint')
  },
}

for (const [what, drop] of Object.entries(kept)) {
  test(`an event is kept where the rule says ${what}`, async () => {
    requirement('policy.drops-are-told')
    const { events, counted } = await keptOf('by-policy', drop, ['a'])
    assert.deepEqual(idsOf(events), ['a'])
    assert.notEqual(events[0]?.['input'], undefined)
    assert.deepEqual(
      counted.filter((name) => name.endsWith('_errors_total')),
      [],
    )
  })
}

test('of a rule that breaks, the event is kept without what only a mask may show', async () => {
  requirement('policy.drops-are-told')
  const broken = (): never => {
    throw new CountersignError('policy/fuel', 'too many steps')
  }
  const { events, counted } = await keptOf('by-policy', broken, ['a'])
  assert.deepEqual(idsOf(events), ['a'])
  assert.deepEqual(events[0]?.['error'], { message: 'event cannot be masked', mask: 'policy/fuel' })
  assert.ok(counted.includes('countersign_policy_errors_total'))
})

test('what the log has no room to tell when it ends, the log of the program says', async () => {
  requirement('policy.drops-are-told')
  const said: string[] = []
  const { file } = keepLines()
  const log = createDecisionLog(
    { ...file, available: false },
    {
      engine: { ...shipped, evaluate: () => true },
      labels: () => ({}),
      now: () => 0,
      log: { ...silentLog, error: (_, message) => void said.push(message) },
      metrics: silentMetrics,
      drops: 'by-policy',
    },
  )
  log.record({ decisionId: 'a', path: entrypoints.decision, requestedBy: 'x', evaluated })
  await log[Symbol.asyncDispose]()
  assert.deepEqual(said, ['decision log ends and does not tell what rules have dropped'])
})

test('what could not be told is told later, each revision by itself', () => {
  const dropped = createDropped()
  dropped.add('one', 1)
  dropped.add('two', 2)
  dropped.add('one', 3)
  dropped.tell(() => false)
  assert.equal(dropped.isEmpty, false)
  const told: unknown[] = []
  dropped.tell((members) => told.push(members) > 0)
  assert.deepEqual(told, [
    { revision: 'one', events: 2, from: 1, until: 3 },
    { revision: 'two', events: 1, from: 2, until: 2 },
  ])
  assert.equal(dropped.isEmpty, true)
})
