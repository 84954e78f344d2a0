import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPace } from '../../../src/gateway/catalogue/pace.ts'
import { requirement } from '../../requirements.ts'

function turnsFor(texts: readonly number[]): number {
  let turns = 0
  const pace = createPace(() => {
    turns += 1
    return undefined
  })
  for (const octets of texts) void pace(octets)
  return turns
}

test('a turn is taken for each 16 KiB, and many short texts are not one', () => {
  requirement('gateway.offers-take-turns')
  assert.equal(turnsFor([10]), 1)
  assert.equal(turnsFor(Array.from({ length: 128 }, () => 10)), 1)
  assert.equal(turnsFor(Array.from({ length: 1280 }, () => 10)), 10)
  assert.equal(turnsFor([65_536, 10, 10]), 2)
})

test('of texts that are known together the last turn takes what is left of them', () => {
  const asked: number[] = []
  const texts = [16_000, 1000, 10]
  const pace = createPace((octets) => void asked.push(octets), texts)
  for (const octets of texts) void pace(octets)
  assert.deepEqual(asked, [16_384, 128])
  const short: number[] = []
  void createPace((octets) => void short.push(octets), [200])(200)
  assert.deepEqual(short, [200])
})
