import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clearDeadline } from '../src/deadline.ts'
import { watchTimerLists } from './support/timer-lists.ts'

test('nothing is left of a timer that is given up, which Node keeps of one that is only cleared', (t) => {
  const lists = watchTimerLists(t)
  const [given, cleared] = [3_600_123, 3_600_457].map((each) => setTimeout(() => {}, each).unref())
  clearDeadline(given)
  clearTimeout(cleared)
  assert.deepEqual(lists.kept(0), [3_600_457])
})

test('one that has fired, and none, is nothing to give up', async () => {
  const fired = await new Promise<NodeJS.Timeout>((resolve) => {
    const timer: NodeJS.Timeout = setTimeout(() => resolve(timer), 1)
  })
  assert.doesNotThrow(() => clearDeadline(fired))
  assert.doesNotThrow(() => clearDeadline(undefined))
})
