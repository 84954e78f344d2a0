import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Account } from '../../src/gateway/shares.ts'
import { createTurns } from '../../src/gateway/turns.ts'

const account: Account = ['acme', 'research', 'agent']

test('one piece of work is done in a turn of the loop, and the others after it, in the order asked', async () => {
  const queue: (() => void)[] = []
  const turns = createTurns((next) => queue.push(next))
  const done: string[] = []
  const turn = async (): Promise<void> => {
    queue.shift()?.()
    await Promise.resolve()
  }
  assert.equal(turns.take(account), undefined)
  for (const name of ['a', 'b']) void turns.take(account)?.then(() => done.push(name))
  await turn()
  assert.deepEqual(done, ['a'])
  // Whoever comes now is behind those that wait.
  void turns.take(account)?.then(() => done.push('c'))
  await turn()
  assert.deepEqual(done, ['a', 'b'])
  await turn()
  assert.deepEqual(done, ['a', 'b', 'c'])
  await turn()
  assert.equal(queue.length, 0)
  assert.equal(turns.take(account), undefined)
})
