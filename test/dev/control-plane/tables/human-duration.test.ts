import assert from 'node:assert/strict'
import { test } from 'node:test'
import { humanDuration } from '../../../../dev/control-plane/tables/human-duration.ts'

const minute = 60
const hour = 60 * minute
const day = 24 * hour
const year = 365 * day

const ages: readonly (readonly [seconds: number, shown: string])[] = [
  [-5, '<invalid>'],
  [-1, '0s'],
  [0, '0s'],
  [119.9, '119s'],
  [2 * minute, '2m'],
  [2 * minute + 5, '2m5s'],
  [9 * minute + 59, '9m59s'],
  [10 * minute + 30, '10m'],
  [3 * hour - 1, '179m'],
  [3 * hour, '3h'],
  [3 * hour + 30 * minute, '3h30m'],
  [8 * hour + 30 * minute, '8h'],
  [47 * hour, '47h'],
  [2 * day, '2d'],
  [2 * day + 3 * hour, '2d3h'],
  [8 * day + 3 * hour, '8d'],
  [729 * day, '729d'],
  [2 * year, '2y'],
  [2 * year + 5 * day, '2y5d'],
  [9 * year + 5 * day, '9y'],
]

for (const [seconds, shown] of ages) {
  test(`${seconds} seconds are shown as ${shown}`, () => {
    assert.equal(humanDuration(seconds), shown)
  })
}
