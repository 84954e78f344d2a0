import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { measureRules, type Measured } from '../../../src/policy/author/rule-times.ts'
import {
  parseLoggedDecision,
  type LoggedDecision,
} from '../../../src/policy/author/logged-decision.ts'
import { mergeBundle, readBundleFiles } from '../../../src/policy/bundle.ts'
import { shippedPolicies } from '../../../src/policy/engine.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'
import { linesOf } from './logged-events.ts'

const data = {
  grants: { tenants: { acme: { files: { tools: { read: { arguments: { path: ['/a'] } } } } } } },
}
let rules: { readonly plan: unknown; readonly dataText: string }
let decisions: readonly LoggedDecision[]

before(async () => {
  const files = await readBundleFiles(`${shippedPolicies}/bundle`)
  rules = { plan: files.plan, dataText: mergeBundle(files, [data]).dataText }
  const engine = await loadPolicyBundle({ data })
  const lines = linesOf(engine, [
    { tool: 'write' },
    { tool: 'write', arguments: { path: '/b' } },
    { tool: 'read', arguments: { path: '/a' } },
  ])
  decisions = lines.flatMap((line) => {
    const decision = parseLoggedDecision(JSON.parse(line))
    return typeof decision === 'object' ? [decision] : []
  })
})

/** A clock that is looked at once a millisecond. */
function ticking(): () => number {
  let now = 0
  return () => (now += 1)
}

async function measure(asked: readonly LoggedDecision[]): Promise<Measured | undefined> {
  const { signal } = new AbortController()
  return measureRules(rules, asked, { rounds: 3, warm: 1, elapsed: ticking(), signal })
}

test('what an evaluation takes is told, and of it what each rule takes', async () => {
  const measured = await measure(decisions)
  assert.ok(measured !== undefined)
  // The arguments of one are masked, and a rule reads them.
  assert.deepEqual([measured.decisions, measured.notMeasured, measured.rounds], [2, 1, 3])
  assert.deepEqual(measured.microseconds, { p50: 1_000, p99: 1_000, mean: 1_000 })
  const sum = measured.rules.reduce((all, { microseconds }) => all + microseconds, 0)
  assert.ok(Math.abs(sum - 1_000) < 1e-6, String(sum))
  const decision = measured.rules.find(({ path }) => path === 'countersign/mcp/decision')
  assert.equal(decision?.evaluations, 1)
  const times = measured.rules.map(({ microseconds }) => microseconds)
  assert.deepEqual(
    times,
    times.toSorted((a, b) => b - a),
  )
})

test('the steps of the rules are those of the evaluation, and the same each time', async () => {
  const [first, second] = [await measure(decisions), await measure(decisions)]
  assert.equal(first?.steps, second?.steps)
  const stepsOf = (measured: Measured | undefined): number =>
    measured?.rules.reduce((all, { steps }) => all + steps, 0) ?? 0
  assert.equal(stepsOf(first), stepsOf(second))
  assert.ok(stepsOf(first) > 0 && stepsOf(first) <= (first?.steps ?? 0))
})

test('nothing that can be asked about is no measurement', async () => {
  assert.equal(
    await measure(decisions.filter(({ hidden }) => hidden.length > 0).slice(-1)),
    undefined,
  )
  assert.equal(await measure([]), undefined)
})
