import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../requirements.ts'
import { fuzzFraming } from './fuzz-framing.ts'

test('of HTTP that is nearly right, what reaches an upstream is whole and decided on, and nobody else is harmed', async () => {
  requirement('gateway.no-input-ends-it')
  const { cases, reached } = await fuzzFraming({ seed: 1, cases: Array(96).keys() })
  assert.equal(cases, 96)
  assert.ok(reached > 0, 'some of it is right')
})
