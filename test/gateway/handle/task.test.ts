import assert from 'node:assert/strict'
import { test } from 'node:test'
import { oneHandleKey } from '../../../src/gateway/handle/keys.ts'
import { createSeal } from '../../../src/gateway/handle/seal.ts'
import { openTask, sealTask, taskMilliseconds } from '../../../src/gateway/handle/task.ts'
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

test('a task of one era is none of the other', () => {
  requirement('gateway.task-of-its-caller')
  const seal = createSeal({ keys: oneHandleKey() })
  const there = { server: 'files', spiffeId: 'spiffe://test.example/ns/tools/sa/files' }
  const task = { door: 'mcp', ...there, tool: 'work', taskId: 't', until: 1 }
  for (const [era, other] of [
    ['modern', 'legacy'],
    ['legacy', 'modern'],
  ] as const) {
    const shown = sealTask(seal, 'agent pod', { ...task, era }) ?? ''
    const whose = { owner: 'agent pod', door: 'mcp', now: 0 }
    assert.deepEqual(openTask(seal, { ...whose, era }, shown), { ...task, era })
    assert.deepEqual(openTask(seal, { ...whose, era: other }, shown), {
      why: 'it is of the other era',
    })
  }
})
