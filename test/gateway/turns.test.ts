import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTurns } from '../../src/gateway/turns.ts'

test('one piece of work is done in a turn of the loop, and the others after it, in the order asked', async () => {
  const queue: (() => void)[] = []
  const turns = createTurns((next) => queue.push(next))
  const done: string[] = []
  const turn = async (): Promise<void> => {
    queue.shift()?.()
    await Promise.resolve()
  }
  assert.equal(turns.take(), undefined)
  for (const name of ['a', 'b']) void turns.take()?.then(() => done.push(name))
  await turn()
  assert.deepEqual(done, ['a'])
  // Whoever comes now is behind those that wait.
  void turns.take()?.then(() => done.push('c'))
  await turn()
  assert.deepEqual(done, ['a', 'b'])
  await turn()
  assert.deepEqual(done, ['a', 'b', 'c'])
  await turn()
  assert.equal(queue.length, 0)
  assert.equal(turns.take(), undefined)
})
