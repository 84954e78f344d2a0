import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concluded } from '../../src/ledger/concluded.ts'
import type { NodeVerdict } from '../../src/ledger/record.ts'

const begun = {
  time: '2026-12-01T00:00:00.000Z',
  outcome: 'unknown',
  latencySeconds: 2,
} as NodeVerdict
const at = Date.parse(begun.time)

test('what was begun is concluded at its own time, and took so long from its request on', () => {
  const ended = concluded(begun, 'published', at + 1500)
  assert.deepEqual(ended, {
    time: '2026-12-01T00:00:01.500Z',
    outcome: 'published',
    latencySeconds: 3.5,
  })
})

test('a clock that was set back makes nothing shorter than it was', () => {
  assert.equal(concluded(begun, 'published', at - 60_000).latencySeconds, 2)
})
