import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { coalesce, spaced } from '../../../src/gateway/caller/coalesce.ts'

test('many changes of one moment are one', async () => {
  let told = 0
  const change = coalesce(() => (told += 1))
  change()
  change()
  assert.equal(told, 0)
  await setImmediate()
  await setImmediate()
  assert.equal(told, 1)
  change()
  await setImmediate()
  await setImmediate()
  assert.equal(told, 2)
})

test('the first change is told at once, and the last of those that follow it is told, too', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let told = 0
  const change = spaced(() => (told += 1), 50)
  change()
  assert.equal(told, 1)
  change()
  change()
  t.mock.timers.tick(49)
  assert.equal(told, 1)
  t.mock.timers.tick(1)
  assert.equal(told, 2)
  // What was told at its end begins the next one.
  change()
  t.mock.timers.tick(49)
  assert.equal(told, 2)
  t.mock.timers.tick(1)
  assert.equal(told, 3)
  t.mock.timers.tick(50)
  assert.equal(told, 3)
  change()
  assert.equal(told, 4)
})
