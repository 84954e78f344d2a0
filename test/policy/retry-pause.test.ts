import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retryPauseMilliseconds } from '../../src/policy/retry-pause.ts'

test('a pause grows as that of OPA does, up to the longest, and is a fifth more or less', () => {
  const pause = (failures: number, random = 0.5): number =>
    Math.round(retryPauseMilliseconds(failures, { millisecondsMax: 1000, random: () => random }))
  assert.deepEqual(
    [1, 2, 3, 6, 5000].map((failures) => pause(failures)),
    [100, 160, 256, 1000, 1000],
  )
  assert.deepEqual([pause(1, 0), pause(1, 1)], [80, 120])
})
