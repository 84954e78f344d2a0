import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createListeners } from '../../../src/listeners.ts'
import { createMetrics } from '../../../src/metrics.ts'
import type { AuthorityState } from '../../../src/pki/authority-journal.ts'
import { measureIssuer } from '../../../src/signer/anchors/measure-issuer.ts'

test('the metric of states shows the one that each authority has now, and none of those that are gone', async () => {
  const metrics = createMetrics()
  const listeners = createListeners()
  let states = new Map<string, AuthorityState>([['a', 'active']])
  const current = (): never => {
    throw new Error('none')
  }
  const onChange = (listener: () => void): (() => void) => listeners.onChange(listener)
  const authorities = { current, rotation: { states: () => states }, onChange }
  using _ = measureIssuer({ authorities, metrics, now: Date.now })
  const shown = async (): Promise<string[]> =>
    [...(await metrics.page()).matchAll(/^countersign_signer_authority_state\{(.*)\} 1$/gm)].map(
      ([, labels = '']) => labels,
    )
  assert.deepEqual(await shown(), ['authority="a",state="active"'])
  states = new Map([
    ['a', 'old'],
    ['b', 'active'],
  ])
  listeners.tell()
  assert.deepEqual(await shown(), ['authority="a",state="old"', 'authority="b",state="active"'])
  states = new Map([['b', 'active']])
  listeners.tell()
  assert.deepEqual(await shown(), ['authority="b",state="active"'])
})
