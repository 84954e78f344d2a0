import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTokenBucket } from '../../src/kubernetes/token-bucket.ts'

test('so many are taken at once, then so many a second, and no rest makes more than at first', () => {
  let now = 5000
  const take = createTokenBucket({ tokensMax: 3, tokensPerSecond: 2, clock: () => now })
  const taken = (): number => Array.from({ length: 8 }, take).filter((was) => was).length
  assert.equal(taken(), 3)
  now += 499
  assert.equal(taken(), 0)
  now += 1
  assert.equal(taken(), 1)
  now += 1000
  assert.equal(taken(), 2)
  now += 3_600_000
  assert.equal(taken(), 3)
})
