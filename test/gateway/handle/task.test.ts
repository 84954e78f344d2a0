import assert from 'node:assert/strict'
import { test } from 'node:test'
import { taskMilliseconds } from '../../../src/gateway/handle/task.ts'
import { requirement } from '../../requirements.ts'

const day = 86_400_000

test('a task is known for as long as its server keeps it, and for a day at most', () => {
  requirement('gateway.task-of-its-caller')
  for (const [ttl, milliseconds] of [
    [60_000, 60_000],
    [0, 0],
    [day + 1, day],
    [1e300, day],
    [-1, day],
    [null, day],
    ['60000', day],
    [undefined, day],
  ] as const) {
    assert.equal(taskMilliseconds(ttl), milliseconds, String(ttl))
  }
})
