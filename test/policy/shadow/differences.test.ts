import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentMetrics } from '../../../src/metrics.ts'
import type { Difference } from '../../../src/policy/shadow/differ.ts'
import {
  createDifferences,
  type ToldDifference,
  type ToldExtent,
} from '../../../src/policy/shadow/differences.ts'
import type { Queued } from '../../../src/policy/shadow/shadow-queue.ts'
import { callTexts } from '../call-input.ts'

function called(tool: string): Queued {
  const named = { decisionId: `of-${tool}`, subject: 'spiffe://x/a', digest: 'd', octets: 1 }
  return { decided: { kind: 'call', texts: callTexts({ tool }), was: undefined }, named }
}

const reasons: Difference = { change: 'reasons', rule: 'other', from: 'deny a', to: 'deny b' }
const widened: Difference = { change: 'widened', rule: 'a', from: 'deny a', to: 'allow' }

test('names that a caller makes up keep nothing that is widened from being told', () => {
  const told: (ToldDifference | ToldExtent)[] = []
  const differences = createDifferences({
    metrics: silentMetrics,
    rules: new Set(),
    tell: (each) => void told.push(each),
  })
  for (let each = 0; each < 1005; each += 1) {
    differences.add([called(`made-up-${each}`)], { kind: 'answers', answers: [reasons] })
  }
  differences.add([called('delete')], { kind: 'answers', answers: [widened] })
  const untold = told.filter((each) => 'untold' in each)
  assert.deepEqual(untold, [{ untold: 'reasons' }])
  assert.ok(told.some((each) => 'change' in each && each.change === 'widened'))
  const asked = told.flatMap((each) => ('asked' in each ? [each.asked] : []))
  assert.deepEqual(asked, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
})

test('the rules that metrics tell apart are bounded for all candidates together', () => {
  const labels = new Set<string>()
  const rules = new Set<string>()
  const metrics = {
    ...silentMetrics,
    count: (_name: string, { rule = '' }: Readonly<Record<string, string>> = {}) =>
      void labels.add(rule),
  }
  for (const candidate of ['one', 'two']) {
    const differences = createDifferences({ metrics, rules, tell: () => {} })
    for (let each = 0; each < 150; each += 1) {
      const rule = `${candidate}-${each}`
      differences.add([called('read')], { kind: 'answers', answers: [{ ...reasons, rule }] })
    }
  }
  assert.equal(labels.size, 101)
})
