import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Account } from '../../src/shares.ts'
import { createTurns, turnOctetsMax } from '../../src/gateway/turns.ts'
import { requirement } from '../requirements.ts'

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

test('short pieces share a turn, as many as it holds; one that does not fit waits, and is first in the next', async () => {
  requirement('gateway.lists-take-turns')
  const queue: (() => void)[] = []
  const turns = createTurns((next) => queue.push(next))
  const done: string[] = []
  const turn = async (): Promise<void> => {
    queue.shift()?.()
    await Promise.resolve()
  }
  const part = turnOctetsMax / 4
  for (let index = 0; index < 3; index += 1) assert.equal(turns.take(account, part), undefined)
  void turns.take(account, 2 * part)?.then(() => done.push('large'))
  // There is room for it in this turn, but it has come after one that waits.
  void turns.take(['acme', 'other', 'agent'], part)?.then(() => done.push('small'))
  void turns.take(account, 10 * turnOctetsMax)?.then(() => done.push('whole'))
  assert.deepEqual(done, [])
  assert.equal(queue.length, 1)
  await turn()
  assert.deepEqual(done, ['large', 'small'])
  await turn()
  assert.deepEqual(done, ['large', 'small', 'whole'])
  await turn()
  assert.equal(queue.length, 0)
  assert.equal(turns.take(account), undefined)
})

test('a turn that was spent without asking is over for whoever asks', async () => {
  requirement('gateway.offers-take-turns')
  const queue: (() => void)[] = []
  const turns = createTurns((next) => queue.push(next))
  turns.spend()
  turns.spend()
  assert.equal(queue.length, 1)
  let isDone = false
  void turns.take(account, 1)?.then(() => (isDone = true))
  await Promise.resolve()
  assert.equal(isDone, false)
  queue.shift()?.()
  await Promise.resolve()
  assert.equal(isDone, true)
})
