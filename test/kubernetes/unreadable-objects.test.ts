import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { UnreadableObjects } from '../../src/kubernetes/unreadable-objects.ts'

test('more names than are kept count as one without a name, which only a list takes away', () => {
  const objects = new UnreadableObjects({ plural: 'pods', log: silentLog, metrics: silentMetrics })
  const keys = Array.from({ length: 1100 }, (_, at) => `a/${at}`)
  for (const key of keys) objects.note({ key, error: undefined })
  assert.equal(objects.keys.size, 1001)
  for (const key of keys) objects.clear(key)
  assert.deepEqual([...objects.keys], [''])
  assert.equal(objects.summary, '1 of them cannot be read, such as one without a name')
  assert.equal(objects.replace([]), true)
  assert.equal(objects.replace([]), false)
  assert.equal(objects.summary, undefined)
})
